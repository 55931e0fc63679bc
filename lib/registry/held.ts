import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { openSpool } from '../oci/spool.js';

/** Most bytes that are held in memory; more go to a file. */
const IN_MEMORY = 256 * 1024;
/** Bytes that are read back at once. */
const PIECE = 256 * 1024;

/**
 * The bytes of a stream, held while they come, so that they can be read from any place, several times, and already
 * before the last has come: in memory where there are few, else in a nameless temporary file.
 *
 * The last byte is given out only when the stream has ended well. So who verifies in front of this need not fear that
 * somebody has taken the whole of what is wrong.
 */
export class Held {
  readonly #content: Readable;
  readonly #size: number;
  readonly #tmpDir: string | undefined;
  readonly #memory: Buffer | undefined;
  readonly #filled: Promise<void>;
  #file: FileHandle | undefined;
  #length = 0;
  #ended = false;
  #failed: { error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  /**
   * @param content - destroyed when {@link close} comes first
   * @param size - of the whole, in bytes
   * @param tmpDir - see `SpoolOptions`
   */
  constructor(content: Readable, size: number, tmpDir?: string) {
    this.#content = content;
    this.#size = size;
    this.#tmpDir = tmpDir;
    this.#memory = size <= IN_MEMORY ? Buffer.allocUnsafe(size) : undefined;
    this.#filled = this.#fill().catch((error: unknown) => {
      this.#failed = { error };
      this.#wake();
    });
  }

  /** What the stream failed with, if it has failed. */
  get failed(): { error: unknown } | undefined {
    return this.#failed;
  }

  /**
   * The bytes from `start` to before `end`, as they come.
   *
   * @throws what the stream failed with
   */
  async *read(start = 0, end = this.#size): AsyncGenerator<Buffer, void> {
    for (let at = start; at < end;) {
      const ready = this.#ended ? this.#length : Math.min(this.#length, this.#size - 1);
      if (this.#failed) throw this.#failed.error;
      if (ready <= at) {
        await new Promise<void>((wake) => this.#waiting.push(wake));
        continue;
      }
      const piece = await this.#at(at, Math.min(ready, end, at + PIECE));
      at += piece.length;
      yield piece;
    }
  }

  /** Settles when all has come, or none comes any more. */
  async whole(): Promise<void> {
    await this.#filled;
    if (this.#failed) throw this.#failed.error;
  }

  /** Gives up what is held. Reading fails from now on. */
  async close(): Promise<void> {
    if (!this.#ended) this.#content.destroy();
    this.#failed ??= { error: new VainaError('ERR_CLOSED', 'the bytes are not held any more') };
    this.#wake();
    await this.#filled;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #fill(): Promise<void> {
    if (!this.#memory)
      this.#file = await openSpool(this.#tmpDir === undefined ? {} : { tmpDir: this.#tmpDir });
    for await (const chunk of this.#content as AsyncIterable<Buffer>) {
      if (this.#failed) return;
      if (this.#length + chunk.length > this.#size) throw this.#wrongSize('more');
      await this.#append(chunk);
      this.#length += chunk.length;
      this.#wake();
    }
    if (this.#length !== this.#size) throw this.#wrongSize(String(this.#length));
    this.#ended = true;
    this.#wake();
  }

  async #append(chunk: Buffer): Promise<void> {
    if (this.#memory) {
      chunk.copy(this.#memory, this.#length);
      return;
    }
    for (let at = 0; at < chunk.length;) {
      at += (await this.#open().write(chunk, at, chunk.length - at, this.#length + at)).bytesWritten;
    }
  }

  async #at(start: number, end: number): Promise<Buffer> {
    if (this.#memory) return this.#memory.subarray(start, end);
    const { buffer, bytesRead } = await this.#open().read(
      Buffer.allocUnsafe(end - start),
      0,
      end - start,
      start,
    );
    if (bytesRead === 0)
      throw new VainaError('ERR_IO', 'a temporary file is shorter than what was written to it');
    return buffer.subarray(0, bytesRead);
  }

  #open(): FileHandle {
    if (!this.#file) throw new VainaError('ERR_CLOSED', 'the bytes are not held any more');
    return this.#file;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #wrongSize(actual: string): VainaError {
    return new VainaError('ERR_DIGEST_MISMATCH', `content should have ${this.#size} bytes but has ${actual}`);
  }
}
