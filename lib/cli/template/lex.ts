import { parseError, type Position } from './error.js';

/** A piece of a template. */
export type Token =
  | { kind: 'text'; text: string; at: Position }
  | { kind: 'open' | 'close' | 'end'; text: string; at: Position }
  | { kind: 'string' | 'field' | 'variable' | 'identifier' | 'punctuation'; text: string; at: Position }
  | { kind: 'number'; text: string; value: number; at: Position }
  | { kind: 'space'; text: string; at: Position };

const SPACE = /[ \t\r\n]/;
const WORD = /[\p{L}\p{Nd}_]/u;
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][+-]?[0-9]+)?)/y;

/** Cuts a template into tokens: text outside of `{{ }}`, words within. Takes time linear in the text. */
export function lex(name: string, source: string): Token[] {
  return new Lexer(name, source).run();
}

class Lexer {
  readonly #tokens: Token[] = [];
  #index = 0;
  #line = 1;
  #lineStart = 0;
  #lineEnd: number;

  constructor(
    private readonly name: string,
    private readonly source: string,
  ) {
    this.#lineEnd = source.indexOf('\n');
  }

  run(): Token[] {
    let trimNext = false;
    while (this.#index < this.source.length) {
      const open = this.source.indexOf('{{', this.#index);
      const end = open === -1 ? this.source.length : open;
      const trimHere = open !== -1 && this.#isTrimOpen(open);
      this.#text(end, trimNext, trimHere);
      if (open === -1) break;
      trimNext = this.#action(open, trimHere);
    }
    this.#push('end', '');
    return this.#tokens;
  }

  #isTrimOpen(open: number): boolean {
    return this.source[open + 2] === '-' && SPACE.test(this.source[open + 3] ?? '');
  }

  #text(end: number, trimStart: boolean, trimEnd: boolean): void {
    let from = this.#index;
    let to = end;
    if (trimStart) while (from < to && SPACE.test(this.source[from]!)) from++;
    if (trimEnd) while (to > from && SPACE.test(this.source[to - 1]!)) to--;
    if (to > from)
      this.#tokens.push({ kind: 'text', text: this.source.slice(from, to), at: this.#position() });
    this.#advance(end);
  }

  /** Lexes one action and returns whether its closing marker trims what follows. */
  #action(open: number, trim: boolean): boolean {
    const start = this.#position();
    this.#advance(open + (trim ? 3 : 2));
    const comment = this.#comment();
    if (comment !== undefined) return comment;
    this.#tokens.push({ kind: 'open', text: '{{', at: start });
    for (;;) {
      const closing = this.#closing();
      if (closing !== undefined) return closing;
      if (this.#index >= this.source.length) throw parseError(this.name, start, 'unclosed action');
      this.#word();
    }
  }

  #comment(): boolean | undefined {
    let at = this.#index;
    while (SPACE.test(this.source[at] ?? '')) at++;
    if (!this.source.startsWith('/*', at)) return undefined;
    const end = this.source.indexOf('*/', at + 2);
    if (end === -1) throw parseError(this.name, this.#position(), 'unclosed comment');
    this.#advance(end + 2);
    const closing = this.#closing(false);
    if (closing === undefined)
      throw parseError(this.name, this.#position(), 'comment ends before closing delimiter');
    return closing;
  }

  /** Whether `}}` is here: undefined if not, else whether it trims. */
  #closing(mark = true): boolean | undefined {
    const at = this.#index;
    const trims = SPACE.test(this.source[at] ?? '') && this.source.startsWith('-}}', at + 1);
    if (!trims && !this.source.startsWith('}}', at)) return undefined;
    if (mark) this.#push('close', '}}');
    this.#advance(at + (trims ? 4 : 2));
    return trims;
  }

  #word(): void {
    const from = this.#index;
    const first = this.source[from]!;
    if (SPACE.test(first)) {
      // One at a time: the last space before `-}}` belongs to the marker.
      this.#push('space', first);
      this.#advance(from + 1);
    } else if (first === '"' || first === '`' || first === "'") {
      this.#quoted(first);
    } else if (this.#number()) {
      return;
    } else if (first === '.' || first === '$') {
      const to = this.#wordEnd(from + 1);
      this.#push(first === '.' ? 'field' : 'variable', this.source.slice(from + (first === '.' ? 1 : 0), to));
      this.#advance(to);
    } else if (this.source.startsWith(':=', from)) {
      this.#punctuation(':=');
    } else if ('|(),='.includes(first)) {
      this.#punctuation(first);
    } else {
      const to = this.#wordEnd(from);
      if (to === from) throw this.#badCharacter();
      this.#push('identifier', this.source.slice(from, to));
      this.#advance(to);
    }
  }

  #punctuation(text: string): void {
    this.#push('punctuation', text);
    this.#advance(this.#index + text.length);
  }

  #wordEnd(from: number): number {
    let to = from;
    for (;;) {
      const code = this.source.codePointAt(to);
      if (code === undefined || !WORD.test(String.fromCodePoint(code))) return to;
      to += code > 0xffff ? 2 : 1;
    }
  }

  #number(): boolean {
    const first = this.source[this.#index]!;
    const second = this.source[this.#index + 1] ?? '';
    if (!/[0-9]/.test(first) && !(/[+.-]/.test(first) && /[0-9.]/.test(second))) return false;
    NUMBER.lastIndex = this.#index;
    const text = NUMBER.exec(this.source)?.[0];
    if (text === undefined) return false;
    const plain = text.replaceAll('_', '').replace(/^\+/, '');
    const value = plain.startsWith('-') ? -Number(plain.slice(1)) : Number(plain);
    const next = this.source[this.#index + text.length] ?? '';
    if (Number.isNaN(value) || WORD.test(next)) {
      throw parseError(this.name, this.#position(), `bad number syntax: ${JSON.stringify(text + next)}`);
    }
    this.#tokens.push({ kind: 'number', text, value, at: this.#position() });
    this.#advance(this.#index + text.length);
    return true;
  }

  #quoted(quote: string): void {
    const from = this.#index;
    let to = from + 1;
    while (to < this.source.length && this.source[to] !== quote) {
      if (quote !== '`' && this.source[to] === '\n') break;
      to += quote !== '`' && this.source[to] === '\\' ? 2 : 1;
    }
    if (this.source[to] !== quote) {
      const what = quote === '`' ? 'unterminated raw quoted string' : 'unterminated quoted string';
      throw parseError(this.name, this.#position(), what);
    }
    const body = this.source.slice(from + 1, to);
    if (quote === "'") this.#character(body);
    else this.#push('string', quote === '`' ? body : this.#unescape(body));
    this.#advance(to + 1);
  }

  #character(body: string): void {
    const text = this.#unescape(body);
    const value = text.codePointAt(0);
    if (value === undefined || String.fromCodePoint(value) !== text) {
      throw parseError(this.name, this.#position(), `malformed character constant: '${body}'`);
    }
    this.#tokens.push({ kind: 'number', text: `'${body}'`, value, at: this.#position() });
  }

  #unescape(body: string): string {
    return body.replace(ESCAPE, (whole, letter?: string, ...hex: (string | undefined)[]) => {
      if (letter !== undefined) return SIMPLE[letter]!;
      const digits = hex[0] ?? hex[1] ?? hex[2];
      const code = digits === undefined ? parseInt(whole.slice(1), 8) : parseInt(digits, 16);
      if (!(code <= 0x10ffff)) throw parseError(this.name, this.#position(), `invalid syntax in "${body}"`);
      return String.fromCodePoint(code);
    });
  }

  #badCharacter(): Error {
    const code = this.source.codePointAt(this.#index)!;
    const hex = code.toString(16).toUpperCase().padStart(4, '0');
    const what = `bad character U+${hex} '${String.fromCodePoint(code)}'`;
    return parseError(this.name, this.#position(), what);
  }

  #push(kind: Exclude<Token['kind'], 'number' | 'text'>, text: string): void {
    this.#tokens.push({ kind, text, at: this.#position() });
  }

  #position(): Position {
    return { line: this.#line, column: this.#index - this.#lineStart };
  }

  #advance(to: number): void {
    // The next end of line is remembered: looking for it at each token would be quadratic in a long line.
    while (this.#lineEnd !== -1 && this.#lineEnd < to) {
      this.#line++;
      this.#lineStart = this.#lineEnd + 1;
      this.#lineEnd = this.source.indexOf('\n', this.#lineStart);
    }
    this.#index = to;
  }
}

const ESCAPE = /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[0-7]{3}|.|$)/gs;
const SIMPLE: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
