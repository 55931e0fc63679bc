import { printf } from './printf.js';
import { GoTime, isStruct, json, text, truth, typeName, type Value } from './values.js';

/** A function of templates: Go's built-in ones and those that podman adds. */
export interface TemplateFunction {
  /** Fewest arguments. */
  min: number;
  /** Most arguments. */
  max: number;
  call: (args: readonly Value[]) => Value;
}

const entry = (min: number, max: number, call: (args: readonly Value[]) => Value): TemplateFunction => ({
  min,
  max,
  call,
});

/** `and` and `or` are here for their names; the interpreter evaluates them, since they stop early. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ['and', entry(1, Infinity, (args) => args.find((arg) => !truth(arg)) ?? args.at(-1))],
  ['or', entry(1, Infinity, (args) => args.find((arg) => truth(arg)) ?? args.at(-1))],
  ['not', entry(1, 1, ([arg]) => !truth(arg))],
  ['len', entry(1, 1, ([arg]) => length(arg))],
  ['index', entry(1, Infinity, ([item, ...keys]) => keys.reduce(index, item))],
  ['slice', entry(1, 4, ([item, ...bounds]) => slice(item, bounds))],
  ['eq', entry(2, Infinity, ([first, ...others]) => others.some((other) => equal(first, other)))],
  ['ne', entry(2, 2, ([a, b]) => !equal(a, b))],
  ['lt', entry(2, 2, ([a, b]) => compare(a, b) < 0)],
  ['le', entry(2, 2, ([a, b]) => compare(a, b) <= 0)],
  ['gt', entry(2, 2, ([a, b]) => compare(a, b) > 0)],
  ['ge', entry(2, 2, ([a, b]) => compare(a, b) >= 0)],
  ['print', entry(0, Infinity, (args) => print(args))],
  ['printf', entry(1, Infinity, ([format, ...args]) => printf(string(format), args))],
  ['println', entry(0, Infinity, (args) => `${args.map((arg) => text(arg ?? null)).join(' ')}\n`)],
  ['json', entry(1, 1, ([arg]) => json(arg))],
  [
    'join',
    entry(2, 2, ([list, separator]) =>
      array(list)
        .map((item) => text(item))
        .join(string(separator)),
    ),
  ],
  ['split', entry(2, 2, ([whole, separator]) => split(string(whole), string(separator)))],
  ['lower', entry(1, 1, ([arg]) => string(arg).toLowerCase())],
  ['upper', entry(1, 1, ([arg]) => string(arg).toUpperCase())],
  ['title', entry(1, 1, ([arg]) => title(string(arg)))],
  [
    'truncate',
    entry(2, 2, ([arg, length]) => [...string(arg)].slice(0, Math.max(0, integer(length))).join('')),
  ],
  ['pad', entry(3, 3, ([arg, before, after]) => pad(string(arg), integer(before), integer(after)))],
]);

function string(value: Value): string {
  if (typeof value !== 'string')
    throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}

function array(value: Value): readonly Value[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value))
    throw new Error(`wrong type for value; expected []string; got ${typeName(value)}`);
  return value;
}

/** Padding and lengths beyond this have no use but to fill the memory. */
const MAX_WIDTH = 1_000_000;

function integer(value: Value): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new Error(`wrong type for value; expected int; got ${typeName(value)}`);
  }
  return Math.min(value, MAX_WIDTH);
}

function pad(value: string, before: number, after: number): string {
  return value === '' ? value : `${' '.repeat(Math.max(0, before))}${value}${' '.repeat(Math.max(0, after))}`;
}

function split(whole: string, separator: string): string[] {
  return separator === '' ? [...whole] : whole.split(separator);
}

function title(value: string): string {
  return value.replace(
    /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

function length(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  throw new Error(
    `error calling len: len of ${value === null || value === undefined ? 'nil pointer' : `type ${typeName(value)}`}`,
  );
}

function index(item: Value, key: Value): Value {
  if (item === null || item === undefined) throw new Error('error calling index: index of untyped nil');
  if (item instanceof Map) return item.get(key) as Value;
  if (typeof item !== 'string' && !Array.isArray(item)) {
    throw new Error(`error calling index: can't index item of type ${typeName(item)}`);
  }
  if (typeof key !== 'number' || !Number.isInteger(key)) {
    throw new Error(`error calling index: cannot index slice/array with type ${typeName(key)}`);
  }
  const bytes = typeof item === 'string' ? Buffer.from(item) : item;
  if (key < 0 || key >= bytes.length) throw new Error(`error calling index: index out of range: ${key}`);
  return bytes[key];
}

function slice(item: Value, bounds: readonly Value[]): Value {
  if (typeof item !== 'string' && !Array.isArray(item)) {
    throw new Error(`error calling slice: can't slice item of type ${typeName(item)}`);
  }
  const bytes = typeof item === 'string' ? Buffer.from(item) : item;
  const [from = 0, to = bytes.length] = bounds.map(integer);
  if (from < 0 || to > bytes.length || from > to) {
    throw new Error(`error calling slice: index out of range: ${from < 0 || from > to ? from : to}`);
  }
  return Buffer.isBuffer(bytes) ? bytes.subarray(from, to).toString() : bytes.slice(from, to);
}

function print(args: readonly Value[]): string {
  // Go puts a space between operands when neither is a string.
  return args
    .map(
      (arg, i) =>
        (i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string' ? ' ' : '') + text(arg ?? null),
    )
    .join('');
}

function basic(value: Value): string | number | bigint | boolean | null {
  if (value === undefined || value === null) return null;
  if (value instanceof GoTime) return value.text;
  if (value instanceof Date) return value.getTime();
  if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol') {
    const message =
      isStruct(value) || typeof value === 'function'
        ? 'non-comparable type'
        : `non-comparable type ${typeName(value)}`;
    throw new Error(`error calling eq: ${message}`);
  }
  return value as string | number | bigint | boolean;
}

function equal(a: Value, b: Value): boolean {
  const [left, right] = [basic(a), basic(b)];
  if (left === null || right === null) return left === right;
  if (typeof left !== typeof right) throw new Error('error calling eq: incompatible types for comparison');
  return left === right;
}

function compare(a: Value, b: Value): number {
  const [left, right] = [basic(a), basic(b)];
  if (left === null || right === null || typeof left === 'boolean' || typeof right === 'boolean') {
    throw new Error('error calling lt: invalid type for comparison');
  }
  if (typeof left !== typeof right) throw new Error('error calling lt: incompatible types for comparison');
  return left < right ? -1 : left > right ? 1 : 0;
}
