import { open, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { openBeneath } from '../util/beneath.js';
import { readAll } from '../util/read-all.js';
import { fileFailure } from './failure.js';

/** Files by relative path: a directory, or an archive that is read as one. Nothing outside it can be reached. */
export interface Tree {
  /** For messages. */
  readonly name: string;
  /** Size of a file in bytes; undefined when there is no such file. Anything but a regular file is refused. */
  size(path: string): Promise<number | undefined>;
  /** The bytes of a file, from `start`. The stream releases what it holds. */
  stream(path: string, start?: number): Promise<Readable>;
  /** Releases the tree. */
  close(): Promise<void>;
}

/**
 * A small file of a tree.
 *
 * @param limit - most bytes of it
 * @throws VainaError `ERR_INVALID_IMAGE` when it is missing or larger
 */
export async function readSmall(tree: Tree, path: string, limit: number): Promise<Buffer> {
  const tooLarge = (): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `${tree.name}: ${path} is larger than ${limit} bytes`);
  return readAll(await tree.stream(path), limit, tooLarge);
}

/** The error for a file that a tree should have. */
export function missing(tree: Tree, path: string): VainaError {
  return new VainaError('ERR_INVALID_IMAGE', `${tree.name} has no file ${path}`);
}

/** A directory as a {@link Tree}: regular files only, no link followed below it (see `openBeneath`). */
export class DirectoryTree implements Tree {
  readonly name: string;
  readonly #root: FileHandle;

  private constructor(name: string, root: FileHandle) {
    this.name = name;
    this.#root = root;
  }

  /**
   * @param path - of the directory; may itself be a link, for whoever names it means it
   * @throws VainaError `ERR_NO_SUCH_PATH`
   */
  static async open(path: string): Promise<DirectoryTree> {
    try {
      const root = await open(path, 'r');
      if ((await root.stat()).isDirectory()) return new DirectoryTree(path, root);
      await root.close();
    } catch (error) {
      throw fileFailure(error, path);
    }
    throw new VainaError('ERR_NO_SUCH_PATH', `${path} is not a directory`, { path });
  }

  async size(path: string): Promise<number | undefined> {
    const file = await this.#find(path);
    if (file === undefined) return undefined;
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }

  async stream(path: string, start = 0): Promise<Readable> {
    const file = await this.#find(path);
    if (file === undefined) throw missing(this, path);
    return file.createReadStream({ start, highWaterMark: 256 * 1024 });
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  async #find(path: string): Promise<FileHandle | undefined> {
    try {
      return await openBeneath(this.#root, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ELOOP' || code === 'ENOTDIR' || code === 'EINVAL') {
        throw new VainaError('ERR_INVALID_IMAGE', `${this.name}: ${path} is not a regular file below it`, {
          path,
        });
      }
      throw fileFailure(error, `${this.name}/${path}`);
    }
  }
}
