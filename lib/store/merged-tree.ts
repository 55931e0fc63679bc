import { isOpaque, isWhiteout, joinBytes, listDirectory, type TreeEntry } from './listing.js';
import type { StorageWorker } from './worker.js';

/** A name as an overlay of several trees shows it. */
export interface MergedEntry {
  path: Buffer;
  entry: TreeEntry;
  /** The tree that it is of, as the worker knows it. */
  tree: string;
  /** Of a directory: the trees whose entries show in it, top first. */
  trees: readonly string[];
}

/** Reads what an overlay of trees (top first) would show, without mounting one. */
export class MergedTree {
  readonly #worker: StorageWorker;
  readonly #trees: readonly string[];
  readonly #cache = new Map<string, Map<string, MergedEntry>>();

  constructor(worker: StorageWorker, trees: readonly string[]) {
    this.#worker = worker;
    this.#trees = trees;
  }

  /** What is at a path; undefined when nothing shows there. Links are not followed. */
  async find(path: Buffer): Promise<MergedEntry | undefined> {
    let trees = this.#trees;
    let at: Buffer = Buffer.alloc(0);
    let found: MergedEntry | undefined;
    for (const part of path.toString('latin1').split('/')) {
      if (found && found.entry.type !== 'directory') return undefined;
      found = (await this.#list(at, trees)).get(part);
      if (!found) return undefined;
      at = found.path;
      trees = found.trees;
    }
    return found;
  }

  /** All that shows: each directory before what is in it, names sorted by their bytes. */
  async *walk(from: Buffer = Buffer.alloc(0), trees = this.#trees): AsyncGenerator<MergedEntry> {
    const entries = [...(await this.#list(from, trees)).values()];
    this.#cache.delete(from.toString('latin1'));
    for (const merged of entries.sort((a, b) => a.path.compare(b.path))) {
      yield merged;
      if (merged.entry.type === 'directory') yield* this.walk(merged.path, merged.trees);
    }
  }

  async #list(path: Buffer, trees: readonly string[]): Promise<Map<string, MergedEntry>> {
    const key = path.toString('latin1');
    const known = this.#cache.get(key);
    if (known) return known;
    const merged = new Map<string, MergedEntry & { trees: string[] }>();
    // Names that no tree further down adds to.
    const closed = new Set<string>();
    for (const tree of trees) {
      for (const entry of (await listDirectory(this.#worker, tree, path)).slice(1)) {
        const name = entry.name.toString('latin1');
        if (closed.has(name)) continue;
        const above = merged.get(name);
        const isDirectory = entry.type === 'directory';
        if (above && isDirectory) above.trees.push(tree);
        else if (!above && !isWhiteout(entry))
          merged.set(name, { path: joinBytes(path, entry.name), entry, tree, trees: [tree] });
        if (!isDirectory || isOpaque(entry)) closed.add(name);
      }
    }
    this.#cache.set(key, merged);
    return merged;
  }
}
