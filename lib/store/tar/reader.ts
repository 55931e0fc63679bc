import { ENTRY_TYPES, type Entry, makeEntry, wholeFile } from './entry.js';
import { BLOCK } from '../../oci/tar-header.js';
import { parseHeader, type RawHeader } from './header.js';
import { MAX_ENTRIES, MAX_HEADER_BYTES } from './limits.js';
import { malformed, refused } from './malformed.js';
import { mergePax, type PaxFields, readPax } from './pax.js';
import {
  ContentSparseMap,
  type Extent,
  OldSparseMap,
  type PaxSparse,
  parsePaxSparse,
  checkMap,
  type SparseMap,
} from './sparse.js';

/** What a {@link TarReader} tells as it reads. */
export interface TarHandler {
  /** An entry begins. Names stay as long as they are held. */
  entry(entry: Entry): void;
  /** Some content of a file, at this offset. The bytes may change after the call. */
  data(bytes: Buffer, offset: number): void;
  /** A file is complete. */
  end(): void;
}

type State = 'header' | 'meta' | 'old-sparse' | 'content-sparse' | 'content' | 'padding' | 'after-end';

/**
 * Reads a layer archive: ustar, PAX with GNU's and star's extensions, GNU's own format, and what was before them. It is
 * fed with bytes as they come and calls its handler before `write` returns; nothing happens at any other time.
 * Names are bytes, numbers are checked, and memory does not grow with the archive.
 */
export class TarReader {
  readonly #handler: TarHandler;
  #state: State = 'header';
  #entries = 0;

  // A block that came in pieces.
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;

  // Extended headers of the entry to come.
  #global: PaxFields = {};
  #globalBytes = 0;
  #pax: PaxFields = {};
  #hasPax = false;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #metaBytes = 0;
  #metaType = '';
  #meta: Buffer = Buffer.alloc(0);

  // The entry whose map or content is being read.
  #header: RawHeader | undefined;
  #oldSparse: OldSparseMap | undefined;
  #contentSparse: ContentSparseMap | undefined;
  #paxSparse: PaxSparse | undefined;
  #extents: Extent[] = [];
  #extent = 0;
  #inExtent = 0;
  #left = 0;
  #padding = 0;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /**
   * Reads some more bytes, which may change after the call.
   *
   * @throws VainaError `ERR_INVALID_LAYER`; the reader is of no use after that. What the handler throws
   */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'content':
          at += this.#content(chunk, at);
          break;
        case 'meta':
          at += this.#fillMeta(chunk, at);
          break;
        case 'padding': {
          const size = Math.min(this.#padding, chunk.length - at);
          this.#padding -= size;
          at += size;
          if (this.#padding === 0) this.#state = 'header';
          break;
        }
        case 'after-end':
          return;
        default:
          at += this.#fillBlock(chunk, at);
      }
    }
  }

  /**
   * Tells that there are no more bytes.
   *
   * @throws VainaError `ERR_INVALID_LAYER` when the archive is cut
   */
  end(): void {
    const complete = this.#state === 'after-end' || (this.#state === 'header' && this.#filled === 0);
    if (!complete) throw malformed('it is cut off');
    if (this.#hasPax || this.#longName || this.#longLink) throw malformed('it ends with an extended header');
  }

  #fillBlock(chunk: Buffer, at: number): number {
    const available = chunk.length - at;
    if (this.#filled === 0 && available >= BLOCK) {
      // Names are slices of it.
      this.#take(Buffer.from(chunk.subarray(at, at + BLOCK)));
      return BLOCK;
    }
    const size = Math.min(BLOCK - this.#filled, available);
    chunk.copy(this.#block, this.#filled, at, at + size);
    this.#filled += size;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#take(Buffer.from(this.#block));
    }
    return size;
  }

  #take(block: Buffer): void {
    if (this.#state === 'header') this.#takeHeader(block);
    else if (this.#state === 'old-sparse') this.#takeOldSparse(block);
    else this.#takeContentSparse(block);
  }

  #takeHeader(block: Buffer): void {
    const header = parseHeader(block);
    if (!header) {
      // One block of zeros ends it as well as two.
      this.#state = 'after-end';
      if (this.#hasPax || this.#longName || this.#longLink)
        throw malformed('it ends with an extended header');
      return;
    }
    if (++this.#entries > MAX_ENTRIES) throw refused(`it has more than ${MAX_ENTRIES} entries`);
    switch (header.type) {
      case 'x':
      case 'g':
      case 'L':
      case 'K':
        return this.#startMeta(header);
    }
    if (!Object.hasOwn(ENTRY_TYPES, header.type)) {
      throw refused(`an entry has the type ${JSON.stringify(header.type)}`);
    }
    this.#header = header;
    if (header.type === 'S') {
      if (!header.gnu) throw malformed('a sparse file is not in the format of GNU tar');
      this.#oldSparse = new OldSparseMap(block);
      if (this.#oldSparse.more) {
        this.#state = 'old-sparse';
        return;
      }
    }
    this.#startEntry(header);
  }

  #startMeta(header: RawHeader): void {
    this.#metaBytes += header.size + BLOCK;
    if (this.#metaBytes > MAX_HEADER_BYTES) {
      throw refused(`the extended headers of an entry have more than ${MAX_HEADER_BYTES} bytes`);
    }
    this.#metaType = header.type;
    this.#meta = Buffer.alloc(header.size);
    this.#filled = 0;
    this.#padding = paddingOf(header.size);
    this.#state = 'meta';
    if (header.size === 0) this.#endMeta();
  }

  #fillMeta(chunk: Buffer, at: number): number {
    const size = Math.min(this.#meta.length - this.#filled, chunk.length - at);
    chunk.copy(this.#meta, this.#filled, at, at + size);
    this.#filled += size;
    if (this.#filled === this.#meta.length) this.#endMeta();
    return size;
  }

  #endMeta(): void {
    const bytes = this.#meta;
    this.#filled = 0;
    this.#meta = Buffer.alloc(0);
    this.#state = this.#padding > 0 ? 'padding' : 'header';
    switch (this.#metaType) {
      case 'g':
        // It is no part of the entry that follows, but kept to the end.
        this.#globalBytes += bytes.length;
        if (this.#globalBytes > MAX_HEADER_BYTES) throw refused('its global extended headers are too long');
        this.#metaBytes = 0;
        return readPax(bytes, this.#global, true);
      case 'x':
        this.#hasPax = true;
        return readPax(bytes, this.#pax, false);
      case 'L':
        this.#longName = untilNul(bytes);
        return;
      default:
        this.#longLink = untilNul(bytes);
    }
  }

  #takeOldSparse(block: Buffer): void {
    const map = this.#oldSparse;
    if (!map || !this.#header) return;
    map.add(block);
    if (!map.more) this.#startEntry(this.#header);
  }

  #startEntry(header: RawHeader): void {
    const pax = mergePax(this.#global, this.#pax);
    const type = ENTRY_TYPES[header.type];
    const isLink = type === 'hard-link';
    const size = this.#sizeOf(header, pax);
    this.#paxSparse = type === 'file' && pax.sparse ? parsePaxSparse(pax.sparse) : undefined;
    this.#padding = paddingOf(size);
    if (this.#paxSparse && this.#oldSparse) throw refused('a file has two sparse maps');
    if (this.#paxSparse && !this.#paxSparse.extents) {
      this.#contentSparse = new ContentSparseMap();
      this.#left = size;
      this.#state = 'content-sparse';
      if (size < BLOCK) throw malformed('a sparse file has no map');
      return;
    }
    // Of a hard link the header may say how large the file is; there is no content.
    if (type !== 'file' && !isLink && size !== 0) throw refused('an entry that cannot have content has some');
    if (isLink) this.#padding = 0;
    const map = isLink
      ? wholeFile(0)
      : this.#oldSparse
        ? this.#oldSparse.finish(size)
        : this.#paxSparse?.extents
          ? checkMap({ extents: this.#paxSparse.extents, realSize: this.#paxSparse.realSize }, size)
          : wholeFile(size);
    this.#emit(header, pax, map);
  }

  /** The PAX size is for this entry alone. Where the header could have said the same but did not, readers differ. */
  #sizeOf(header: RawHeader, pax: PaxFields): number {
    if (pax.size === undefined) return header.size;
    if (pax.size !== header.size && header.size !== 0 && pax.size < 8 ** 11)
      throw refused('an entry has two sizes');
    return pax.size;
  }

  #takeContentSparse(block: Buffer): void {
    const sparse = this.#contentSparse;
    if (!sparse || !this.#header || !this.#paxSparse) return;
    this.#left -= BLOCK;
    if (!sparse.add(block)) {
      if (this.#left < BLOCK) throw malformed('a sparse map is cut off');
      return;
    }
    const map = sparse.finish(this.#paxSparse.realSize, this.#left);
    this.#emit(this.#header, mergePax(this.#global, this.#pax), map);
  }

  #emit(header: RawHeader, pax: PaxFields, map: SparseMap): void {
    const sparse = { size: map.realSize, ...(this.#paxSparse?.name ? { name: this.#paxSparse.name } : {}) };
    const entry = makeEntry(header, pax, this.#longName, this.#longLink, sparse);
    // Old archives mark a directory by a slash alone; what would be its content must not be taken for headers.
    if (entry.type !== 'file' && map.extents.length > 0) throw refused('a directory has content');
    this.#forget();
    this.#handler.entry(entry);
    if (entry.type !== 'file') {
      this.#state = this.#padding > 0 ? 'padding' : 'header';
      return;
    }
    this.#extents = map.extents.filter((extent) => extent.length > 0);
    this.#extent = 0;
    this.#inExtent = 0;
    this.#state = 'content';
    if (this.#extents.length === 0) this.#endContent();
  }

  #forget(): void {
    if (this.#hasPax) this.#pax = {};
    this.#hasPax = false;
    this.#longName = this.#longLink = undefined;
    this.#metaBytes = 0;
    this.#header = this.#oldSparse = this.#contentSparse = this.#paxSparse = undefined;
  }

  #content(chunk: Buffer, at: number): number {
    const extent = this.#extents[this.#extent];
    if (!extent) throw malformed('it has more content than it should');
    const size = Math.min(extent.length - this.#inExtent, chunk.length - at);
    this.#handler.data(chunk.subarray(at, at + size), extent.offset + this.#inExtent);
    this.#inExtent += size;
    if (this.#inExtent === extent.length) {
      this.#inExtent = 0;
      if (++this.#extent === this.#extents.length) this.#endContent();
    }
    return size;
  }

  #endContent(): void {
    this.#extents = [];
    this.#state = this.#padding > 0 ? 'padding' : 'header';
    this.#handler.end();
  }
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}
