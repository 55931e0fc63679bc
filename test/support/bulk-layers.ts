import { deflateRawSync, gzipSync, constants } from 'node:zlib';
import { execFileSync } from 'node:child_process';
import type { ErrorCode } from '../../lib/errors.js';
import { base256, header, open, pax } from './tar-builder.js';

/** A layer too large to be held in memory by a test: it is made while it is read. */
export interface BulkLayer {
  name: string;
  pieces: () => Generator<Buffer>;
  /** The one error that must come of it; without it, it is unpacked. */
  error?: ErrorCode;
  /** Only with `VAINA_LONG=1`. */
  long?: boolean;
}

const END = Buffer.alloc(1024);
const CHUNK = 1 << 20;
/** Of this many bytes deflate makes less than a thousandth. */
const ZEROS = 16 << 20;

/** Bytes in pieces as they would come from a network. */
function* repeated(block: Buffer, times: number): Generator<Buffer> {
  const many = Math.max(1, Math.floor(65_536 / block.length));
  const whole = Buffer.concat(Array.from({ length: Math.min(many, times) }, () => block));
  for (let left = times; left > 0; left -= many)
    yield left >= many ? whole : whole.subarray(0, left * block.length);
}

function* ended(parts: Iterable<Buffer>): Generator<Buffer> {
  yield* parts;
  yield END;
}

/** A header for 10 GiB of zeros, and the zeros. */
const TEN_GIB = 10 * 2 ** 30;
const tenHead = (): Buffer => header({ name: 'zeros', size: base256(BigInt(TEN_GIB), 12) });

/** One gzip member: a deflate block that was flushed can be repeated, since it refers to nothing before it. */
function* gzipZeros(): Generator<Buffer> {
  const flush = { finishFlush: constants.Z_FULL_FLUSH, level: 9 };
  yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  yield deflateRawSync(tenHead(), flush);
  yield* repeated(deflateRawSync(Buffer.alloc(ZEROS), flush), TEN_GIB / ZEROS);
}

/** Many members, each of them small: a limit for one of them would never be reached. */
function* gzipMembers(): Generator<Buffer> {
  yield gzipSync(tenHead());
  yield* repeated(gzipSync(Buffer.alloc(ZEROS), { level: 9 }), TEN_GIB / ZEROS);
}

function* zstdFrames(): Generator<Buffer> {
  const frame = (input: Buffer): Buffer => execFileSync('zstd', ['-qc', '-19'], { input });
  yield frame(tenHead());
  yield* repeated(frame(Buffer.alloc(ZEROS)), TEN_GIB / ZEROS);
}

function* files(count: number, size = 0): Generator<Buffer> {
  const content = Buffer.alloc(Math.ceil(size / 512) * 512);
  let piece: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    piece.push(header({ name: `${i % 1000}/${i}`, size }), content);
    if (piece.length < 256 && content.length < CHUNK) continue;
    yield Buffer.concat(piece);
    piece = [];
  }
  yield Buffer.concat(piece);
}

/** Headers in front of each entry, just below what is refused. */
function* chains(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < 15; j++) yield pax({ comment: 'y'.repeat(65_000) });
    yield open({ name: `f${i}`, content: 'x' });
  }
}

/** Every layer of this kind. Gzip cannot do much more than the ratio that is allowed, so it takes long to be refused. */
export const BULK_LAYERS: readonly BulkLayer[] = [
  { name: '10 GiB of zeros in one gzip member', pieces: gzipZeros, error: 'ERR_INVALID_LAYER', long: true },
  {
    name: '10 GiB of zeros in many gzip members',
    pieces: gzipMembers,
    error: 'ERR_INVALID_LAYER',
    long: true,
  },
  { name: '10 GiB of zeros in many zstd frames', pieces: zstdFrames, error: 'ERR_INVALID_LAYER' },
  {
    name: '100,000 opaque marks',
    pieces: () => ended(repeated(header({ name: 'd/.wh..wh..opq', size: 0 }), 100_000)),
  },
  {
    name: '100,000 whiteouts of one file',
    pieces: () => ended(repeated(header({ name: 'd/.wh.file', size: 0 }), 100_000)),
  },
  { name: '40 entries, each behind almost a MiB of extended headers', pieces: () => ended(chains(40)) },
  {
    name: '400 MiB of extended headers without an entry',
    pieces: () => ended(repeated(pax({ comment: 'y'.repeat(65_000) }), 6400)),
    error: 'ERR_INVALID_LAYER',
  },
  {
    name: 'a path of ten million components',
    pieces: () => ended([header({ name: 'x', type: 'x', size: 20_000_000 }), Buffer.alloc(20_000_000, 'd/')]),
    error: 'ERR_INVALID_LAYER',
  },
  { name: '10,000 files', pieces: () => ended(files(10_000)) },
  { name: 'a million files', pieces: () => ended(files(1_000_000)), long: true },
  {
    name: 'more than two million entries',
    pieces: () => ended(repeated(header({ name: 'd', type: '5' }), 2_000_001)),
    error: 'ERR_INVALID_LAYER',
    long: true,
  },
  { name: '2 GiB in files', pieces: () => ended(files(2048, CHUNK)), long: true },
];
