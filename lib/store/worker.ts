import { once } from 'node:events';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { VainaError } from '../errors.js';
import { MESSAGE, MessageParser, parseFailed } from '../native/messages.js';
import type { Native } from '../native/types.js';
import { encodePlan } from '../spec/encode.js';
import { FRAME_HEADER, FrameWriter, MAX_FRAME, MAKE, type Meta, metaSize, REQUEST } from './frames.js';
import { workerFailure } from './worker-failure.js';
import { type StorageMaps, workerPlan } from './worker-plan.js';

/** What a tree takes. */
export interface Usage {
  /** Bytes of content. */
  size: number;
  /** Bytes on disk. */
  blocks: number;
  /** Names. */
  files: number;
}

const OUTPUT_BYTES = 256 * 1024;
/** Pieces of content from this size on go to the pipe as they are; smaller ones are gathered. */
const LARGE = 32 * 1024;
const MAX_DATA = 512 * 1024;
const ROOTLESS = 1;
const SINGLE_ID = 2;
const EMPTY = Buffer.alloc(0);

interface Pending {
  resolve: (body: Buffer) => void;
  reject: (error: unknown) => void;
}

/**
 * Talks to a storage worker: a process of its own, in the user's namespace where there is one, that writes and removes
 * trees below the root of the store. It ends with {@link StorageWorker.close} or with this process.
 */
export class StorageWorker {
  /** The first failure of what was written since {@link StorageWorker.begin}; what follows it is skipped. */
  failure: VainaError | undefined;
  readonly #native: Native;
  readonly #pid: number;
  readonly #requests: Socket;
  readonly #replies: Socket;
  readonly #control: Socket;
  readonly #flags: number;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #received: Buffer = EMPTY;
  #startFailure: VainaError | undefined;
  #lost: VainaError | undefined;
  #out = new FrameWriter(OUTPUT_BYTES);
  #tag = 0;

  private constructor(
    native: Native,
    pid: number,
    fds: { control: number; requests: number; replies: number },
    flags: number,
  ) {
    this.#native = native;
    this.#pid = pid;
    this.#flags = flags;
    this.#control = new Socket({ fd: fds.control, readable: true, writable: true });
    this.#requests = new Socket({
      fd: fds.requests,
      readable: false,
      writable: true,
      writableHighWaterMark: MAX_FRAME,
    } as object);
    this.#replies = new Socket({ fd: fds.replies, readable: true, writable: false });
    this.#replies.on('data', (chunk) => this.#receive(chunk));
    this.#requests.on('error', () => this.#requests.destroy());
    this.#replies.on('error', () => this.#replies.destroy());
    const parser = new MessageParser();
    this.#control.on('error', () => this.#control.destroy());
    this.#control.on('data', (chunk) => {
      for (const { type, body } of parser.push(chunk)) if (type === MESSAGE.failed) this.#onFailed(body);
    });
    const closed = (socket: Socket): Promise<unknown> =>
      socket.destroyed ? Promise.resolve() : once(socket, 'close');
    this.#ended = Promise.all([closed(this.#replies), closed(this.#control)]).then(() => this.#onEnd());
  }

  /**
   * Starts a worker for one store.
   *
   * @param root - the root of the store, the only directory it will work in
   * @param maps - for an ordinary user, the ids of the namespace
   * @throws VainaError `ERR_HOST_UNSUPPORTED` when the namespace cannot be had
   */
  static async start(native: Native, root: string, maps?: StorageMaps): Promise<StorageWorker> {
    const [requestsIn, requests] = native.pipe();
    const [replies, repliesOut] = native.pipe();
    let launched: { pid: number; fd: number };
    try {
      launched = native.launch(encodePlan(workerPlan(maps)), [requestsIn, repliesOut, -1]);
    } catch (cause) {
      native.close(requests);
      native.close(replies);
      throw new VainaError('ERR_HOST_UNSUPPORTED', `the storage worker cannot be started: ${String(cause)}`, {
        cause,
      });
    } finally {
      native.close(requestsIn);
      native.close(repliesOut);
    }
    const single = maps !== undefined && maps.uidHelper === undefined;
    const flags = (maps ? ROOTLESS : 0) | (single ? SINGLE_ID : 0);
    const worker = new StorageWorker(
      native,
      launched.pid,
      { control: launched.fd, requests, replies },
      flags,
    );
    try {
      await worker.#request(REQUEST.root, [Buffer.from(root)]);
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  /** Starts to write a tree into a directory, which exists: its path is relative to the root of the store. */
  async begin(path: string): Promise<void> {
    this.failure = undefined;
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(this.#flags);
    await this.#request(REQUEST.begin, [Buffer.from(path)], flags);
  }

  /** Makes what is no regular file. Not answered: see {@link StorageWorker.failure}. */
  entry(
    type: keyof typeof MAKE,
    path: Buffer,
    target: Buffer,
    device: { major: number; minor: number },
    meta: Meta,
  ): void {
    const size = FRAME_HEADER + 9 + 3 + path.length + 3 + target.length + metaSize(meta);
    const out = this.#room(size);
    out.begin(REQUEST.entry, this.#next(), size);
    out.u8(MAKE[type]);
    out.u32(device.major);
    out.u32(device.minor);
    out.text(path);
    out.text(target);
    out.meta(meta);
  }

  /** Begins a regular file. */
  file(path: Buffer): void {
    const size = FRAME_HEADER + 3 + path.length;
    const out = this.#room(size);
    out.begin(REQUEST.file, this.#next(), size);
    out.text(path);
  }

  /** Content of the file that was begun. The bytes must stay as they are. */
  data(bytes: Buffer, offset: number): void {
    for (let at = 0; at < bytes.length; at += MAX_DATA) {
      const piece = bytes.subarray(at, at + MAX_DATA);
      const size = FRAME_HEADER + 8 + piece.length;
      const large = piece.length >= LARGE;
      const out = this.#room(large ? FRAME_HEADER + 8 : size);
      out.begin(REQUEST.data, this.#tag, size);
      out.i64(offset + at);
      if (!large) {
        out.raw(piece);
        continue;
      }
      this.#flush();
      this.#requests.write(piece);
    }
  }

  /** Ends the file that was begun. */
  end(fileSize: number, meta: Meta): void {
    const size = FRAME_HEADER + 8 + metaSize(meta);
    const out = this.#room(size);
    out.begin(REQUEST.end, this.#tag, size);
    out.i64(fileSize);
    out.meta(meta);
  }

  /** Frames that were made elsewhere. */
  frames(bytes: Buffer): void {
    this.#flush();
    this.#requests.write(bytes);
  }

  /** Whether more waits for the pipe than should. */
  get busy(): boolean {
    return this.#requests.writableLength > MAX_FRAME && !this.#requests.destroyed;
  }

  /** Resolves when there is room in the pipe again; at once when there is. */
  async drain(): Promise<void> {
    if (!this.busy) return;
    const gone = new AbortController();
    await Promise.race([
      once(this.#requests, 'drain', { signal: gone.signal }),
      once(this.#requests, 'close', { signal: gone.signal }),
    ]).catch(() => undefined);
    gone.abort();
  }

  /**
   * Ends the tree.
   *
   * @throws VainaError the first failure, of whichever entry
   */
  async finish(): Promise<void> {
    try {
      await this.#request(REQUEST.finish, []);
    } catch (error) {
      throw this.failure ?? error;
    }
  }

  /** Removes a tree, of which nobody else may be a user any more. */
  async remove(path: string): Promise<void> {
    await this.#request(REQUEST.remove, [Buffer.from(path)]);
  }

  /** Counts a tree. */
  async usage(path: string): Promise<Usage> {
    const body = await this.#request(REQUEST.usage, [Buffer.from(path)]);
    const at = (offset: number): number => Number(body.readBigUInt64LE(offset));
    return { size: at(0), blocks: at(8), files: at(16) };
  }

  /**
   * Reads a regular file of a stack of trees as an overlay of them would show it.
   *
   * @param trees - the top one first
   * @param limit - most bytes, below 1 MiB
   * @returns undefined when there is none
   */
  async read(trees: readonly string[], path: string, limit: number): Promise<Buffer | undefined> {
    const front = Buffer.alloc(8);
    front.writeUInt32LE(limit, 0);
    front.writeUInt32LE(trees.length, 4);
    try {
      return await this.#request(
        REQUEST.read,
        [...trees, path].map((text) => Buffer.from(text)),
        front,
      );
    } catch (error) {
      if (VainaError.is(error) && error.errno === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Ends the worker. Idempotent. */
  async close(): Promise<void> {
    if (!this.#requests.destroyed) this.#requests.end();
    await this.#ended;
  }

  /** Ends the worker at once, in the middle of what it does. */
  async abort(): Promise<void> {
    this.#requests.destroy();
    this.#replies.destroy();
    // The monitor ends what it supervises when this end closes.
    this.#control.destroy();
    await this.#ended;
  }

  #next(): number {
    return (this.#tag = (this.#tag + 1) >>> 0);
  }

  #room(size: number): FrameWriter {
    if (size > MAX_FRAME) {
      throw new VainaError(
        'ERR_INVALID_LAYER',
        'the layer archive was refused: an entry has too many extended attributes',
      );
    }
    if (this.#out.at + size > this.#out.bytes.length) {
      this.#flush();
      if (size > OUTPUT_BYTES) this.#out = new FrameWriter(size);
    }
    return this.#out;
  }

  #flush(): void {
    if (this.#out.at === 0) return;
    const { bytes, at } = this.#out;
    this.#out = new FrameWriter(OUTPUT_BYTES);
    if (!this.#requests.destroyed) this.#requests.write(bytes.subarray(0, at));
  }

  async #request(request: number, texts: readonly Buffer[], front: Buffer = EMPTY): Promise<Buffer> {
    const size = texts.reduce((sum, text) => sum + 3 + text.length, FRAME_HEADER + front.length);
    const out = this.#room(size);
    const tag = this.#next();
    out.begin(request, tag, size);
    out.raw(front);
    for (const text of texts) out.text(text);
    return new Promise<Buffer>((resolve, reject) => {
      if (this.#lost) return reject(this.#lost);
      this.#pending.set(tag, { resolve, reject });
      this.#flush();
    });
  }

  #receive(chunk: Buffer): void {
    let rest = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (rest.length >= FRAME_HEADER) {
      const size = rest.readUInt32LE(0);
      if (rest.length < size) break;
      const failed = rest.readUInt16LE(6) !== 0;
      this.#onReply(failed, rest.readUInt16LE(4), rest.readUInt32LE(8), rest.subarray(FRAME_HEADER, size));
      rest = rest.subarray(size);
    }
    this.#received = rest;
  }

  #onReply(failed: boolean, request: number, tag: number, body: Buffer): void {
    const pending = this.#pending.get(tag);
    this.#pending.delete(tag);
    if (!failed) return pending?.resolve(Buffer.from(body));
    const failure = workerFailure(request, body);
    if (pending) pending.reject(failure);
    else this.failure ??= failure;
  }

  #onFailed(body: Buffer): void {
    const failed = parseFailed(body);
    const name = failed.errno === 0 ? '' : getSystemErrorName(-failed.errno);
    this.#startFailure = new VainaError(
      'ERR_HOST_UNSUPPORTED',
      `the storage worker cannot be started: ${failed.text}`,
      {
        ...(name === '' ? {} : { errno: name }),
        hint: 'an ordinary user needs user namespaces, newuidmap and newgidmap (package uidmap)',
      },
    );
  }

  async #onEnd(): Promise<void> {
    this.#lost = this.#startFailure ?? new VainaError('ERR_INTERNAL', 'the storage worker has ended');
    this.failure ??= this.#lost;
    this.#requests.destroy();
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
    for (let wait = 1; !this.#native.reap(this.#pid); wait = Math.min(wait * 2, 50)) await sleep(wait);
  }
}
