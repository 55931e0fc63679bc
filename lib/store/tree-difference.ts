import { createHash } from 'node:crypto';
import { comparePaths, isWhiteout, sameTime, walkTree, type TreeEntry, type WalkedEntry } from './listing.js';
import { isReserved } from './reserved.js';
import { show } from './tar/malformed.js';
import type { StorageWorker } from './worker.js';

/**
 * The first thing in which two trees differ, in words: names, types, modes, owners, times, content, links, extended
 * attributes. The root itself is not compared.
 *
 * @param since - times of directories from this moment on (seconds since the epoch) in the first tree do not count
 */
export async function firstDifference(
  worker: StorageWorker,
  first: string,
  second: string,
  since = Infinity,
): Promise<string | undefined> {
  const ours = walkTree(worker, first);
  const theirs = walkTree(worker, second);
  const links = new Map<string, string>();
  try {
    await ours.next();
    await theirs.next();
    for (;;) {
      const a = (await ours.next()).value as WalkedEntry | undefined;
      const b = (await theirs.next()).value as WalkedEntry | undefined;
      if (!a && !b) return undefined;
      if (!a || !b || !a.path.equals(b.path)) {
        // Both come in the same order, so that the first name that is not the same is missing on the other side.
        const missing = !b || (a !== undefined && comparePaths(a.path, b.path) < 0);
        return `${show((missing ? a : b)?.path ?? Buffer.alloc(0))} is ${missing ? 'missing' : 'too much'}`;
      }
      const field = await fieldThatDiffers(worker, [first, a], [second, b], since, links);
      if (field !== undefined) return `${show(a.path)} has another ${field}`;
    }
  } finally {
    await ours.return(undefined);
    await theirs.return(undefined);
  }
}

type Side = readonly [tree: string, walked: WalkedEntry];

async function fieldThatDiffers(
  worker: StorageWorker,
  [first, { path, entry: a }]: Side,
  [second, { entry: b }]: Side,
  since: number,
  links: Map<string, string>,
): Promise<string | undefined> {
  if (a.type !== b.type) return 'type';
  if (a.mode !== b.mode && a.type !== 'symlink') return 'mode';
  if (a.uid !== b.uid || a.gid !== b.gid) return 'owner';
  if (a.major !== b.major || a.minor !== b.minor) return 'device number';
  if (!a.target.equals(b.target)) return 'target';
  const late = a.type === 'directory' && a.mtime.seconds >= since;
  if (!late && !isWhiteout(a) && !sameTime(a, b)) return 'time';
  if (attributesOf(a) !== attributesOf(b)) return 'set of extended attributes';
  if (a.type === 'directory') return undefined;
  const linked = links.get(a.file);
  if (linked !== undefined) return linked === b.file ? undefined : 'set of hard links';
  links.set(a.file, b.file);
  if (a.links !== b.links) return 'number of links';
  if (a.type !== 'file') return undefined;
  if (a.size !== b.size) return 'size';
  return (await digestOfFile(worker, first, path)) === (await digestOfFile(worker, second, path))
    ? undefined
    : 'content';
}

function attributesOf(entry: TreeEntry): string {
  return entry.xattrs
    .filter(({ name }) => !isReserved(name) || name.toString('latin1').endsWith('.overlay.opaque'))
    .map(({ name, value }) => `${name.toString('hex')}=${value.toString('hex')}`)
    .join(',');
}

/** Digest of a file of a tree with what stands between its holes: a hole and zeros are the same content. */
export async function digestOfFile(worker: StorageWorker, tree: string, path: Buffer): Promise<string> {
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(256 * 1024);
  let at = 0;
  const fill = (to: number): void => {
    for (; at < to; at += zeros.length)
      hash.update(to - at < zeros.length ? zeros.subarray(0, to - at) : zeros);
    at = to;
  };
  let size: number | undefined;
  for await (const piece of worker.content(tree, path)) {
    const number = Number(piece.readBigUInt64LE(0));
    if (size === undefined) {
      size = number;
      continue;
    }
    fill(number);
    hash.update(piece.subarray(8));
    at += piece.length - 8;
  }
  fill(size ?? 0);
  return hash.digest('hex');
}
