import { json, text, typeName, type Value } from './values.js';

const VERB = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z%])?/g;
/** Wider output has no use but to fill the memory. */
const MAX_WIDTH = 10_000;

/** Go's `fmt.Sprintf`, for the verbs that make sense for text, numbers and lists. */
export function printf(format: string, args: readonly Value[]): string {
  let used = 0;
  const next = (): Value => (used < args.length ? args[used++] : MISSING);
  const size = (given: string | undefined): number | undefined => {
    if (given === undefined) return undefined;
    const value = given === '*' ? Number(next()) : Number(given);
    return Number.isInteger(value) ? Math.min(value, MAX_WIDTH) : undefined;
  };
  const out = format.replace(
    VERB,
    (whole, flags: string, width?: string, precision?: string, verb?: string) => {
      if (verb === undefined) return '%!(NOVERB)';
      if (verb === '%') return '%';
      const wide = size(width);
      const exact = size(precision) ?? (whole.includes('.') ? 0 : undefined);
      const arg = next();
      if (arg === MISSING) return `%!${verb}(MISSING)`;
      const left = flags.includes('-') || (wide !== undefined && wide < 0);
      const shown = show(verb, flags, exact, arg);
      return fill(shown, Math.abs(wide ?? 0), left, flags.includes('0') && typeof arg === 'number');
    },
  );
  const extra = args.slice(used).map((arg) => `${typeName(arg)}=${text(arg ?? null)}`);
  return extra.length === 0 ? out : `${out}%!(EXTRA ${extra.join(', ')})`;
}

const MISSING = Symbol('missing');

function fill(shown: string, width: number, left: boolean, zeros: boolean): string {
  const missing = width - [...shown].length;
  if (missing <= 0) return shown;
  if (left) return shown + ' '.repeat(missing);
  if (!zeros) return ' '.repeat(missing) + shown;
  const sign = /^[+-]/.test(shown) ? shown[0]! : '';
  return sign + '0'.repeat(missing) + shown.slice(sign.length);
}

function show(verb: string, flags: string, precision: number | undefined, arg: Value): string {
  const bad = (): string => `%!${verb}(${typeName(arg)}=${text(arg ?? null)})`;
  switch (verb) {
    case 'v':
      return typeof arg === 'number' ? signed(text(arg), arg, flags) : text(arg ?? null);
    case 's':
      if (typeof arg === 'number' || typeof arg === 'boolean' || arg === null || arg === undefined)
        return bad();
      return precision === undefined ? text(arg) : [...text(arg)].slice(0, precision).join('');
    case 'q':
      if (typeof arg === 'string') return json(arg);
      return Array.isArray(arg) ? `[${arg.map((item) => json(text(item))).join(' ')}]` : bad();
    case 't':
      return typeof arg === 'boolean' ? String(arg) : bad();
    case 'T':
      return typeName(arg);
    case 'd':
    case 'b':
    case 'o':
    case 'c':
      return typeof arg === 'number' && Number.isInteger(arg) ? integer(verb, flags, arg) : bad();
    case 'x':
    case 'X':
      return hex(verb, flags, arg) ?? bad();
    case 'f':
    case 'F':
    case 'e':
    case 'g':
      return typeof arg === 'number' ? signed(float(verb, precision, arg), arg, flags) : bad();
    default:
      return bad();
  }
}

function signed(shown: string, value: number, flags: string): string {
  if (value < 0 || shown.startsWith('+')) return shown;
  if (flags.includes('+')) return `+${shown}`;
  return flags.includes(' ') ? ` ${shown}` : shown;
}

function integer(verb: string, flags: string, value: number): string {
  if (verb === 'c') return value >= 0 && value <= 0x10ffff ? String.fromCodePoint(value) : '\ufffd';
  const base = { d: 10, b: 2, o: 8 }[verb] ?? 10;
  return signed(value.toString(base), value, flags);
}

function hex(verb: string, flags: string, arg: Value): string | undefined {
  let shown: string;
  if (typeof arg === 'string') shown = Buffer.from(arg).toString('hex');
  else if (typeof arg === 'number' && Number.isInteger(arg)) shown = arg.toString(16);
  else return undefined;
  if (flags.includes('#')) shown = shown.startsWith('-') ? `-0x${shown.slice(1)}` : `0x${shown}`;
  return verb === 'X' ? shown.toUpperCase() : shown;
}

function float(verb: string, precision: number | undefined, value: number): string {
  if (!Number.isFinite(value)) return text(value);
  if (verb === 'g')
    return precision === undefined ? String(value) : String(Number(value.toPrecision(clamp(precision, 1))));
  if (verb !== 'e') return value.toFixed(clamp(precision ?? 6, 0));
  return value.toExponential(clamp(precision ?? 6, 0)).replace(/e([+-])(\d)$/, 'e$10$2');
}

function clamp(digits: number, least: number): number {
  return Math.min(Math.max(digits, least), 100);
}
