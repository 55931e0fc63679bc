import { malformed } from './malformed.js';
import { parseDecimal, parseTime, type Time } from './numbers.js';

/** An extended attribute as bytes. */
export interface Xattr {
  name: Buffer;
  value: Buffer;
}

/** What PAX extended headers (pax(1), and the extensions of GNU tar and star) say of one entry. */
export interface PaxFields {
  path?: Buffer;
  linkPath?: Buffer;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: Time;
  atime?: Time;
  /** By name, in latin1. */
  xattrs?: Map<string, Xattr>;
  /** GNU.sparse.*, in the order in which they came: of one key there may be many. */
  sparse?: [key: string, value: string][];
}

const XATTR = 'SCHILY.xattr.';
const SPARSE = 'GNU.sparse.';

/**
 * Reads the records of an extended header into `fields`; what is there already gives way.
 *
 * @param global - whether it is one for all entries that follow, where a name or size would make no sense
 * @throws VainaError `ERR_INVALID_LAYER`
 */
export function readPax(bytes: Buffer, fields: PaxFields, global: boolean): void {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space === -1 ? '' : bytes.toString('latin1', at, space);
    const end = at + (/^[1-9][0-9]{0,7}$/.test(length) ? Number(length) : NaN);
    // The length counts itself and the line feed.
    if (!(end <= bytes.length) || end - 1 <= space || bytes[end - 1] !== 0x0a) {
      throw malformed('a record of an extended header has a wrong length');
    }
    const equals = bytes.indexOf(0x3d, space);
    if (equals === -1 || equals >= end - 1 || equals === space + 1) {
      throw malformed('a record of an extended header has no key');
    }
    const key = bytes.toString('latin1', space + 1, equals);
    if (key.includes('\0')) throw malformed('a key of an extended header has a NUL');
    readRecord(key, bytes.subarray(equals + 1, end - 1), fields, global);
    at = end;
  }
}

function readRecord(key: string, value: Buffer, fields: PaxFields, global: boolean): void {
  if (global && (key === 'path' || key === 'linkpath' || key === 'size' || key.startsWith(SPARSE))) {
    throw malformed(`a global extended header has a ${key}`);
  }
  const text = value.toString('latin1');
  // An empty value takes back what an earlier record or the header said: for us, the header counts again.
  const empty = value.length === 0;
  switch (key) {
    case 'path':
      return set(fields, 'path', empty ? undefined : withoutNul(value, key));
    case 'linkpath':
      return set(fields, 'linkPath', empty ? undefined : withoutNul(value, key));
    case 'size':
      return set(fields, 'size', empty ? undefined : parseDecimal(text, key));
    case 'uid':
    case 'gid':
      return set(fields, key, empty ? undefined : parseDecimal(text, key));
    case 'mtime':
    case 'atime':
      return set(fields, key, empty ? undefined : parseTime(text, key));
  }
  if (key.startsWith(XATTR)) {
    const name = Buffer.from(key.slice(XATTR.length), 'latin1');
    if (name.length === 0 || name.length > 255)
      throw malformed('an extended attribute has a name of a wrong length');
    (fields.xattrs ??= new Map()).set(key, { name, value: Buffer.from(value) });
  } else if (key.startsWith(SPARSE)) {
    (fields.sparse ??= []).push([key.slice(SPARSE.length), text]);
  }
}

function set<K extends keyof PaxFields>(fields: PaxFields, key: K, value: PaxFields[K] | undefined): void {
  if (value === undefined) delete fields[key];
  else fields[key] = value;
}

function withoutNul(value: Buffer, key: string): Buffer {
  if (value.includes(0)) throw malformed(`the ${key} of an extended header has a NUL`);
  return Buffer.from(value);
}

/** Both together; what `own` says goes before. */
export function mergePax(global: PaxFields, own: PaxFields): PaxFields {
  const merged: PaxFields = { ...global, ...own };
  if (global.xattrs && own.xattrs) merged.xattrs = new Map([...global.xattrs, ...own.xattrs]);
  return merged;
}
