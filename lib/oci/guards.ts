import { VainaError } from '../errors.js';
import { parseStrictJson, type JsonObject } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import { MAX_ENTRIES } from './limits.js';

/**
 * Reads members of a JSON document that came from outside. A member that is `null` counts as missing, as it does for
 * the programs that write them. `where` is the path of the member, for messages.
 */

/** Refuses the document. */
export function malformed(where: string, why: string): VainaError {
  return new VainaError('ERR_INVALID_IMAGE', `${where} ${why}`);
}

/** Parses a document that must be a JSON object, within a size. */
export function parseObject(bytes: Uint8Array, limit: number, where: string): JsonObject {
  if (bytes.length > limit) throw malformed(where, `is larger than ${limit} bytes`);
  return asObject(parseStrictJson(bytes, where, 'ERR_INVALID_IMAGE'), where);
}

/** The value, which must be an object. */
export function asObject(value: unknown, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(where, 'must be an object');
  return value as JsonObject;
}

/** A member that may be missing; never one that is inherited. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

/** A string member that must be there. */
export function stringAt(object: JsonObject, name: string, where: string): string {
  const value = optionalString(object, name, where);
  if (value === undefined) throw malformed(where, `has no ${name}`);
  return value;
}

/** A string member that may be missing. */
export function optionalString(object: JsonObject, name: string, where: string): string | undefined {
  const value = member(object, name);
  if (value === undefined || typeof value === 'string') return value;
  throw malformed(`${where}.${name}`, 'must be a string');
}

/** An array member that must be there, with at most `limit` elements. */
export function arrayAt(object: JsonObject, name: string, limit: number, where: string): unknown[] {
  const value = member(object, name);
  if (value === undefined) throw malformed(where, `has no ${name}`);
  if (!Array.isArray(value)) throw malformed(`${where}.${name}`, 'must be an array');
  if (value.length > limit) throw malformed(`${where}.${name}`, `has more than ${limit} elements`);
  return value as unknown[];
}

/** An array of strings that may be missing. */
export function optionalStrings(object: JsonObject, name: string, where: string): string[] | undefined {
  if (member(object, name) === undefined) return undefined;
  return arrayAt(object, name, MAX_ENTRIES, where).map((value, index) => {
    if (typeof value !== 'string') throw malformed(`${where}.${name}[${index}]`, 'must be a string');
    return value;
  });
}

/**
 * A map that may be missing, as an object without a prototype: its keys are somebody else's words, and `constructor`
 * is one of them.
 */
export function optionalMap<T>(
  object: JsonObject,
  name: string,
  where: string,
  read: (value: unknown, where: string) => T,
): Record<string, T> | undefined {
  const value = member(object, name);
  if (value === undefined) return undefined;
  const entries = Object.entries(asObject(value, `${where}.${name}`));
  if (entries.length > MAX_ENTRIES)
    throw malformed(`${where}.${name}`, `has more than ${MAX_ENTRIES} members`);
  const map = Object.create(null) as Record<string, T>;
  for (const [key, entry] of entries) map[key] = read(entry, `${where}.${name}[${quote(key)}]`);
  return map;
}

/** Reads a string in an {@link optionalMap}; null counts as empty. */
export function readString(value: unknown, where: string): string {
  if (value === null) return '';
  if (typeof value !== 'string') throw malformed(where, 'must be a string');
  return value;
}

/** Reads an object in an {@link optionalMap}; null counts as empty. */
export function readObject(value: unknown, where: string): object {
  return value === null ? {} : asObject(value, where);
}

/** Refuses members that differ from a known one only in case: some readers take them for the known one. */
export function refuseCaseVariants(object: JsonObject, known: readonly string[], where: string): void {
  const lower = new Map(known.map((name) => [name.toLowerCase(), name]));
  for (const key of Object.keys(object)) {
    const name = lower.get(key.toLowerCase());
    if (name !== undefined && name !== key)
      throw malformed(where, `has the member ${quote(key)} in place of ${name}`);
  }
}
