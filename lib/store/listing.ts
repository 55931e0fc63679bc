import { MAKE, type Meta } from './frames.js';
import type { EntryType } from './tar/entry.js';
import type { Time } from './tar/numbers.js';
import type { Xattr } from './tar/pax.js';
import type { StorageWorker } from './worker.js';

/** One name of a tree, with all that a layer can say of it. */
export interface TreeEntry extends Meta {
  name: Buffer;
  type: Exclude<EntryType, 'hard-link'> | 'socket';
  /** Which file it is: names with the same one are hard links of each other. */
  file: string;
  /** How many names the file has. */
  links: number;
  /** Of a regular file: bytes. */
  size: number;
  /** Of a symbolic link. */
  target: Buffer;
  major: number;
  minor: number;
}

/** An entry with its path from the top of the tree; empty for the top itself. */
export interface WalkedEntry {
  path: Buffer;
  entry: TreeEntry;
}

const TYPES = new Map<number, TreeEntry['type']>(
  (['directory', 'symlink', 'char-device', 'block-device', 'fifo', 'file', 'socket'] as const).map((type) => [
    MAKE[type],
    type,
  ]),
);
const DOT = Buffer.from('.');
const SLASH = Buffer.from('/');

/** Reads the entries of one piece of a listing. */
export function readListing(piece: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  let at = 0;
  const u32 = (): number => piece.readUInt32LE((at += 4) - 4);
  const u64 = (): bigint => piece.readBigUInt64LE((at += 8) - 8);
  const bytes = (length: number): Buffer => Buffer.from(piece.subarray(at, (at += length)));
  const text = (): Buffer => {
    const value = bytes(piece.readUInt16LE((at += 2) - 2));
    at++;
    return value;
  };
  const time = (): Time => ({ seconds: Number(piece.readBigInt64LE((at += 8) - 8)), nanoseconds: u32() });
  while (at < piece.length) {
    const type = TYPES.get(piece.readUInt8(at++)) ?? 'socket';
    const [major, minor, device, inode, links] = [u32(), u32(), u64(), u64(), u32()];
    const [size, name, target] = [Number(u64()), text(), text()];
    const [mode, uid, gid, atime, mtime] = [u32(), u32(), u32(), time(), time()];
    const xattrs: Xattr[] = [];
    for (let left = piece.readUInt16LE((at += 2) - 2); left > 0; left--) {
      const key = text();
      xattrs.push({ name: key, value: bytes(u32()) });
    }
    xattrs.sort((a, b) => a.name.compare(b.name));
    entries.push({
      ...{ name, type, file: `${device}:${inode}`, links, size, target, major, minor },
      ...{ mode, uid, gid, mtime, atime, xattrs },
    });
  }
  return entries;
}

/** What is in one directory of a tree, sorted by the bytes of the names; the directory itself comes first. */
export async function listDirectory(worker: StorageWorker, tree: string, path: Buffer): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  for await (const piece of worker.list(tree, path.length === 0 ? DOT : path))
    entries.push(...readListing(piece));
  // `.` is no name, so that it sorts before them all.
  return entries.sort((a, b) => (a.name.equals(DOT) ? -1 : b.name.equals(DOT) ? 1 : a.name.compare(b.name)));
}

/** All of a tree: each directory before what is in it, names sorted by their bytes. */
export async function* walkTree(
  worker: StorageWorker,
  tree: string,
  from: Buffer = Buffer.alloc(0),
): AsyncGenerator<WalkedEntry> {
  const [self, ...entries] = await listDirectory(worker, tree, from);
  if (from.length === 0 && self) yield { path: from, entry: self };
  for (const entry of entries) {
    const path = joinBytes(from, entry.name);
    yield { path, entry };
    if (entry.type === 'directory') yield* walkTree(worker, tree, path);
  }
}

/** Overlay's mark for what is deleted: a character device of number 0:0. */
export function isWhiteout(entry: TreeEntry): boolean {
  return entry.type === 'char-device' && entry.major === 0 && entry.minor === 0;
}

/** Whether a directory hides what the trees below have at its place. */
export function isOpaque(entry: TreeEntry): boolean {
  return entry.xattrs.some(
    ({ name, value }) =>
      /^(?:trusted|user)\.overlay\.opaque$/.test(name.toString('latin1')) && value.toString('latin1') === 'y',
  );
}

/** Whether both were modified at the same time, to the nanosecond. */
export function sameTime({ mtime: a }: TreeEntry, { mtime: b }: TreeEntry): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

/** A path of a tree and a name in it. */
export function joinBytes(directory: Buffer, name: Buffer): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, SLASH, name]);
}

/** The order of {@link walkTree}: part by part, so that what is in a directory comes before what follows it. */
export function comparePaths(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a[i] as number, b[i] as number];
    if (left === right) continue;
    return (left === 0x2f ? 0 : left) - (right === 0x2f ? 0 : right);
  }
  return a.length - b.length;
}
