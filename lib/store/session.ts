import { randomBytes } from 'node:crypto';
import { fstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from '../native/types.js';
import { ioFailure } from './io-failure.js';

const LOCK = '.lock';

/**
 * The place for what one opened store has half made: a directory below `tmp`, and beside it a locked file. When the
 * lock is free, its owner is gone, and whoever sees that removes the directory.
 */
export class Session {
  readonly #temporary: string;
  readonly #native: Native;
  #directory: string | undefined;
  #lock = -1;
  #count = 0;

  constructor(temporary: string, native: Native) {
    this.#temporary = temporary;
    this.#native = native;
  }

  /**
   * Makes the directory, if that was not done: before something is changed that others have to bring to its end should
   * this process be killed. That is how they know.
   */
  begin(): string {
    return (this.#directory ??= this.#make());
  }

  /** A path that nothing has yet. The directory is made at the first call. */
  path(): string {
    return join(this.begin(), String(this.#count++));
  }

  /** Puts a file or directory out of the way, and tells where it is now; undefined when it does not exist. */
  takeAway(path: string): string | undefined {
    const to = this.path();
    try {
      renameSync(path, to);
      return to;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw ioFailure(error, path);
    }
  }

  /** Names below `tmp` of sessions that nobody has any more. Each comes with its lock, which is to be released. */
  *dead(): Generator<{ name: string; release: () => void }> {
    const names = new Set(readdirSync(this.#temporary).map((entry) => entry.replace(/\.lock$/, '')));
    for (const name of names) {
      const lock = join(this.#temporary, name + LOCK);
      const fd = this.#native.tryLock(lock, true);
      if (fd < 0) continue;
      yield {
        name,
        release: () => {
          unlinkQuietly(lock);
          this.#native.close(fd);
        },
      };
    }
  }

  /** Removes the directory, if it is empty, and its lock. What is left is removed by others. */
  close(): void {
    if (this.#directory === undefined) return;
    try {
      rmdirSync(this.#directory);
      unlinkQuietly(this.#directory + LOCK);
    } catch {
      /* not empty: the lock's file tells that it may be removed */
    }
    this.#native.close(this.#lock);
    this.#directory = undefined;
  }

  #make(): string {
    for (;;) {
      const directory = join(this.#temporary, randomBytes(8).toString('hex'));
      let fd = -1;
      try {
        fd = this.#native.tryLock(directory + LOCK, true);
        // Somebody may have taken the new file for one that was left over.
        if (fd < 0) continue;
        if (fstatSync(fd).nlink === 0) {
          this.#native.close(fd);
          continue;
        }
        mkdirSync(directory, { mode: 0o700 });
        this.#lock = fd;
        return directory;
      } catch (error) {
        if (fd >= 0) {
          unlinkQuietly(directory + LOCK);
          this.#native.close(fd);
        }
        throw ioFailure(error, directory);
      }
    }
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    /* gone already */
  }
}
