import type { OciSpec } from './oci-spec.js';

/**
 * Writes a runtime spec as JSON, with exact 64-bit integers (limits of setrlimit(2) and conditions of seccomp pass 2⁵³,
 * where `JSON.stringify` fails or rounds).
 */
export function formatSpec(spec: OciSpec): string {
  try {
    return JSON.stringify(spec);
  } catch {
    return format(spec);
  }
}

function format(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(format).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${format(member)}`).join(',')}}`;
}

/** Parses what {@link formatSpec} wrote. Throws SyntaxError when it is no JSON. */
export function parseSpec(text: string): OciSpec {
  return parseExact(text) as OciSpec;
}

/** JSON.parse, but integers of 16 digits and more become bigints. */
export function parseExact(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as unknown;
  let mark = '@';
  while (text.includes(mark)) mark += '@';
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : `"${mark}${token}"`,
  );
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  ) as unknown;
}
