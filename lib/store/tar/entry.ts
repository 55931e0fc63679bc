import { type RawHeader } from './header.js';
import { MAX_DEPTH, MAX_PATH_BYTES } from './limits.js';
import { malformed, refused, show } from './malformed.js';
import type { Time } from './numbers.js';
import type { PaxFields, Xattr } from './pax.js';
import type { SparseMap } from './sparse.js';

/** What an entry of a layer archive makes. */
export type EntryType =
  'file' | 'directory' | 'symlink' | 'hard-link' | 'char-device' | 'block-device' | 'fifo';

/** An entry of a layer archive. Its content, if it is a file, follows separately. */
export interface Entry {
  type: EntryType;
  /** Relative to the root, without `.`, `..` and empty components; empty for the root itself. */
  path: Buffer;
  /** Of a symlink: its target, as it is. Of a hard link: the path of the file, like {@link Entry.path}. */
  target: Buffer;
  /** Permission bits, with set-user-id and the like. */
  mode: number;
  uid: number;
  gid: number;
  mtime: Time;
  /** At least mtime, as the peers have it. */
  atime: Time;
  /** Of a file, with its holes. */
  size: number;
  major: number;
  minor: number;
  xattrs: readonly Xattr[];
}

const NO_BYTES = Buffer.alloc(0);
const SLASH = 0x2f;
const DOT = 0x2e;
/** The last id; one more means "unchanged" to chown(2). */
const MAX_ID = 0xffff_fffe;

/** Types that are entries, with what they make. */
export const ENTRY_TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '3': 'char-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

/** Puts together what the header and the extended headers of an entry say. */
export function makeEntry(
  header: RawHeader,
  pax: PaxFields,
  longName: Buffer | undefined,
  longLink: Buffer | undefined,
  sparse: { name?: Buffer; size?: number },
): Entry {
  let type = ENTRY_TYPES[header.type];
  if (type === undefined) throw refused(`an entry has the type ${JSON.stringify(header.type)}`);
  // Two formats that name the same thing differently are read differently by different programs.
  if (longName && pax.path && !longName.equals(pax.path)) throw refused('an entry has two names');
  if (longLink && pax.linkPath && !longLink.equals(pax.linkPath))
    throw refused('an entry has two link targets');
  const name = sparse.name ?? pax.path ?? longName ?? header.name;
  const link = pax.linkPath ?? longLink ?? header.linkName;
  if (header.type === '\0' && name.length > 0 && name[name.length - 1] === SLASH) type = 'directory';
  const path = cleanPath(name);
  if (path.length === 0 && type !== 'directory') throw refused('an entry would replace the root directory');
  const mtime = pax.mtime ?? { seconds: header.mtime, nanoseconds: 0 };
  const atime = pax.atime && !isBefore(pax.atime, mtime) ? pax.atime : mtime;
  return {
    type,
    path,
    target:
      type === 'hard-link'
        ? hardLinkTarget(link, path)
        : type === 'symlink'
          ? symlinkTarget(link, path)
          : NO_BYTES,
    mode: header.mode & 0o7777,
    uid: checkId(pax.uid ?? header.uid, 'uid'),
    gid: checkId(pax.gid ?? header.gid, 'gid'),
    mtime,
    atime,
    size: sparse.size ?? 0,
    major: header.major,
    minor: header.minor,
    xattrs: pax.xattrs ? [...pax.xattrs.values()] : [],
  };
}

function isBefore(a: Time, b: Time): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanoseconds < b.nanoseconds);
}

function checkId(id: number, what: string): number {
  if (id > MAX_ID) throw malformed(`a ${what} is out of range`);
  return id;
}

function hardLinkTarget(link: Buffer, path: Buffer): Buffer {
  const target = cleanPath(link);
  if (target.length === 0) throw refused(`the hard link ${show(path)} leads to the root directory`);
  return target;
}

function symlinkTarget(link: Buffer, path: Buffer): Buffer {
  if (link.length === 0) throw malformed(`the symbolic link ${show(path)} leads nowhere`);
  if (link.length > MAX_PATH_BYTES)
    throw refused(`the target of the symbolic link ${show(path)} is too long`);
  return link;
}

/**
 * The path from the root, by its text alone: `..` takes away the component before it and never leads above the root.
 * As container engines have it; what links on the way lead to is another matter.
 */
export function cleanPath(name: Buffer): Buffer {
  if (isClean(name)) return checkDepth(name, name);
  const parts: Buffer[] = [];
  let size = 0;
  for (let at = 0; at < name.length;) {
    const slash = name.indexOf(SLASH, at);
    const end = slash === -1 ? name.length : slash;
    const part = name.subarray(at, end);
    at = end + 1;
    if (part.length === 0 || (part.length === 1 && part[0] === DOT)) continue;
    if (part.length === 2 && part[0] === DOT && part[1] === DOT) {
      size -= (parts.pop()?.length ?? -1) + 1;
      continue;
    }
    parts.push(part);
    size += part.length + 1;
  }
  if (parts.length === 0) return NO_BYTES;
  const path = Buffer.allocUnsafe(size - 1);
  let to = 0;
  for (const [i, part] of parts.entries()) {
    if (i > 0) path[to++] = SLASH;
    to += part.copy(path, to);
  }
  return checkDepth(path, name);
}

/** Whether there is nothing to clean, which is usual: then no copy is made. */
function isClean(name: Buffer): boolean {
  let start = 0;
  for (let i = 0; i <= name.length; i++) {
    if (i < name.length && name[i] !== SLASH) continue;
    const size = i - start;
    if (size === 0 || (name[start] === DOT && (size === 1 || (size === 2 && name[start + 1] === DOT))))
      return false;
    start = i + 1;
  }
  return true;
}

function checkDepth(path: Buffer, name: Buffer): Buffer {
  if (path.length > MAX_PATH_BYTES)
    throw refused(`a path is longer than ${MAX_PATH_BYTES} bytes: ${show(name)}`);
  let depth = 1;
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== SLASH) continue;
    // That of a whiteout is made of one that is as long as a name may be.
    const longest = path.toString('latin1', start, start + 4) === '.wh.' ? 259 : 255;
    if (i - start > longest) throw refused(`a name is longer than ${longest} bytes: ${show(name)}`);
    start = i + 1;
    if (i < path.length) depth++;
  }
  if (depth > MAX_DEPTH) throw refused(`a path has more than ${MAX_DEPTH} components`);
  return path;
}

/** Where the content of a file belongs that has no holes. */
export function wholeFile(size: number): SparseMap {
  return { extents: size === 0 ? [] : [{ offset: 0, length: size }], realSize: size };
}
