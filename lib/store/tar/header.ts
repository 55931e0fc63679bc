import { BLOCK } from '../../oci/tar-header.js';
import { malformed } from './malformed.js';
import { parseNumber, parseSigned } from './numbers.js';

/** What one header block says, before extended headers are taken into account. Names are slices of the block. */
export interface RawHeader {
  name: Buffer;
  linkName: Buffer;
  /** The type flag's character. */
  type: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  major: number;
  minor: number;
  /** Whether it is in GNU's old format, where other fields follow. */
  gnu: boolean;
}

/**
 * Reads a header block.
 *
 * @param block - 512 bytes, which must stay as they are while the result is used
 * @returns undefined for a block of zeros, which ends an archive
 * @throws VainaError `ERR_INVALID_LAYER`
 */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (!checkSum(block)) return undefined;
  const magic = block.toString('latin1', 257, 265);
  const ustar = magic.startsWith('ustar\0');
  const gnu = magic === 'ustar  \0';
  const type = block[156] === 0 ? '\0' : String.fromCharCode(block[156] as number);
  const isDevice = type === '3' || type === '4';
  return {
    name: withPrefix(block, ustar),
    linkName: text(block, 157, 100),
    type,
    mode: parseNumber(block, 100, 8, 'mode'),
    uid: parseNumber(block, 108, 8, 'uid'),
    gid: parseNumber(block, 116, 8, 'gid'),
    size: parseNumber(block, 124, 12, 'size'),
    mtime: parseSigned(block, 136, 12, 'mtime'),
    // Before ustar there were other things in their place.
    major: isDevice && (ustar || gnu) ? parseNumber(block, 329, 8, 'major') : 0,
    minor: isDevice && (ustar || gnu) ? parseNumber(block, 337, 8, 'minor') : 0,
    gnu,
  };
}

/** False for a block of zeros. Old programs summed signed characters; both sums are known to be used. */
function checkSum(block: Buffer): boolean {
  let sum = 0;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = block[i] as number;
    sum += byte;
    high += byte >> 7;
  }
  if (sum === 0) return false;
  let own = 0;
  let ownHigh = 0;
  for (let i = 148; i < 156; i++) {
    own += block[i] as number;
    ownHigh += (block[i] as number) >> 7;
  }
  const expected = parseNumber(block, 148, 8, 'checksum');
  const unsigned = sum - own + 8 * 32;
  if (expected !== unsigned && expected !== unsigned - 256 * (high - ownHigh)) {
    throw malformed('a header has a wrong checksum');
  }
  return true;
}

function withPrefix(block: Buffer, ustar: boolean): Buffer {
  const name = text(block, 0, 100);
  if (!ustar || block[345] === 0) return name;
  // Schilling's star keeps times at the end of the prefix.
  const star = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = text(block, 345, star ? 131 : 155);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

/** A field that ends at its first NUL, or is full. */
function text(block: Buffer, at: number, size: number): Buffer {
  const end = block.indexOf(0, at);
  return block.subarray(at, end === -1 || end > at + size ? at + size : end);
}
