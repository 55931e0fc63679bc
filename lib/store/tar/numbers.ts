import { malformed } from './malformed.js';

const SPACE = 0x20;

/**
 * A number of a header: octal digits between spaces or NULs, or, with the first bit set, binary (base 256).
 *
 * @throws VainaError `ERR_INVALID_LAYER` when it is none, negative, or larger than 2⁵³-1
 */
export function parseNumber(block: Buffer, at: number, size: number, what: string): number {
  const value = parseSigned(block, at, size, what);
  if (value < 0) throw malformed(`a header has a negative ${what}`);
  return value;
}

/** As {@link parseNumber}, but it may be negative. */
export function parseSigned(block: Buffer, at: number, size: number, what: string): number {
  const first = block[at] as number;
  if (first & 0x80) return parseBinary(block, at, size, what);
  let i = at;
  const end = at + size;
  while (i < end && (block[i] === SPACE || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (block[i] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // After the digits comes padding, and after a NUL nothing that counts.
  for (; i < end && block[i] !== 0; i++) {
    if (block[i] !== SPACE) throw malformed(`the ${what} of a header is not a number`);
  }
  return value;
}

function parseBinary(block: Buffer, at: number, size: number, what: string): number {
  const negative = ((block[at] as number) & 0x40) !== 0;
  let value = 0n;
  for (let i = at; i < at + size; i++) {
    const byte = i === at ? (block[i] as number) & 0x7f : (block[i] as number);
    value = (value << 8n) | BigInt(byte);
  }
  if (negative) value -= 1n << BigInt(size * 8 - 1);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw malformed(`the ${what} of a header is out of range`);
  return number;
}

/**
 * Decimal digits, and nothing else, up to 2⁵³-1.
 *
 * @throws VainaError `ERR_INVALID_LAYER`
 */
export function parseDecimal(text: string, what: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value))
    throw malformed(`the ${what} of an extended header is not a number in range`);
  return value;
}

/** A time: seconds since the epoch, with up to nine digits of a fraction that count. */
export interface Time {
  seconds: number;
  /** 0 to 999,999,999. */
  nanoseconds: number;
}

/**
 * A time of an extended header, such as `1700000000.25` or `-0.5`.
 *
 * @throws VainaError `ERR_INVALID_LAYER`
 */
export function parseTime(text: string, what: string): Time {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (!match) throw malformed(`the ${what} of an extended header is not a time`);
  const [, sign, whole = '0', fraction = ''] = match;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  const seconds = Number(whole);
  if (sign === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
