import {
  comparePaths,
  isOpaque,
  isWhiteout,
  joinBytes,
  sameTime,
  type TreeEntry,
  walkTree,
} from './listing.js';
import { MergedTree, type MergedEntry } from './merged-tree.js';
import { digestOfFile } from './tree-difference.js';
import type { StorageWorker } from './worker.js';

/** One path that differs between two file systems. */
export interface Change {
  /** `A` added, `C` changed, `D` deleted. */
  kind: 'A' | 'C' | 'D';
  /** From the root, without a slash at its start: bytes. */
  path: Buffer;
}

/**
 * What a tree changes of the trees below it, as an overlay keeps it: sorted, and with each directory that something was
 * added to or deleted from.
 *
 * @param below - top first
 */
export async function changesOfLayer(
  worker: StorageWorker,
  tree: string,
  below: readonly string[],
): Promise<Change[]> {
  const changes = new ChangeList();
  const lower = new MergedTree(worker, below);
  for await (const { path, entry } of walkTree(worker, tree)) {
    if (path.length === 0) continue;
    const old = await lower.find(path);
    if (isWhiteout(entry)) {
      changes.add('D', path);
      continue;
    }
    if (!old) changes.add('A', path);
    else if (entry.type !== 'directory' || old.entry.type !== 'directory' || !sameDirectory(entry, old.entry))
      changes.add('C', path);
    if (old?.entry.type === 'directory' && isOpaque(entry))
      await addHidden(changes, worker, tree, lower, old);
  }
  return changes.sorted();
}

/** An opaque directory hides what the layers below have in it. */
async function addHidden(
  changes: ChangeList,
  worker: StorageWorker,
  tree: string,
  lower: MergedTree,
  directory: MergedEntry,
): Promise<void> {
  const upper = new MergedTree(worker, [tree]);
  for await (const { path } of lower.walk(directory.path, directory.trees))
    if (!(await upper.find(path))) changes.add('D', path);
}

/**
 * What makes one file system out of another.
 *
 * @param trees - of the one that it becomes, top first
 * @param base - of the one that it was
 */
export async function changesBetween(
  worker: StorageWorker,
  trees: readonly string[],
  base: readonly string[],
): Promise<Change[]> {
  const changes = new ChangeList();
  const now = new MergedTree(worker, trees);
  const before = new MergedTree(worker, base);
  for await (const merged of now.walk()) {
    const old = await before.find(merged.path);
    if (!old) changes.add('A', merged.path);
    else if (await differs(worker, merged, old)) changes.add('C', merged.path);
  }
  let gone: Buffer | undefined;
  for await (const { path } of before.walk()) {
    // What was in a directory that is gone is gone with it.
    if (gone && path.subarray(0, gone.length + 1).equals(joinBytes(gone, Buffer.alloc(0)))) continue;
    if (await now.find(path)) continue;
    changes.add('D', path);
    gone = path;
  }
  return changes.sorted();
}

async function differs(worker: StorageWorker, a: MergedEntry, b: MergedEntry): Promise<boolean> {
  const [now, old] = [a.entry, b.entry];
  if (now.type !== old.type || now.mode !== old.mode || now.uid !== old.uid || now.gid !== old.gid)
    return true;
  if (!now.target.equals(old.target) || now.major !== old.major || now.minor !== old.minor) return true;
  if (now.type !== 'file' || now.file === old.file) return false;
  if (now.size !== old.size) return true;
  if (sameTime(now, old)) return false;
  return (await digestOfFile(worker, a.tree, a.path)) !== (await digestOfFile(worker, b.tree, b.path));
}

function sameDirectory(a: TreeEntry, b: TreeEntry): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && sameTime(a, b);
}

/** Each path once, with the directories that lead to what was added or deleted. */
class ChangeList {
  readonly #changes = new Map<string, Change>();

  add(kind: Change['kind'], path: Buffer): void {
    this.#changes.set(path.toString('latin1'), { kind, path });
    if (kind === 'C') return;
    const slash = path.lastIndexOf(0x2f);
    if (slash <= 0) return;
    const parent = path.subarray(0, slash);
    const key = parent.toString('latin1');
    if (!this.#changes.has(key)) this.#changes.set(key, { kind: 'C', path: parent });
  }

  sorted(): Change[] {
    return [...this.#changes.values()].sort((a, b) => comparePaths(a.path, b.path));
  }
}
