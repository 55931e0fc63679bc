import { VainaError } from '../../errors.js';
import { BLOCK, paddedSize, tarHeader, type TarMember as Header } from '../../oci/tar-header.js';
import type { Entry, EntryType } from './entry.js';
import { MAX_HEADER_BYTES } from './limits.js';
import { show } from './malformed.js';

/** An entry to write: as the reader gives it, without the time of access. */
export type TarMember = Omit<Entry, 'atime'>;

const FLAGS: Readonly<Record<EntryType, Header['type']>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  'char-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};
const EQUALS = 0x3d;
const SLASH = Buffer.from('/');
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Writes an archive: ustar with PAX, see {@link tarHeader}. The same entries give the same bytes.
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
    const { target: link, mtime, xattrs } = member;
    for (const { name } of xattrs) if (name.includes(EQUALS)) throw unspeakable(path, name);
    const { seconds, nanoseconds } = mtime;
    const type = FLAGS[member.type];
    const header = tarHeader({ ...member, name: path, type, size, link, mtime: seconds, nanoseconds });
    this.headers += header.length > BLOCK ? 2 : 1;
    if (header.length - BLOCK > MAX_HEADER_BYTES) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `an archive cannot tell of ${show(path)}: it has more than ${MAX_HEADER_BYTES} bytes of extended attributes`,
      );
    }
    this.#push(header);
    this.#left = size;
    this.#padding = paddedSize(size) - size;
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

function unspeakable(path: Buffer, attribute: Buffer): VainaError {
  return new VainaError(
    'ERR_UNSUPPORTED',
    `an archive cannot tell of the extended attribute ${show(attribute)} of ${show(path)}: its name has a "="`,
  );
}
