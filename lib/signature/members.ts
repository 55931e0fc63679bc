import { VainaError } from '../errors.js';
import type { JsonObject } from '../util/strict-json.js';
import { quote } from '../util/text.js';

/**
 * Readers of documents in which nothing may be left over: policy.json, and what signatures sign. A member that nobody
 * knows is refused, because to pass over it is to guess what it would have forbidden. `where` is the path of a value,
 * for messages; `fail` makes the error.
 */
export type Fail = (message: string) => VainaError;

/** The value, which must be an object with no member but `known`. */
export function exactObject(value: unknown, known: readonly string[], where: string, fail: Fail): JsonObject {
  const object = anyObject(value, where, fail);
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw fail(`${where} has the unknown member ${quote(key)}`);
  }
  return object;
}

/** The value, which must be an object. */
export function anyObject(value: unknown, where: string, fail: Fail): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail(`${where} must be an object`);
  }
  return value as JsonObject;
}

/** A member that must be there; never one that is inherited. */
export function required(object: JsonObject, name: string, where: string, fail: Fail): unknown {
  if (!Object.hasOwn(object, name)) throw fail(`${where} has no ${name}`);
  return object[name];
}

/** The value, which must be a string that is not empty. */
export function filledString(value: unknown, where: string, fail: Fail): string {
  if (typeof value !== 'string' || value === '') throw fail(`${where} must be a string that is not empty`);
  return value;
}

/** The value, which must be a list that is not empty. */
export function filledList(value: unknown, where: string, fail: Fail): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw fail(`${where} must be a list that is not empty`);
  return value as unknown[];
}

/** The value, which must be base64 of at least one byte; it stays text. */
export function base64(value: unknown, where: string, fail: Fail): string {
  const text = filledString(value, where, fail);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw fail(`${where} is not base64`);
  }
  return text;
}
