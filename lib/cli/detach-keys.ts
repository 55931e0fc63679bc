import { CommandError } from './errors.js';

/** What detaches from a container, unless told otherwise. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** Reads `ctrl-p,ctrl-q`: characters and `ctrl-` with a letter or one of `@ ^ [ \ ] _`; empty for none. */
export function parseDetachKeys(text: string): number[] {
  if (text === '') return [];
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-z@^[\\\]_])$/.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new CommandError(`invalid detach keys: unknown character '${key}'`);
  });
}

/** Looks for the keys in what is typed, and holds back what may be the start of them. */
export class DetachFilter {
  #matched = 0;

  constructor(private readonly keys: readonly number[]) {}

  /**
   * @param chunk - what was typed
   * @returns what to pass on, and whether the keys were complete: what comes after them is dropped
   */
  push(chunk: Uint8Array): { pass: Buffer; detached: boolean } {
    if (this.keys.length === 0) return { pass: Buffer.from(chunk), detached: false };
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.keys.length) return { pass: Buffer.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#release(byte));
    }
    return { pass: Buffer.from(pass), detached: false };
  }

  /** What is still held back when the input ends. */
  end(): Buffer {
    const rest = Buffer.from(this.keys.slice(0, this.#matched));
    this.#matched = 0;
    return rest;
  }

  /** A byte that does not go on with the keys: lets go of what cannot be their start any more. */
  #release(byte: number): number[] {
    const held = [...this.keys.slice(0, this.#matched), byte];
    for (let from = 1; from <= held.length; from++) {
      const tail = held.slice(from);
      if (tail.every((value, i) => value === this.keys[i])) {
        this.#matched = tail.length;
        return held.slice(0, from);
      }
    }
    this.#matched = 0;
    return held;
  }
}
