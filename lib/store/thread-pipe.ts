import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { VainaError } from '../errors.js';
import type { Unpacked } from './layer-pipe.js';
import { failureOf, PIECE, PIECES, piecesOf, type FromThread, type ToThread } from './thread-messages.js';
import type { RawTaker, UnpackOptions } from './unpack.js';

/**
 * Unpacks a layer in a thread: decompressing, hashing, reading the archive, writing the blob's file and the pipe of the
 * storage worker all happen there. Here the bytes are only gathered to large pieces, in memory that both see.
 */
export class ThreadPipe {
  readonly #thread: Worker;
  readonly #raw: RawTaker | undefined;
  readonly #treeWorker: UnpackOptions['worker'];
  readonly #pipeFd: number | undefined;
  readonly #pieces: readonly Buffer[];
  #piece = 0;
  #filled = 0;
  #ahead = 0;
  #done: Unpacked | undefined;
  #failure: { error: Error } | undefined;
  #wake: (() => void) | undefined;
  #open = true;

  /**
   * Begins a layer. {@link ThreadPipe.destroy} must be called in any case.
   *
   * @param thread - ends with the layer
   */
  constructor(options: UnpackOptions, thread: Worker) {
    const { raw, worker } = options;
    this.#raw = raw;
    this.#treeWorker = worker;
    this.#thread = thread;
    const pieces = new SharedArrayBuffer(PIECE * PIECES);
    this.#pieces = piecesOf(pieces);
    try {
      this.#pipeFd = worker?.openPipe();
    } catch (error) {
      void thread.terminate();
      throw error;
    }
    this.#thread.on('message', (message: FromThread) => this.#onMessage(message));
    this.#thread.on('error', (cause) =>
      this.#fail(
        new VainaError('ERR_INTERNAL', `the thread that unpacks has failed: ${String(cause)}`, { cause }),
      ),
    );
    this.#thread.on('exit', () =>
      this.#fail(new VainaError('ERR_INTERNAL', 'the thread that unpacks has ended')),
    );
    this.#tell({ kind: 'begin', what: options.what, rawFd: raw?.fd, pipeFd: this.#pipeFd, pieces });
  }

  /** Takes some bytes, which may change after the call; resolves when more may come. */
  async write(chunk: Buffer): Promise<void> {
    this.#raw?.note(chunk);
    for (let at = 0; at < chunk.length;) {
      const size = chunk.copy(this.#pieces[this.#piece] as Buffer, this.#filled, at);
      at += size;
      this.#filled += size;
      if (this.#filled < PIECE) continue;
      this.#sendPiece();
      await this.#until(() => this.#ahead < PIECES - 1);
    }
    if (this.#failure ?? this.#treeWorker?.failure) await this.#throw();
  }

  /** Tells that there are no more bytes, and waits for the end. */
  async finish(): Promise<Unpacked> {
    if (this.#filled > 0) this.#sendPiece();
    this.#tell({ kind: 'end' });
    await this.#until(() => this.#done !== undefined);
    return this.#done as unknown as Unpacked;
  }

  /**
   * Ends the thread, be it in the middle of what it does, and the storage worker with it unless the layer was done: the
   * thread may wait for it in write(2), where it can be ended only when that returns. Nothing is written after that.
   * Idempotent.
   */
  async destroy(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#done) await this.#treeWorker?.abort();
    await this.#thread.terminate();
    if (this.#pipeFd !== undefined) closeSync(this.#pipeFd);
  }

  #sendPiece(): void {
    this.#tell({ kind: 'bytes', size: this.#filled });
    this.#ahead++;
    this.#piece = (this.#piece + 1) % PIECES;
    this.#filled = 0;
  }

  #tell(message: ToThread): void {
    this.#thread.postMessage(message);
  }

  #onMessage(message: FromThread): void {
    if (message.kind === 'failed') return this.#fail(failureOf(message.failure));
    if (message.kind === 'done') this.#done = message.unpacked;
    else this.#ahead--;
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /**
   * Waits for something that the thread tells. A failure counts even if it was told while nobody waited: it is the
   * last thing that is told.
   */
  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure) await this.#throw();
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  /** What the storage worker has failed with explains why its pipe has broken. */
  async #throw(): Promise<never> {
    const error = this.#failure?.error;
    if (this.#treeWorker && (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE')
      await this.#treeWorker.finish();
    throw this.#treeWorker?.failure ?? error ?? new VainaError('ERR_INTERNAL', 'nothing has failed');
  }
}
