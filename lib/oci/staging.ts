import { lstat, mkdir, mkdtemp, open, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VainaError } from '../errors.js';
import { fileWriter } from '../util/file-writer.js';
import { flock } from '../util/flock.js';
import { fileFailure } from './failure.js';

/** How the directory is called that the files are written to, before six random characters. */
export const STAGING_PREFIX = '.vaina-';

/**
 * Files on their way to a directory: they are written to a directory of its own inside it, and get their places by
 * renaming. Names are those of the caller, one component each.
 */
export class Staging {
  /** The directory that the files are for. */
  readonly target: string;
  readonly #own: string;
  readonly #created: string | undefined;
  readonly #moved: string[] = [];
  readonly #made: string[] = [];

  private constructor(target: string, own: string, created: string | undefined) {
    this.target = target;
    this.#own = own;
    this.#created = created;
  }

  /**
   * Makes the directory, and those above it, unless they are there.
   *
   * @throws VainaError `ERR_PERMISSION`, `ERR_NO_SPACE`, `ERR_NO_SUCH_PATH`, `ERR_IO`
   */
  static async open(target: string): Promise<Staging> {
    try {
      const created = await makeDirectories(resolve(target));
      return new Staging(target, await mkdtemp(join(target, STAGING_PREFIX)), created);
    } catch (error) {
      throw fileFailure(error, target);
    }
  }

  /** Writes a file, and waits until it is on the disk. */
  async write(name: string, content: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    const path = join(this.#own, name);
    try {
      const file = await open(path, 'wx', 0o644);
      try {
        if (content instanceof Uint8Array) {
          await file.writeFile(content);
          await file.datasync();
        } else await pipeline(content, fileWriter(file, 0, true), signal ? { signal } : {});
      } finally {
        await file.close();
      }
    } catch (error) {
      await rm(path, { force: true });
      signal?.throwIfAborted();
      throw fileFailure(error, path);
    }
  }

  /**
   * Makes a directory below the target unless it is there. A link in its place is refused: what is written there would
   * be somewhere else.
   *
   * @throws VainaError `ERR_INVALID_IMAGE`
   */
  async directory(path: string): Promise<void> {
    const place = join(this.target, path);
    try {
      await mkdir(place);
      this.#made.unshift(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileFailure(error, place);
      if ((await lstat(place)).isDirectory()) return;
      throw new VainaError('ERR_INVALID_IMAGE', `${place} is not a directory`, { path: place });
    }
  }

  /**
   * Gives a file its place, over what may be there. Unless {@link Staging.keep} follows, it is removed again.
   *
   * @param path - below the target
   */
  async move(name: string, path: string): Promise<void> {
    const place = join(this.target, path);
    try {
      await rename(join(this.#own, name), place);
      this.#moved.push(place);
    } catch (error) {
      throw fileFailure(error, place);
    }
  }

  /** All is as it should be: what was moved stays. */
  async keep(): Promise<void> {
    this.#moved.length = 0;
    this.#made.length = 0;
    await rm(this.#own, { recursive: true, force: true });
  }

  /** Removes what was written and moved, and the directories that were made for it. */
  async undo(): Promise<void> {
    await rm(this.#own, { recursive: true, force: true });
    for (const path of this.#moved.splice(0)) await unlink(path).catch(() => undefined);
    const made = this.#made.splice(0);
    for (
      let at = resolve(this.target);
      this.#created !== undefined && at.length >= this.#created.length;
      at = dirname(at)
    ) {
      made.push(at);
    }
    // Only as far as they are empty: somebody else may have begun to use them.
    for (const path of made) await rmdir(path).catch(() => undefined);
  }
}

/**
 * Runs work that nobody else may do at a directory at the same time.
 *
 * @throws VainaError `ERR_HOST_UNSUPPORTED` without flock(1); what opening the directory and the work throw
 */
export async function exclusively<T>(
  directory: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let lock;
  try {
    lock = await flock(directory, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).syscall?.startsWith('spawn') === true) {
      throw new VainaError('ERR_HOST_UNSUPPORTED', `${directory} cannot be locked without flock(1)`, {
        hint: 'install util-linux',
        cause: error,
      });
    }
    throw fileFailure(error, directory);
  }
  try {
    return await work();
  } finally {
    await lock.close();
  }
}

/**
 * Makes a directory, and those above it that are missing. Node's own way to do this never ends below `/proc`.
 *
 * @returns the highest one that was made
 */
async function makeDirectories(path: string): Promise<string | undefined> {
  const make = async (): Promise<string | undefined> => {
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    }
  };
  try {
    return await make();
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    const above = await makeDirectories(parent);
    return (await make()) === undefined ? undefined : (above ?? path);
  }
}
