import { VainaError } from '../errors.js';
import { joinBytes, sameTime, type TreeEntry } from './listing.js';
import { MergedTree } from './merged-tree.js';
import { isReserved } from './reserved.js';
import type { StorageWorker } from './worker.js';

/** Where the engine has mounted something over a tree that is packed. */
export interface PackedMounts {
  /** Places of mounts, absolute paths in the container. Links in them are not followed. */
  points: readonly string[];
  /** The trees below the one that is packed, top first, relative to the root of the store. */
  below: readonly string[];
}

/**
 * Tells what was made in a tree for the sake of mounts: an empty file or directory at the place of one, and directories
 * that lead to it. What is there but not empty is not ours.
 */
export class MountPoints {
  readonly #points: ReadonlySet<string>;
  readonly #below: MergedTree;

  constructor(worker: StorageWorker, { points, below }: PackedMounts) {
    this.#points = new Set(points.map(keyOf));
    this.#below = new MergedTree(worker, below);
  }

  /** Whether a name that is no directory was made for a mount. */
  isMade(path: Buffer, entry: TreeEntry): boolean {
    return (
      entry.type === 'file' &&
      entry.size === 0 &&
      entry.links === 1 &&
      this.#points.has(path.toString('latin1'))
    );
  }

  /**
   * Whether a directory of which nothing needs to be packed is here for a mount alone.
   *
   * @param found - whether nothing is in it, and whether a mount point in it was left out
   */
  async isDirectoryMade(
    path: Buffer,
    self: TreeEntry,
    found: { empty: boolean; cleared: boolean },
  ): Promise<boolean> {
    if (found.empty && this.#points.has(path.toString('latin1'))) return true;
    if (found.empty || !this.#leadsToPoint(path)) return false;
    const old = (await this.#below.find(path))?.entry;
    if (!old) return self.mode === 0o755 && self.uid === 0 && self.gid === 0 && attributesOf(self) === '';
    if (old.type !== 'directory') return false;
    return (
      (sameTime(old, self) || found.cleared) &&
      old.mode === self.mode &&
      old.uid === self.uid &&
      old.gid === self.gid &&
      attributesOf(old) === attributesOf(self)
    );
  }

  /** Whether a path is in the trees below. */
  async isBelow(path: Buffer): Promise<boolean> {
    return (await this.#below.find(path)) !== undefined;
  }

  #leadsToPoint(path: Buffer): boolean {
    const prefix = joinBytes(path, Buffer.alloc(0)).toString('latin1');
    return [...this.#points].some((point) => point.startsWith(prefix));
  }
}

function keyOf(point: string): string {
  if (!point.startsWith('/')) {
    throw new VainaError('ERR_INVALID_OPTION', `the mount point ${JSON.stringify(point)} is not absolute`);
  }
  const parts = point.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new VainaError('ERR_INVALID_OPTION', `the mount point ${JSON.stringify(point)} has a ".."`);
  }
  return Buffer.from(parts.join('/')).toString('latin1');
}

function attributesOf({ xattrs }: TreeEntry): string {
  return xattrs
    .filter(({ name }) => !isReserved(name))
    .map(({ name, value }) => `${name.toString('hex')}=${value.toString('hex')}`)
    .join(',');
}
