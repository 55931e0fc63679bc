import { VainaError, type ErrorCode } from '../errors.js';

/** A JSON object as it was parsed: nothing is known of its members. */
export type JsonObject = Record<string, unknown>;

/** Deepest nesting that {@link parseStrictJson} takes. */
export const MAX_JSON_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/**
 * Parses JSON that somebody else wrote. Beyond `JSON.parse` it refuses what two parsers may read differently: bytes
 * that are not UTF-8, and an object with the same member twice; and what costs more than it tells: nesting deeper
 * than {@link MAX_JSON_DEPTH}.
 *
 * @param what - names the document in messages
 * @param code - the code of the error
 */
export function parseStrictJson(bytes: Uint8Array, what: string, code: ErrorCode): unknown {
  let text: string;
  let value: unknown;
  try {
    // ignoreBOM keeps a byte order mark in the text, where JSON.parse refuses it.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new VainaError(code, `${what} is not valid JSON`);
  }
  refuseAmbiguity(text, what, code);
  return value;
}

/** One pass over text that is known to be JSON: counts the depth and remembers the members of each open object. */
function refuseAmbiguity(text: string, what: string, code: ErrorCode): void {
  const open: (Set<string> | undefined)[] = [];
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (open.length === MAX_JSON_DEPTH) throw new VainaError(code, `${what} is nested too deeply`);
        expectKey = text.charCodeAt(i) === OPEN_OBJECT;
        open.push(expectKey ? new Set() : undefined);
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        open.pop();
        expectKey = false;
        break;
      case COMMA:
        expectKey = open.at(-1) !== undefined;
        break;
      case QUOTE: {
        const end = endOfString(text, i);
        if (expectKey) {
          const key = JSON.parse(text.slice(i, end + 1)) as string;
          const members = open.at(-1);
          if (members?.has(key)) {
            throw new VainaError(code, `${what} has the member ${JSON.stringify(key.slice(0, 80))} twice`);
          }
          members?.add(key);
          expectKey = false;
        }
        i = end;
        break;
      }
    }
  }
}

/** The quote that ends a string: the first one that no odd number of backslashes comes before. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; ; i++) {
    i = text.indexOf('"', i);
    let before = i;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((i - before) % 2 === 0) return i;
  }
}
