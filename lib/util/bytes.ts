const UNITS: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * Parses a size as the peers write it: a number, with an optional unit b, k, m, g, t or p (powers of 1024, in either
 * case, also spelt `kb` or `KiB`), e.g. `512m`, `1.5g`, `65536`.
 *
 * @returns bytes as a safe integer, or undefined when the text is no size
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,16})(\.\d{1,9})? ?([bkmgtp])?(i?b)?$/i.exec(text);
  if (!match) return undefined;
  const [, whole = '', fraction = '', unit = 'b', suffix] = match;
  if (suffix !== undefined && (match[3] === undefined || unit.toLowerCase() === 'b')) return undefined;
  const scale = 1024 ** (UNITS[unit.toLowerCase()] ?? 0);
  const bytes = Number(whole) * scale + Math.floor(Number(`0${fraction}`) * scale);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
