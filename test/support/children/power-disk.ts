// A disk that loses its power: a FUSE file system with the one file `disk`, for a loop device. What was written since the
// last flush is in the cache of the disk, and a cut keeps any part of it. Arguments: directory, size in bytes, where the
// disk is mounted. Messages: `{ cut }` takes the power away, `{ on }` gives it again; each is answered by PowerAnswer.
import { spawn } from 'node:child_process';
import { openSync, read, writeSync } from 'node:fs';

/** What a cut leaves of what was not flushed: nothing, all of it, or any part. */
export type Survivors = 'flushed' | 'all' | 'some';

export interface PowerRequest {
  cut?: { survivors: Survivors; seed: number };
  on?: true;
}

export interface PowerAnswer {
  /** Blocks that were not flushed, and how many of them stayed as they were before. */
  unflushed: number;
  lost: number;
}

const BLOCK = 4096;
const MAX_WRITE = 1 << 20;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const [EIO, ENOENT, ENOSYS] = [-5, -2, -38];
/** Operations of linux/fuse.h. */
const OP = {
  ...{ lookup: 1, forget: 2, getattr: 3, open: 14, read: 15, write: 16, statfs: 17, release: 18, fsync: 20 },
  ...{ flush: 25, init: 26, opendir: 27, releasedir: 29, access: 34, interrupt: 36, destroy: 38 },
  batchForget: 42,
} as const;
const ASYNC_READ = 1;
const BIG_WRITES = 1 << 5;
const MAX_PAGES = 1 << 22;
const DIRECT_IO = 1;

/** The bytes of a disk with a cache that is lost. */
class Platter {
  readonly size: number;
  readonly #safe: Buffer;
  /** By block: what was written to it since the last flush, in order. */
  readonly #cache = new Map<number, Buffer[]>();
  #isOn = true;

  constructor(size: number) {
    this.size = size;
    this.#safe = Buffer.alloc(size);
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.from(this.#safe.subarray(offset, offset + length));
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + length; block++) {
      const at = block * BLOCK - offset;
      const cached = this.#cache.get(block)?.at(-1);
      if (cached) cached.copy(bytes, Math.max(at, 0), Math.max(-at, 0));
    }
    return bytes;
  }

  write(offset: number, bytes: Buffer): void {
    if (!this.#isOn) return;
    const first = Math.floor(offset / BLOCK);
    const last = Math.floor((offset + bytes.length - 1) / BLOCK);
    const blocks = this.read(first * BLOCK, (last - first + 1) * BLOCK);
    bytes.copy(blocks, offset - first * BLOCK);
    for (let block = first; block <= last; block++) {
      const version = blocks.subarray((block - first) * BLOCK, (block - first + 1) * BLOCK);
      const versions = this.#cache.get(block);
      if (versions) versions.push(version);
      else this.#cache.set(block, [version]);
    }
  }

  flush(): void {
    if (!this.#isOn) return;
    for (const [block, versions] of this.#cache) versions.at(-1)?.copy(this.#safe, block * BLOCK);
    this.#cache.clear();
  }

  cut(survivors: Survivors, seed: number): PowerAnswer {
    let state = seed >>> 0;
    const below = (count: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * count);
    };
    let lost = 0;
    for (const [block, versions] of this.#cache) {
      const kept =
        survivors === 'all' ? versions.length : survivors === 'some' ? below(versions.length + 1) : 0;
      if (kept === 0) lost++;
      versions[kept - 1]?.copy(this.#safe, block * BLOCK);
    }
    const unflushed = this.#cache.size;
    this.#cache.clear();
    this.#isOn = false;
    return { unflushed, lost };
  }

  on(): PowerAnswer {
    this.#isOn = true;
    return { unflushed: 0, lost: 0 };
  }
}

/** Little endian, as the kernel has it on the machines there are; numbers of 8 bytes as bigint. */
function packed(...fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, size);
    at += size;
  }
  return bytes;
}

function attributes(node: number, size: number): Buffer {
  const mode = node === 1 ? 0o40700 : 0o100600;
  const times = Array.from({ length: 3 }, () => [8, 0] as const);
  const nanoseconds = Array.from({ length: 3 }, () => [4, 0] as const);
  const rest = [[4, mode], [4, 1], [4, 0], [4, 0], [4, 0], [4, BLOCK], [4, 0]] as const; // prettier-ignore
  return packed([8, node], [8, size], [8, size / 512], ...times, ...nanoseconds, ...rest);
}

/** The answer to a request: its body, or a negative errno; undefined where the kernel wants none. */
function answer(platter: Platter, opcode: number, node: number, body: Buffer): Buffer | number | undefined {
  const nothing = Buffer.alloc(0);
  switch (opcode) {
    case OP.init: {
      const flags = body.readUInt32LE(12) & (ASYNC_READ | BIG_WRITES | MAX_PAGES);
      const head = packed([4, 7], [4, 31], [4, body.readUInt32LE(8)], [4, flags], [2, 16], [2, 12]);
      return Buffer.concat([
        head,
        packed([4, MAX_WRITE], [4, 1], [2, MAX_WRITE / BLOCK], [2, 0]),
        Buffer.alloc(32),
      ]);
    }
    case OP.lookup:
      if (node !== 1 || body.toString('latin1', 0, body.indexOf(0)) !== 'disk') return ENOENT;
      return Buffer.concat([
        packed([8, 2], [8, 0], [8, 3600], [8, 3600], [4, 0], [4, 0]),
        attributes(2, platter.size),
      ]);
    case OP.getattr:
      return Buffer.concat([
        packed([8, 3600], [4, 0], [4, 0]),
        attributes(node, node === 1 ? 0 : platter.size),
      ]);
    case OP.open:
    case OP.opendir:
      return packed([8, 0], [4, opcode === OP.open ? DIRECT_IO : 0], [4, 0]);
    case OP.read:
      return platter.read(Number(body.readBigUInt64LE(8)), body.readUInt32LE(16));
    case OP.write: {
      const size = body.readUInt32LE(16);
      // The kernel's buffer is used again for the next request.
      platter.write(Number(body.readBigUInt64LE(8)), body.subarray(40, 40 + size));
      return packed([4, size], [4, 0]);
    }
    case OP.statfs:
      return Buffer.concat([
        Buffer.alloc(40),
        packed([4, BLOCK], [4, 255], [4, BLOCK], [4, 0]),
        Buffer.alloc(24),
      ]);
    case OP.fsync:
      platter.flush();
      return nothing;
    case OP.flush:
    case OP.access:
    case OP.release:
    case OP.releasedir:
    case OP.destroy:
      return nothing;
    case OP.forget:
    case OP.batchForget:
    case OP.interrupt:
      return undefined;
    default:
      return ENOSYS;
  }
}

function serve(fd: number, platter: Platter): void {
  const request = Buffer.alloc(MAX_WRITE + BLOCK);
  read(fd, request, 0, request.length, null, (error, length) => {
    // Unmounted, or a request that was taken back before it was read.
    if (error?.code === 'ENODEV') process.exit();
    if (error && error.code !== 'ENOENT' && error.code !== 'EINTR') throw error;
    if (!error) {
      const [opcode, unique] = [request.readUInt32LE(4), request.readBigUInt64LE(8)];
      let result: Buffer | number | undefined;
      try {
        const node = Number(request.readBigUInt64LE(16));
        result = answer(platter, opcode, node, request.subarray(IN_HEADER, length));
      } catch {
        result = EIO;
      }
      if (result !== undefined) {
        const body = typeof result === 'number' ? Buffer.alloc(0) : result;
        const head = packed([4, OUT_HEADER + body.length], [4, 0], [8, 0]);
        if (typeof result === 'number') head.writeInt32LE(result, 4);
        head.writeBigUInt64LE(unique, 8);
        writeSync(fd, Buffer.concat([head, body]));
      }
    }
    serve(fd, platter);
  });
}

const [directory = '', size = '0', mounted = ''] = process.argv.slice(2);
const platter = new Platter(Number(size));
const fd = openSync('/dev/fuse', 'r+');
const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
const mount = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'vaina-disk', directory], {
  stdio: ['ignore', 'inherit', 'inherit', fd],
});
mount.on('exit', (code) => process.send?.({ mounted: code === 0 }));
// The test has ended without a word: nothing of it stays mounted.
process.on('disconnect', () => {
  for (const path of [mounted, directory]) spawn('umount', ['-l', path], { stdio: 'ignore' });
});
process.on('message', ({ cut, on }: PowerRequest) => {
  if (cut) process.send?.(platter.cut(cut.survivors, cut.seed));
  else if (on) process.send?.(platter.on());
});
serve(fd, platter);
