import { once } from 'node:events';
import { openSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { VainaError } from '../errors.js';
import { MESSAGE, MessageParser, parseFailed } from '../native/messages.js';
import type { Native } from '../native/types.js';
import { encodePlan } from '../spec/encode.js';
import { FRAME_HEADER, FrameWriter, MAX_FRAME, REQUEST } from './frames.js';
import { TreeRequests } from './tree-requests.js';
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
  /** Differs between trees that differ in a name, type, mode, owner, size, time of change or device. */
  mark: string;
}

const ROOTLESS = 1;
const SINGLE_ID = 2;
const EMPTY = Buffer.alloc(0);
/** Kinds of replies beside the answer. */
const FAILED = 1;
const PIECE = 2;
/** Pieces of an answer that may wait to be taken. */
const MAX_WAITING = 8;

interface Pending {
  resolve: (body: Buffer) => void;
  reject: (error: unknown) => void;
  /** Takes the pieces of an answer that has several. */
  onPiece?: (body: Buffer) => void;
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
  readonly #requestsFd: number;
  readonly #replies: Socket;
  readonly #control: Socket;
  readonly #flags: number;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #received: Buffer = EMPTY;
  #startFailure: VainaError | undefined;
  #lost: VainaError | undefined;
  #tag = 0;
  /**
   * Requests that write the tree that was begun. They are not answered: see {@link StorageWorker.failure}, and whether
   * the worker is {@link StorageWorker.busy}.
   */
  readonly tree = new TreeRequests((frames, content) => this.#write(frames, content));

  private constructor(
    native: Native,
    pid: number,
    fds: { control: number; requests: number; replies: number },
    flags: number,
  ) {
    this.#native = native;
    this.#pid = pid;
    this.#flags = flags;
    this.#requestsFd = fds.requests;
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
    const [requestsIn = -1, requests = -1, replies = -1, repliesOut = -1] = native.pipes(2);
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

  /**
   * Another description of the pipe that requests go through, whose writes wait: for a thread that writes the tree
   * itself. It must be closed before the worker can be.
   */
  openPipe(): number {
    if (this.#lost) throw this.#lost;
    if (this.#requests.destroyed) throw new VainaError('ERR_INTERNAL', 'the storage worker has ended');
    this.tree.flush();
    return openSync(`/proc/self/fd/${this.#requestsFd}`, 'w');
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
    return { size: at(0), blocks: at(8), files: at(16), mark: body.toString('hex', 24, 32) };
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

  /**
   * What is in a directory of a tree: entries in no order, gathered in pieces for {@link readListing}. The directory
   * itself is among them, as `.`.
   */
  list(tree: string, path: Buffer): AsyncGenerator<Buffer> {
    return this.#pieces(REQUEST.list, [Buffer.from(tree), path]);
  }

  /** A regular file of a tree: its size as 64 bits, then pieces of its content, each after its offset in 64 bits. */
  content(tree: string, path: Buffer): AsyncGenerator<Buffer> {
    return this.#pieces(REQUEST.content, [Buffer.from(tree), path]);
  }

  /** Mounts trees on top of each other (the top one first), read-only, at a directory of the store. Only for root. */
  async mount(target: string, trees: readonly string[]): Promise<void> {
    const name = Buffer.from(target);
    const front = new FrameWriter(3 + name.length + 4);
    front.text(name);
    front.u32(trees.length);
    const texts = trees.map((tree) => Buffer.from(tree));
    await this.#request(REQUEST.mount, texts, front.bytes);
  }

  /** Ends a mount; one that is not there is fine. */
  async unmount(target: string): Promise<void> {
    await this.#request(REQUEST.unmount, [Buffer.from(target)]);
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

  #write(frames: Buffer, content?: Buffer): void {
    if (this.#requests.destroyed) return;
    if (frames.length > 0) this.#requests.write(Buffer.from(frames));
    if (content) this.#requests.write(content);
  }

  /** The pieces of an answer, no faster than they are taken. */
  async *#pieces(request: number, texts: readonly Buffer[]): AsyncGenerator<Buffer> {
    const waiting: Buffer[] = [];
    let wake: () => void = () => undefined;
    let over = false;
    let gone = false;
    const done = this.#request(request, texts, EMPTY, (piece) => {
      if (gone) return;
      waiting.push(piece);
      if (waiting.length > MAX_WAITING) this.#replies.pause();
      wake();
    }).finally(() => {
      over = true;
      wake();
    });
    done.catch(() => undefined);
    try {
      for (;;) {
        const piece = waiting.shift();
        if (piece) {
          yield piece;
          continue;
        }
        if (over) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
          this.#replies.resume();
        });
      }
      await done;
    } finally {
      // What was not taken is thrown away, so that the next answer can come.
      gone = true;
      this.#replies.resume();
    }
  }

  async #request(
    request: number,
    texts: readonly Buffer[],
    front: Buffer = EMPTY,
    onPiece?: (body: Buffer) => void,
  ): Promise<Buffer> {
    const size = texts.reduce((sum, text) => sum + 3 + text.length, front.length);
    // 0 is that of what is not answered.
    const tag = (this.#tag = (this.#tag + 1) >>> 0 || 1);
    const out = this.tree.begin(request, size, tag);
    out.raw(front);
    for (const text of texts) out.text(text);
    return new Promise<Buffer>((resolve, reject) => {
      if (this.#lost) return reject(this.#lost);
      this.#pending.set(tag, { resolve, reject, ...(onPiece ? { onPiece } : {}) });
      this.tree.flush();
    });
  }

  #receive(chunk: Buffer): void {
    let rest = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (rest.length >= FRAME_HEADER) {
      const size = rest.readUInt32LE(0);
      if (rest.length < size) break;
      const kind = rest.readUInt16LE(6);
      const tag = rest.readUInt32LE(8);
      const body = rest.subarray(FRAME_HEADER, size);
      if (kind === PIECE) this.#pending.get(tag)?.onPiece?.(Buffer.from(body));
      else this.#onReply(kind === FAILED, rest.readUInt16LE(4), tag, body);
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
