import { invalid } from './invalid.js';

/** Checks one value; throws ERR_INVALID_OPTION, naming the option by its path. */
export type Check = (value: unknown, name: string) => void;

function expected(name: string, what: string): Error {
  return invalid(name, `option ${name} must be ${what}`);
}

/** Text without NUL, which no system call can take. */
export const text: Check = (value, name) => {
  if (typeof value !== 'string') throw expected(name, 'a string');
  if (value.includes('\0')) throw invalid(name, `option ${name} has a NUL character in it`);
};

/** Text in one line without control characters. */
export const line: Check = (value, name) => {
  text(value, name);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value as string)) {
    throw invalid(name, `option ${name} has a control character in it`);
  }
};

/** Text of which at least one character is there. */
export const filled: Check = (value, name) => {
  text(value, name);
  if (value === '') throw invalid(name, `option ${name} is empty`);
};

/** True or false. */
export const flag: Check = (value, name) => {
  if (typeof value !== 'boolean') throw expected(name, 'true or false');
};

/** A finite number of a range. */
export function number(least: number, most: number): Check {
  return (value, name) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw expected(name, 'a number');
    if (value < least || value > most) throw expected(name, `from ${least} to ${most}`);
  };
}

/** A whole number of a range. */
export function integer(least: number, most: number): Check {
  return (value, name) => {
    number(least, most)(value, name);
    if (!Number.isInteger(value)) throw expected(name, 'a whole number');
  };
}

/** Text that passes a parser, which throws by itself. */
export function parsed(parse: (text: string) => unknown): Check {
  return (value, name) => {
    text(value, name);
    parse(value as string);
  };
}

/** One of some words. */
export function word(...words: string[]): Check {
  return (value, name) => {
    if (typeof value !== 'string' || !words.includes(value)) {
      throw expected(name, words.map((known) => JSON.stringify(known)).join(' or '));
    }
  };
}

/** A list whose items pass a check. */
export function list(item: Check): Check {
  return (value, name) => {
    if (!Array.isArray(value)) throw expected(name, 'a list');
    value.forEach((one: unknown, index) => item(one, `${name}[${index}]`));
  };
}

/** An object whose keys and values pass checks. */
export function map(key: Check, member: Check): Check {
  return (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw expected(name, 'an object');
    for (const [one, content] of Object.entries(value)) {
      key(one, `${name} key`);
      member(content, `${name}.${one}`);
    }
  };
}

/** The first of some checks that passes; the message of the last one when none does. */
export function either(...checks: Check[]): Check {
  return (value, name) => {
    let last: unknown;
    for (const check of checks) {
      try {
        check(value, name);
        return;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };
}

/**
 * Checks all members of an options object, and refuses those that are unknown. Members that are undefined count as absent.
 *
 * @returns a copy with the members that are there
 */
export function checkMembers(what: string, value: unknown, checks: Readonly<Record<string, Check>>): object {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(what, `${what} must be an object`);
  }
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      const near = nearest(name, Object.keys(checks));
      throw invalid(
        name,
        `unknown option ${JSON.stringify(name)} of ${what}`,
        near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`,
      );
    }
    checks[name]?.(member, name);
    copy[name] = member;
  }
  return copy;
}

/** The word that is nearest, when it is near enough to be meant. */
function nearest(name: string, words: readonly string[]): string | undefined {
  if (name.length > 40) return undefined;
  let best: [number, string] | undefined;
  for (const candidate of words) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance <= Math.max(1, Math.floor(candidate.length / 3)) && (!best || distance < best[0])) {
      best = [distance, candidate];
    }
  }
  return best?.[1];
}

/** How many letters have to be put in, taken out or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
