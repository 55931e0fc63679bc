import { BLOCK } from '../../oci/tar-header.js';
import { MAX_HEADER_BYTES } from './limits.js';
import { malformed } from './malformed.js';
import { parseDecimal, parseNumber } from './numbers.js';

/** A part of a sparse file that has content, in bytes. */
export interface Extent {
  offset: number;
  length: number;
}

/** Where the content of a sparse file belongs. */
export interface SparseMap {
  extents: Extent[];
  /** The size of the file with its holes. */
  realSize: number;
}

/** How many extents there may be: as many as fit into the extended headers of one entry. */
const MAX_EXTENTS = MAX_HEADER_BYTES / 24;

/** A map of GNU's old format: four places in the header, 21 more in each block that follows. */
export class OldSparseMap {
  readonly #map: SparseMap;
  #bytes = BLOCK;
  /** Whether another block of the map follows. */
  more: boolean;

  constructor(header: Buffer) {
    this.#map = { extents: [], realSize: parseNumber(header, 483, 12, 'real size') };
    this.more = this.#read(header, 386, 4) && header[482] !== 0;
  }

  /** Takes the next block of the map. */
  add(block: Buffer): void {
    this.#bytes += BLOCK;
    if (this.#bytes > MAX_HEADER_BYTES) throw malformed('a sparse map is too long');
    this.more = this.#read(block, 0, 21) && block[504] !== 0;
  }

  /** The whole map, checked. */
  finish(stored: number): SparseMap {
    return checkMap(this.#map, stored);
  }

  #read(block: Buffer, at: number, count: number): boolean {
    for (let i = 0; i < count; i++, at += 24) {
      // An unused place is empty; the places after it are as well.
      if (block[at] === 0) return block[at === 0 ? 504 : 482] !== 0;
      const offset = parseNumber(block, at, 12, 'sparse offset');
      this.#map.extents.push({ offset, length: parseNumber(block, at + 12, 12, 'sparse length') });
    }
    return true;
  }
}

/** What the records of PAX sparse files (formats 0.0, 0.1, 1.0) say. */
export interface PaxSparse {
  /** Replaces the path, which is one for programs that do not know the format. */
  name?: Buffer;
  realSize: number;
  /** Absent with format 1.0: the map is at the start of the content. */
  extents?: Extent[];
}

/** Reads `GNU.sparse.*` records; undefined when there are none that matter. */
export function parsePaxSparse(records: readonly [string, string][]): PaxSparse | undefined {
  const last = new Map(records);
  const major = last.get('major');
  const minor = last.get('minor');
  const name = last.get('name');
  const size = last.get('realsize') ?? last.get('size');
  const known = (major === '1' && minor === '0') || major === undefined || major === '0';
  if (!known) throw malformed(`sparse files of format ${major}.${minor ?? ''} are not known`);
  const inContent = major === '1';
  if (!inContent && !last.has('map') && !last.has('offset') && !last.has('numblocks')) return undefined;
  if (size === undefined) throw malformed('a sparse file has no size');
  const sparse: PaxSparse = { realSize: parseDecimal(size, 'sparse size') };
  if (name !== undefined) {
    if (name === '' || name.includes('\0')) throw malformed('a sparse file has a wrong name');
    sparse.name = Buffer.from(name, 'latin1');
  }
  if (inContent) return sparse;
  const map = last.get('map');
  const numbers =
    map === undefined
      ? records.filter(([key]) => key === 'offset' || key === 'numbytes').map(([, value]) => value)
      : map === ''
        ? []
        : map.split(',');
  const order = records.filter(([key]) => key === 'offset' || key === 'numbytes').map(([key]) => key);
  if (map === undefined && order.some((key, i) => key !== (i % 2 === 0 ? 'offset' : 'numbytes'))) {
    throw malformed('a sparse map is out of order');
  }
  sparse.extents = pairs(numbers);
  const count = last.get('numblocks');
  if (count !== undefined && parseDecimal(count, 'number of sparse blocks') !== sparse.extents.length) {
    throw malformed('a sparse map has a wrong number of blocks');
  }
  return sparse;
}

function pairs(numbers: readonly string[]): Extent[] {
  if (numbers.length % 2 !== 0 || numbers.length / 2 > MAX_EXTENTS)
    throw malformed('a sparse map has a wrong length');
  const extents: Extent[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    extents.push({
      offset: parseDecimal(numbers[i] ?? '', 'sparse offset'),
      length: parseDecimal(numbers[i + 1] ?? '', 'sparse length'),
    });
  }
  return extents;
}

/** Reads the map of format 1.0, which comes in front of the content: decimal lines, filled up to a whole block. */
export class ContentSparseMap {
  #text = '';
  #wanted: number | undefined;
  #lines: string[] = [];
  bytes = 0;

  /** Takes a block; true when the map is complete. */
  add(block: Buffer): boolean {
    this.bytes += block.length;
    if (this.bytes > MAX_HEADER_BYTES) throw malformed('a sparse map is too long');
    const parts = (this.#text + block.toString('latin1')).split('\n');
    this.#text = parts.pop() ?? '';
    if (this.#text.length > BLOCK && (this.#wanted === undefined || this.#lines.length < this.#wanted)) {
      throw malformed('a sparse map is not made of lines');
    }
    for (const line of parts) {
      if (this.#wanted === undefined) {
        const count = parseDecimal(line, 'number of sparse blocks');
        if (count > MAX_EXTENTS) throw malformed('a sparse map is too long');
        this.#wanted = 2 * count;
      } else if (this.#lines.length < this.#wanted) {
        this.#lines.push(line);
      }
    }
    return this.#wanted !== undefined && this.#lines.length === this.#wanted;
  }

  /** The whole map, checked. */
  finish(realSize: number, stored: number): SparseMap {
    return checkMap({ extents: pairs(this.#lines), realSize }, stored);
  }
}

/** Refuses a map that is out of order, leaves the file, or does not fit the content. */
export function checkMap(map: SparseMap, stored: number): SparseMap {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of map.extents) {
    if (offset < end || length > map.realSize - offset)
      throw malformed('a sparse map overlaps or leaves its file');
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw malformed('a sparse map does not fit the content');
  return map;
}
