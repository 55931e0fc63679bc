/** Bytes of a block of a tar archive. */
export const BLOCK = 512;
/** The largest size that eleven octal digits can say. */
const MAX_OCTAL_SIZE = 8 * 1024 ** 3 - 1;
/** The largest id that seven octal digits can say. */
const MAX_OCTAL_ID = 8 ** 7 - 1;

/** A member of a tar archive, as its header says it. */
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
  /** Of a device. Default 0. */
  major?: number;
  /** Of a device. Default 0. */
  minor?: number;
}

/** The header of a member; what has no room in it comes in one of PAX before it. */
export function tarHeader(member: TarMember): Buffer {
  const { size, uid = 0, gid = 0 } = member;
  const [name, link] = [bytesOf(member.name), bytesOf(member.link ?? '')];
  const records: Buffer[] = [];
  if (name.length > 100) records.push(record('path', name));
  if (link.length > 100) records.push(record('linkpath', link));
  if (size > MAX_OCTAL_SIZE) records.push(record('size', String(size)));
  if (uid > MAX_OCTAL_ID) records.push(record('uid', String(uid)));
  if (gid > MAX_OCTAL_ID) records.push(record('gid', String(gid)));
  if (records.length === 0) return block(member, 'ustar', name, link);
  const body = Buffer.concat(records);
  const pax = block({ type: '0', size: body.length, mode: 0o644 }, 'pax', Buffer.from('PaxHeaders.0/member'));
  return Buffer.concat([pax, body, tarPadding(body.length), block(member, 'ustar', name, link)]);
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

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from('\n')]);
  const guess = rest.length + String(rest.length).length;
  return Buffer.concat([Buffer.from(String(rest.length + String(guess).length)), rest]);
}

/** POSIX.1-1988 (ustar), and the header of PAX in its form. */
function block(
  member: Omit<TarMember, 'name' | 'link'>,
  kind: 'ustar' | 'pax',
  name: Buffer,
  link: Buffer = Buffer.alloc(0),
): Buffer {
  const { type, size, mode, uid = 0, gid = 0, mtime = 0, major = 0, minor = 0 } = member;
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  name.copy(bytes, 0, 0, 100);
  octal(mode, 100, 7);
  octal(uid > MAX_OCTAL_ID ? 0 : uid, 108, 7);
  octal(gid > MAX_OCTAL_ID ? 0 : gid, 116, 7);
  octal(size > MAX_OCTAL_SIZE ? 0 : size, 124, 11);
  octal(mtime, 136, 11);
  bytes.fill(' ', 148, 156);
  bytes.write(kind === 'pax' ? 'x' : type, 156, 'latin1');
  link.copy(bytes, 157, 0, 100);
  bytes.write('ustar\x0000', 257, 'latin1');
  octal(major, 329, 7);
  octal(minor, 337, 7);
  octal(
    bytes.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  bytes[154] = 0;
  return bytes;
}
