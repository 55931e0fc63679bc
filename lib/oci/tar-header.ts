import { splitName } from './ustar-name.js';

/** Bytes of a block of a tar archive. */
export const BLOCK = 512;
/** What seven and eleven octal digits can say. */
const MAX_SMALL = 8 ** 7 - 1;
const MAX_LARGE = 8 ** 11 - 1;
const NO_BYTES = Buffer.alloc(0);

/** A member of a tar archive, as its header says it. Names and targets are bytes; a string is UTF-8. */
export interface TarMember {
  name: string | Buffer;
  /** By the letters of POSIX: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` directory, `6` fifo. */
  type: '0' | '1' | '2' | '3' | '4' | '5' | '6';
  size: number;
  mode: number;
  /** Target of a link. Default: none. */
  link?: string | Buffer;
  /** Default 0. */
  uid?: number;
  /** Default 0. */
  gid?: number;
  /** In seconds since 1970. Default 0. */
  mtime?: number;
  /** What is added to {@link TarMember.mtime}. Default 0. */
  nanoseconds?: number;
  /** Of a device. Default 0. */
  major?: number;
  /** Of a device. Default 0. */
  minor?: number;
  /** Extended attributes, whose names have no `=`. Default: none. */
  xattrs?: readonly { name: Buffer; value: Buffer }[];
}

/**
 * The header of a member: ustar (POSIX.1-1988), with a PAX extended header (pax(1)) in front of what does not fit it.
 * Nothing is in it that was not asked for, so that the same member gives the same bytes.
 */
export function tarHeader(member: TarMember): Buffer {
  const name = bytesOf(member.name);
  const link = bytesOf(member.link ?? '');
  const fits = splitName(name);
  const records = paxRecords(member, fits ? undefined : name, link);
  const own = block(member, fits ?? { name: asciiOf(name), prefix: NO_BYTES }, asciiOf(link));
  if (records.length === 0) return own;
  const pax = block(
    { type: 'x', size: records.length, mode: 0o644 },
    { name: Buffer.from('PaxHeaders/entry'), prefix: NO_BYTES },
    NO_BYTES,
  );
  return Buffer.concat([pax, records, tarPadding(records.length), own]);
}

/** Zeros that fill the last block of so many bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc(paddedSize(size) - size);
}

/** So many bytes in whole blocks. */
export function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function bytesOf(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

/** What the header block cannot say, in an order of its own. */
function paxRecords(member: TarMember, path: Buffer | undefined, link: Buffer): Buffer {
  const { size, uid = 0, gid = 0, mtime = 0, nanoseconds = 0, xattrs = [] } = member;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer): void => {
    records.push(record(Buffer.from(key), bytesOf(value)));
  };
  if (path) add('path', path);
  if (link.length > 100 || !isAscii(link)) add('linkpath', link);
  if (size > MAX_LARGE) add('size', String(size));
  if (uid > MAX_SMALL) add('uid', String(uid));
  if (gid > MAX_SMALL) add('gid', String(gid));
  if (nanoseconds !== 0 || mtime < 0 || mtime > MAX_LARGE) add('mtime', timeText(mtime, nanoseconds));
  for (const { name, value } of [...xattrs].sort((a, b) => a.name.compare(b.name)))
    records.push(record(Buffer.concat([Buffer.from('SCHILY.xattr.'), name]), value));
  return Buffer.concat(records);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: Buffer, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} `), key, Buffer.from('='), value, Buffer.from('\n')]);
}

/** Seconds since the epoch, with what is needed of nine decimals. */
function timeText(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const [whole, rest] = seconds < 0 ? [-(seconds + 1), 1_000_000_000 - nanoseconds] : [seconds, nanoseconds];
  return `${seconds < 0 ? '-' : ''}${whole}.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
}

/** A header block. Numbers that do not fit are 0: a record in front of it has them. */
function block(
  member: Omit<TarMember, 'name' | 'link' | 'type'> & { type: TarMember['type'] | 'x' },
  { name, prefix }: { name: Buffer; prefix: Buffer },
  link: Buffer,
): Buffer {
  const { type, size, mode, uid = 0, gid = 0, mtime = 0, major = 0, minor = 0 } = member;
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    const fits = value >= 0 && value < 8 ** digits;
    bytes.write((fits ? value : 0).toString(8).padStart(digits, '0'), at, 'latin1');
  };
  name.copy(bytes, 0, 0, 100);
  octal(mode & 0o7777, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  octal(size, 124, 11);
  octal(mtime, 136, 11);
  bytes.fill(' ', 148, 156);
  bytes.write(type, 156, 'latin1');
  link.copy(bytes, 157, 0, 100);
  bytes.write('ustar\x0000', 257, 'latin1');
  const isDevice = type === '3' || type === '4';
  octal(isDevice ? major : 0, 329, 7);
  octal(isDevice ? minor : 0, 337, 7);
  prefix.copy(bytes, 345, 0, 155);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  octal(sum, 148, 6);
  bytes[154] = 0;
  return bytes;
}

function isAscii(text: Buffer): boolean {
  return text.every((byte) => byte < 0x80);
}

/** For programs that know no extended headers: something to see. */
function asciiOf(text: Buffer): Buffer {
  return isAscii(text) ? text : Buffer.from(text.map((byte) => (byte < 0x80 ? byte : 0x5f)));
}
