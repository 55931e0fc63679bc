/**
 * The values of a template, and how Go prints them. A plain object stands for a Go struct, whose fields are known and
 * in order; a Map for a Go map, whose keys are not; a function for a method.
 */
export type Value = unknown;

/** A time as RFC 3339 text with its nanoseconds: prints as Go's `time.Time` does. */
export class GoTime {
  constructor(readonly text: string) {}

  toString(): string {
    const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|([+-])(\d\d):(\d\d))$/.exec(this.text);
    if (!match) return this.text;
    const [, day, time, fraction = '', zone, sign = '', hours = '', minutes = ''] = match;
    const shown = fraction.replace(/\.?0+$/, '');
    const offset = zone === 'Z' ? '+0000 UTC' : `${sign}${hours}${minutes} ${sign}${hours}${minutes}`;
    return `${day} ${time}${shown} ${offset}`;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Whether a value is what Go would have as a struct. */
export function isStruct(value: Value): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return (
    !Array.isArray(value) && !(value instanceof Map) && !(value instanceof GoTime) && !(value instanceof Date)
  );
}

/** Go's truth: what is not the zero value of its type. */
export function truth(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return Boolean(value);
}

/** Keys as Go ranges over and prints them. */
export function sortedKeys(map: ReadonlyMap<unknown, unknown>): unknown[] {
  return [...map.keys()].sort((a, b) => (String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0));
}

/** What `%v` prints. */
export function text(value: Value, depth = 0): string {
  if (value === undefined) return '<no value>';
  if (value === null) return '<nil>';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return new GoTime(value.toISOString()).toString();
  if (value instanceof GoTime) return value.toString();
  if (typeof value !== 'object') return scalar(value);
  if (depth > 100) return '...';
  const inner = (item: Value): string => (item === undefined ? '<nil>' : text(item, depth + 1));
  if (Array.isArray(value)) return `[${value.map(inner).join(' ')}]`;
  if (value instanceof Map) {
    return `map[${sortedKeys(value)
      .map((key) => `${inner(key)}:${inner(value.get(key))}`)
      .join(' ')}]`;
  }
  return `{${Object.values(value)
    .filter((item) => typeof item !== 'function')
    .map(inner)
    .join(' ')}}`;
}

function scalar(value: Value): string {
  if (typeof value === 'number') {
    if (value === Infinity) return '+Inf';
    return value === -Infinity ? '-Inf' : String(value);
  }
  return typeof value === 'function' ? '<func>' : String(value);
}

/** What Go's encoding/json makes of a value, without escaping for HTML. */
export function json(value: Value, indent?: number): string {
  const known = (key: string, item: Value): Value => {
    if (item instanceof Map)
      return Object.fromEntries(sortedKeys(item).map((name) => [String(name), item.get(name)]));
    if (typeof item === 'bigint') return Number(item);
    return item;
  };
  return JSON.stringify(value ?? null, known, indent);
}

/** The Go name of a value's type, for messages. */
export function typeName(value: Value): string {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return 'slice';
  if (value instanceof Map) return 'map';
  if (value instanceof Date || value instanceof GoTime) return 'time.Time';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'object' ? 'struct' : typeof value;
}
