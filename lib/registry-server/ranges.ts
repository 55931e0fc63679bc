/** Bytes from `start` to `end`, both of them among it. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The one range that a request wants (RFC 9110 §14.2).
 *
 * @param header - the value of `Range`
 * @param size - of the whole, in bytes
 * @returns undefined for the whole: no header, several ranges, or another unit; `unsatisfiable` for what is not there,
 * or whose end is before its start
 */
export function wantedRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i.exec(header ?? '');
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start >= size || end < start ? 'unsatisfiable' : { start, end };
}

/**
 * The place of a chunk in an upload: `Content-Range` as distribution-spec 1.1 has it, without a unit.
 *
 * @returns undefined when it is malformed
 */
export function chunkRange(header: string): ByteRange | undefined {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(header);
  if (!match) return undefined;
  const range = { start: Number(match[1]), end: Number(match[2]) };
  return range.end < range.start ? undefined : range;
}
