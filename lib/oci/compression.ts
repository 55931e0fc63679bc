import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { Duplex, PassThrough, Readable, Transform, type TransformCallback, type Writable } from 'node:stream';
import * as zlib from 'node:zlib';
import { VainaError } from '../errors.js';
import { untilAborted } from '../util/until-aborted.js';
import { expandsTooMuch } from './limits.js';

/** How a stream is compressed. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** Bytes at the start of a stream that {@link detectCompression} wants to see. */
export const MAGIC_BYTES = 6;

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** Tells by its first bytes how a stream is compressed: names and media types are sometimes wrong. */
export function detectCompression(head: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0] ?? 'none';
}

/**
 * How a stream is compressed, and a stream from which the bytes that were looked at come again.
 *
 * @param signal - aborting destroys the stream, which may never give a byte
 */
export async function peekCompression(
  content: Readable,
  signal?: AbortSignal,
): Promise<{ compression: Compression; whole: Readable }> {
  // It may fail before somebody reads on, who is told of it then; until then nobody listens.
  content.on('error', () => undefined);
  try {
    const head = await untilAborted(firstBytes(content), signal);
    const compression = detectCompression(head);
    if (head.length < MAGIC_BYTES) return { compression, whole: Readable.from([head]) };
    content.unshift(head);
    return { compression, whole: content };
  } catch (error) {
    content.destroy();
    throw error;
  }
}

/** At least {@link MAGIC_BYTES} from the beginning of a stream that goes on after them, or all there are. */
async function firstBytes(content: Readable): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= MAGIC_BYTES) break;
  }
  return head;
}

/**
 * A stream that takes compressed bytes and gives the plain ones, as long as these are not too many for them: 1 GiB and
 * 100 for each that has been read.
 *
 * @param what - names the stream in messages
 * @throws VainaError `ERR_UNSUPPORTED` for bzip2 and xz. The stream itself fails with `ERR_INVALID_IMAGE` when the
 * bytes are damaged or become too many, `ERR_HOST_UNSUPPORTED` when this host cannot read zstd
 */
export function decompressor(compression: Compression, what: string): Duplex {
  switch (compression) {
    case 'none':
      return new PassThrough();
    case 'gzip':
      // With 256 kB at a time it is faster than gzip(1); the default is a third of that.
      return guarded(zlib.createGunzip({ chunkSize: 256 * 1024 }), what);
    case 'zstd':
      return guarded(zstdDecompressor(what), what);
    default:
      throw new VainaError('ERR_UNSUPPORTED', `${what} is compressed with ${compression}`, {
        hint: 'compress it with gzip or zstd, or not at all',
      });
  }
}

/**
 * As {@link decompressor}, for archives of images: bzip2 and xz too, by the host's programs of these names.
 *
 * @param what - names the stream in messages
 */
export function archiveDecompressor(compression: Compression, what: string): Duplex {
  if (compression !== 'bzip2' && compression !== 'xz') return decompressor(compression, what);
  return guarded(new Program(compression, what, ['-dcq']), what);
}

/**
 * A stream that takes plain bytes and gives compressed ones. The same bytes, level and program give the same result: no
 * time and no name is in it.
 *
 * @param level - from 1, to 9 for gzip (default 6) and 19 for zstd (default 3)
 * @returns a stream that fails with `ERR_HOST_UNSUPPORTED` when this host cannot write zstd
 */
export function compressor(compression: 'gzip' | 'zstd', what: string, level?: number): Duplex {
  if (compression === 'gzip') {
    return zlib.createGzip({ chunkSize: 256 * 1024, ...(level !== undefined && { level }) });
  }
  const { createZstdCompress, constants } = zlib as {
    createZstdCompress?: (options: { params: Record<number, number> }) => Duplex;
    constants: { ZSTD_c_compressionLevel?: number; ZSTD_c_checksumFlag?: number };
  };
  const { ZSTD_c_compressionLevel: levelOf, ZSTD_c_checksumFlag: checksum } = constants;
  if (createZstdCompress === undefined || levelOf === undefined || checksum === undefined) {
    return new Program('zstd', what, ['-cq', `-${level ?? 3}`]);
  }
  return createZstdCompress({ params: { [levelOf]: level ?? 3, [checksum]: 1 } });
}

/** Node has had zstd since 22.15; before that the host's program does it. */
function zstdDecompressor(what: string): Counting {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Counting };
  return createZstdDecompress?.() ?? new Program('zstd', what, ['-dcq']);
}

/** A stream that knows how many of the bytes that were written to it it has read. */
type Counting = Duplex & { readonly bytesWritten: number };

/** Holds what comes out against what went in, and gives every failure the one code. */
function guarded(inner: Counting, what: string): Duplex {
  let given = 0;
  const guard = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      given += chunk.length;
      done(expandsTooMuch(inner.bytesWritten, given) ? expansionFailure(what) : null, chunk);
    },
  });
  return new Chain([inner, guard], what);
}

/** What is said of a stream that is no image's. */
export function expansionFailure(what: string): VainaError {
  return new VainaError(
    'ERR_INVALID_IMAGE',
    `${what} becomes more than 1 GiB larger than a hundred times its compressed size`,
  );
}

/** Streams in a row as one Duplex, which Node has only as an experiment. */
class Chain extends Duplex {
  readonly #parts: readonly Duplex[];
  readonly #first: Duplex;
  readonly #last: Duplex;

  constructor(parts: readonly [Duplex, ...Duplex[]], what: string) {
    super({ readableHighWaterMark: 256 * 1024 });
    this.#parts = parts;
    this.#first = parts[0];
    this.#last = parts.at(-1) ?? parts[0];
    for (const [i, part] of parts.entries()) {
      part.on('error', (error) => this.destroy(describe(error, what)));
      const next = parts[i + 1];
      if (next) part.pipe(next);
    }
    this.#last.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) this.#last.pause();
    });
    this.#last.on('end', () => this.push(null));
    this.#last.pause();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#first.write(chunk)) done();
    else this.#first.once('drain', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#first.end(() => done());
  }

  override _read(): void {
    this.#last.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const part of this.#parts) part.destroy();
    done(error);
  }
}

function describe(error: Error, what: string): Error {
  if (VainaError.is(error)) return error;
  return new VainaError('ERR_INVALID_IMAGE', `${what} is damaged: ${error.message.toLowerCase()}`, {
    cause: error,
  });
}

/** zstd(1), xz(1) or bzip2(1) as a stream. */
class Program extends Duplex {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  bytesWritten = 0;

  constructor(program: 'zstd' | 'xz' | 'bzip2', what: string, options: readonly string[]) {
    super({ highWaterMark: 256 * 1024 });
    this.#child = spawn(program, options, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    let said = '';
    stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(0, 1000)));
    stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
    // A program that has ended closes its input; what it said is the better message.
    stdin.on('error', () => undefined);
    this.#child.on('error', (cause) => {
      this.destroy(
        new VainaError(
          'ERR_HOST_UNSUPPORTED',
          `${what}: this Node.js has no ${program}, and there is no ${program}(1)`,
          {
            hint: program === 'zstd' ? 'install zstd, or use Node.js 22.15 or later' : `install ${program}`,
            cause,
          },
        ),
      );
    });
    this.#child.on('close', (status) => {
      if (status === 0) this.push(null);
      else this.destroy(new Error(said.trim() || `${program} ended with status ${String(status)}`));
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#child.stdin.write(chunk, (error) => {
      this.bytesWritten += chunk.length;
      done(hidePipe(error));
    });
  }

  override _final(done: TransformCallback): void {
    this.#child.stdin.end(() => done());
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.kill('SIGKILL');
    done(error);
  }
}

function hidePipe(error: Error | null | undefined): Error | null {
  return error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? error : null;
}
