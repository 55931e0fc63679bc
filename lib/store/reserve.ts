import { randomFillSync } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { VainaError } from '../errors.js';

/** What removing an image writes to the catalogue's log, its index and `index.json`, many times over. */
const SIZE = 1024 * 1024;
const PIECE = 64 * 1024;

/**
 * A file that is there to be removed: on a full disk also what makes room needs some, for the catalogue's log and for
 * `index.json`.
 */
export class Reserve {
  readonly #path: string;
  #lent = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Runs work; when there is no room for it, once more with the room that is kept. To be called with what may be repeated. */
  async lend<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // SQLite has no word of its own for a full disk where it makes its index.
      if (!VainaError.is(error, 'ERR_NO_SPACE') && !VainaError.is(error, 'ERR_IO')) throw error;
      if (!this.#release()) throw error;
      return await work();
    }
  }

  /** Takes back what was lent, as much as there is; makes it where there is none. */
  refill(): void {
    if (!this.#lent && existsSync(this.#path)) return;
    this.#lent = false;
    try {
      // Bytes that no file system makes smaller.
      const piece = randomFillSync(Buffer.allocUnsafe(PIECE));
      const fd = openSync(this.#path, 'wx', 0o600);
      let size = 0;
      try {
        for (; size < SIZE; size += PIECE) writeFileSync(fd, piece);
      } catch {
        ftruncateSync(fd, size);
      } finally {
        closeSync(fd);
      }
      if (size === 0) unlinkSync(this.#path);
    } catch {
      /* somebody else makes it, or there is no room: then there is none next time */
    }
  }

  #release(): boolean {
    try {
      unlinkSync(this.#path);
      return (this.#lent = true);
    } catch {
      return false;
    }
  }
}
