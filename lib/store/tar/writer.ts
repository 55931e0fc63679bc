import { VainaError } from '../../errors.js';
import type { Entry, EntryType } from './entry.js';
import { BLOCK } from './header.js';
import { MAX_HEADER_BYTES } from './limits.js';
import { show } from './malformed.js';
import type { Time } from './numbers.js';
import { splitName } from './ustar-name.js';

/** An entry to write: as the reader gives it, without the time of access. */
export type TarMember = Omit<Entry, 'atime'>;

const FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  'char-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};
/** What seven and eleven octal digits can say. */
const MAX_SMALL = 8 ** 7 - 1;
const MAX_LARGE = 8 ** 11 - 1;
const NO_BYTES = Buffer.alloc(0);
const EQUALS = 0x3d;
const SLASH = Buffer.from('/');
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Writes an archive: ustar (POSIX.1-1988), with a PAX extended header (pax(1)) in front of what does not fit it. Names
 * and targets are bytes; nothing is in it that was not asked for, so that the same entries give the same bytes.
 *
 * It gathers what is written until it is {@link TarWriter.take taken}.
 */
export class TarWriter {
  /** Headers so far, extended ones included. */
  headers = 0;
  #chunks: Buffer[] = [];
  #pending = 0;
  /** Bytes of content that the entry still needs. */
  #left = 0;
  #padding = 0;

  /** Bytes that wait to be taken. */
  get pending(): number {
    return this.#pending;
  }

  /** All that was written since the last time. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks, this.#pending);
    this.#chunks = [];
    this.#pending = 0;
    return bytes;
  }

  /**
   * Begins an entry. Of a file {@link TarMember.size} bytes of content follow, of anything else none.
   *
   * @throws VainaError `ERR_UNSUPPORTED` when an archive cannot say it
   */
  entry(member: TarMember): void {
    this.#expectWhole();
    const size = member.type === 'file' ? member.size : 0;
    const path = member.type === 'directory' ? Buffer.concat([member.path, SLASH]) : member.path;
    const fits = splitName(path);
    const records = paxRecords(member, path, size, fits !== undefined);
    this.headers += records.length > 0 ? 2 : 1;
    if (records.length + BLOCK > MAX_HEADER_BYTES) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `an archive cannot tell of ${show(path)}: it has more than ${MAX_HEADER_BYTES} bytes of extended attributes`,
      );
    }
    if (records.length > 0) {
      this.#push(paxHeader(records.length));
      this.#push(records);
      this.#push(ZEROS.subarray(0, paddingOf(records.length)));
    }
    this.#push(
      block({
        ...member,
        ...(fits ?? { name: asciiOf(path), prefix: NO_BYTES }),
        flag: FLAGS[member.type],
        link: asciiOf(member.target),
        size,
      }),
    );
    this.#left = size;
    this.#padding = paddingOf(size);
  }

  /** Content of the entry that was begun. The bytes must stay as they are until they were taken. */
  data(bytes: Buffer): void {
    if (bytes.length > this.#left)
      throw new VainaError('ERR_INTERNAL', 'an entry has more content than it said');
    this.#push(bytes);
    this.#left -= bytes.length;
    if (this.#left > 0) return;
    this.#push(ZEROS.subarray(0, this.#padding));
    this.#padding = 0;
  }

  /** Zeros as content, and at most 64 KiB at a time. @returns how many */
  zeros(length: number): number {
    const size = Math.min(length, ZEROS.length);
    this.data(ZEROS.subarray(0, size));
    return size;
  }

  /** Ends the archive by two blocks of zeros. */
  end(): void {
    this.#expectWhole();
    this.#push(ZEROS.subarray(0, 2 * BLOCK));
  }

  #expectWhole(): void {
    if (this.#left > 0) throw new VainaError('ERR_INTERNAL', 'an entry has less content than it said');
  }

  #push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#pending += bytes.length;
  }
}

/** What the header block cannot say, in an order of its own. */
function paxRecords(member: TarMember, path: Buffer, size: number, nameFits: boolean): Buffer {
  const { target, uid, gid, mtime, xattrs } = member;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer): void => {
    records.push(record(Buffer.from(key), typeof value === 'string' ? Buffer.from(value) : value));
  };
  if (!nameFits) add('path', path);
  if (target.length > 100 || !isAscii(target)) add('linkpath', target);
  if (size > MAX_LARGE) add('size', String(size));
  if (uid > MAX_SMALL) add('uid', String(uid));
  if (gid > MAX_SMALL) add('gid', String(gid));
  if (mtime.nanoseconds !== 0 || mtime.seconds < 0 || mtime.seconds > MAX_LARGE)
    add('mtime', timeText(mtime));
  for (const { name, value } of [...xattrs].sort((a, b) => a.name.compare(b.name))) {
    if (name.includes(EQUALS)) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `an archive cannot tell of the extended attribute ${show(name)} of ${show(path)}: its name has a "="`,
      );
    }
    records.push(record(Buffer.concat([Buffer.from('SCHILY.xattr.'), name]), value));
  }
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
function timeText({ seconds, nanoseconds }: Time): string {
  if (nanoseconds === 0) return String(seconds);
  const [whole, rest] = seconds < 0 ? [-(seconds + 1), 1_000_000_000 - nanoseconds] : [seconds, nanoseconds];
  return `${seconds < 0 ? '-' : ''}${whole}.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
}

interface Block {
  name: Buffer;
  prefix: Buffer;
  link: Buffer;
  flag: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: Time;
  major: number;
  minor: number;
}

function paxHeader(size: number): Buffer {
  const name = Buffer.from('PaxHeaders/entry');
  return block({
    ...{ name, prefix: NO_BYTES, link: NO_BYTES, flag: 'x', mode: 0o644, uid: 0, gid: 0, size },
    ...{ mtime: { seconds: 0, nanoseconds: 0 }, major: 0, minor: 0 },
  });
}

/** A header block. Numbers that do not fit are 0: a record in front of it has them. */
function block(header: Block): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    const fits = value >= 0 && value < 8 ** digits;
    bytes.write((fits ? value : 0).toString(8).padStart(digits, '0'), at, 'latin1');
  };
  header.name.copy(bytes, 0, 0, 100);
  octal(header.mode & 0o7777, 100, 7);
  octal(header.uid, 108, 7);
  octal(header.gid, 116, 7);
  octal(header.size, 124, 11);
  octal(header.mtime.seconds, 136, 11);
  bytes.fill(' ', 148, 156);
  bytes.write(header.flag, 156, 'latin1');
  header.link.copy(bytes, 157, 0, 100);
  bytes.write('ustar\x0000', 257, 'latin1');
  const isDevice = header.flag === '3' || header.flag === '4';
  octal(isDevice ? header.major : 0, 329, 7);
  octal(isDevice ? header.minor : 0, 337, 7);
  header.prefix.copy(bytes, 345, 0, 155);
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

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
