import { parseError, type Position } from './error.js';
import { FUNCTIONS } from './functions.js';
import { lex, type Token } from './lex.js';

/** An operand: what stands between spaces. */
export type Operand =
  | { kind: 'constant'; value: string | number | boolean | null; at: Position; source: string }
  | { kind: 'dot'; at: Position; source: string }
  | { kind: 'field'; path: readonly string[]; at: Position; source: string }
  | { kind: 'variable'; variable: string; path: readonly string[]; at: Position; source: string }
  | { kind: 'function'; function: string; at: Position; source: string }
  | { kind: 'pipeline'; pipeline: Pipeline; path: readonly string[]; at: Position; source: string };

/** Commands joined by `|`, perhaps with variables that take the result. */
export interface Pipeline {
  declare: readonly string[];
  /** `=` instead of `:=`. */
  assign: boolean;
  commands: readonly (readonly Operand[])[];
  at: Position;
}

/** A node of the tree. */
export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'print'; pipeline: Pipeline }
  | {
      kind: 'if' | 'with' | 'range';
      pipeline: Pipeline;
      body: readonly Node[];
      otherwise: readonly Node[];
      at: Position;
    }
  | { kind: 'break' | 'continue' };

/** Nesting beyond this is refused, so that no template can exhaust the stack. */
const MAX_DEPTH = 200;

/** Parses a template; throws a TemplateError. */
export function parse(name: string, source: string): Node[] {
  return new Parser(name, lex(name, source)).run();
}

type Closer = { word: 'end' | 'else' | 'eof'; at: Position };

class Parser {
  #index = 0;
  #depth = 0;
  #loops = 0;
  /** Names of the variables in scope, innermost last. */
  #variables = ['$'];

  constructor(
    private readonly name: string,
    private readonly tokens: readonly Token[],
  ) {}

  run(): Node[] {
    const { nodes, closer } = this.#list();
    if (closer.word !== 'eof') throw parseError(this.name, closer.at, `unexpected {{${closer.word}}}`);
    return nodes;
  }

  #list(): { nodes: Node[]; closer: Closer } {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === 'end') return { nodes, closer: { word: 'eof', at: token.at } };
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      this.#spaces();
      const word = this.#peek();
      if (word.kind === 'identifier' && (word.text === 'end' || word.text === 'else')) {
        this.#index++;
        if (word.text === 'end') this.#close('end');
        return { nodes, closer: { word: word.text, at: word.at } };
      }
      nodes.push(this.#action(word));
    }
  }

  #action(word: Token): Node {
    if (word.kind === 'identifier') {
      if (word.text === 'if' || word.text === 'with' || word.text === 'range') {
        this.#index++;
        return this.#control(word.text, word.at);
      }
      if (word.text === 'break' || word.text === 'continue') {
        this.#index++;
        if (this.#loops === 0) throw parseError(this.name, word.at, `{{${word.text}}} outside {{range}}`);
        this.#close(word.text);
        return { kind: word.text };
      }
      if (['define', 'template', 'block'].includes(word.text)) {
        throw parseError(this.name, word.at, `{{${word.text}}} is not supported`);
      }
    }
    const pipeline = this.#pipeline('command', 'close');
    return { kind: 'print', pipeline };
  }

  #control(kind: 'if' | 'with' | 'range', at: Position): Node {
    return this.#nested(at, () => {
      const scope = this.#variables.length;
      const pipeline = this.#pipeline(kind, 'close');
      if (kind === 'range') this.#loops++;
      const { nodes: body, closer } = this.#list();
      if (kind === 'range') this.#loops--;
      let otherwise: Node[] = [];
      if (closer.word === 'else') otherwise = this.#else(kind, at);
      else if (closer.word === 'eof') throw parseError(this.name, closer.at, 'unexpected EOF');
      this.#variables.length = scope;
      return { kind, pipeline, body, otherwise, at };
    });
  }

  #else(kind: string, at: Position): Node[] {
    this.#spaces();
    const word = this.#peek();
    if (word.kind === 'identifier' && (word.text === 'if' || word.text === 'with') && kind === word.text) {
      this.#index++;
      // `else if` shares the `end` of the whole chain.
      return [this.#control(word.text, word.at)];
    }
    this.#close('else');
    const { nodes, closer } = this.#list();
    if (closer.word === 'eof') throw parseError(this.name, closer.at, 'unexpected EOF');
    if (closer.word === 'else') throw parseError(this.name, at, 'expected end; found {{else}}');
    return nodes;
  }

  #pipeline(context: string, until: 'close' | ')'): Pipeline {
    this.#spaces();
    const at = this.#peek().at;
    const { declare, assign } = this.#declaration(context);
    const commands: Operand[][] = [];
    for (;;) {
      const command = this.#command();
      const token = this.#next();
      const ends =
        until === 'close' ? token.kind === 'close' : token.kind === 'punctuation' && token.text === ')';
      const piped = token.kind === 'punctuation' && token.text === '|';
      if (command.length === 0) {
        if (piped || ends) {
          const what = commands.length === 0 ? `missing value for ${context}` : 'missing value after |';
          throw parseError(this.name, token.at, what);
        }
        throw this.#unexpected(token, context);
      }
      const first = command[0]!;
      if (commands.length > 0 && (first.kind === 'constant' || first.kind === 'dot')) {
        const what = `non executable command in pipeline stage ${commands.length + 1}`;
        throw parseError(this.name, first.at, what);
      }
      commands.push(command);
      if (ends) break;
      if (!piped) throw this.#unexpected(token, context);
    }
    for (const variable of assign ? [] : declare) this.#variables.push(variable);
    return { declare, assign, commands, at };
  }

  #declaration(context: string): { declare: string[]; assign: boolean } {
    const start = this.#index;
    const declare: string[] = [];
    for (;;) {
      this.#spaces();
      const variable = this.#peek();
      if (variable.kind !== 'variable') break;
      this.#index++;
      this.#spaces();
      const token = this.#peek();
      if (token.kind !== 'punctuation') break;
      if (token.text === ',' && context === 'range' && declare.length === 0) {
        this.#index++;
        declare.push(variable.text);
        continue;
      }
      if (token.text !== ':=' && token.text !== '=') break;
      this.#index++;
      this.#spaces();
      declare.push(variable.text);
      if (token.text === '=') for (const known of declare) this.#known(known, variable.at);
      return { declare, assign: token.text === '=' };
    }
    this.#index = start;
    return { declare: [], assign: false };
  }

  #command(): Operand[] {
    const operands: Operand[] = [];
    for (;;) {
      this.#spaces();
      const operand = this.#operand();
      if (operand === undefined) return operands;
      operands.push(operand);
      const next = this.#peek();
      const separated = next.kind === 'space' || next.kind === 'close' || next.kind === 'end';
      if (!separated && !(next.kind === 'punctuation' && (next.text === '|' || next.text === ')'))) {
        throw this.#unexpected(next, 'operand');
      }
    }
  }

  #operand(): Operand | undefined {
    const token = this.#peek();
    const at = token.at;
    switch (token.kind) {
      case 'string':
        this.#index++;
        return { kind: 'constant', value: token.text, at, source: JSON.stringify(token.text) };
      case 'number':
        this.#index++;
        return { kind: 'constant', value: token.value, at, source: token.text };
      case 'identifier':
        this.#index++;
        return this.#identifier(token.text, at);
      case 'variable': {
        this.#index++;
        this.#known(token.text, at);
        const path = this.#chain();
        return { kind: 'variable', variable: token.text, path, at, source: [token.text, ...path].join('.') };
      }
      case 'field': {
        this.#index++;
        if (token.text === '') return { kind: 'dot', at, source: '.' };
        const path = [token.text, ...this.#chain()];
        return { kind: 'field', path, at, source: `.${path.join('.')}` };
      }
      case 'punctuation': {
        if (token.text !== '(') return undefined;
        this.#index++;
        const pipeline = this.#nested(at, () => this.#pipeline('parenthesized pipeline', ')'));
        if (pipeline.declare.length > 0)
          throw parseError(this.name, at, 'unexpected := in parenthesized pipeline');
        const path = this.#chain();
        return {
          kind: 'pipeline',
          pipeline,
          path,
          at,
          source: `(…)${path.map((word) => `.${word}`).join('')}`,
        };
      }
      default:
        return undefined;
    }
  }

  #identifier(word: string, at: Position): Operand {
    if (word === 'true' || word === 'false')
      return { kind: 'constant', value: word === 'true', at, source: word };
    if (word === 'nil') return { kind: 'constant', value: null, at, source: word };
    if (!FUNCTIONS.has(word)) throw parseError(this.name, at, `function ${JSON.stringify(word)} not defined`);
    return { kind: 'function', function: word, at, source: word };
  }

  /** The fields that follow with no space between. */
  #chain(): string[] {
    const path: string[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind !== 'field') return path;
      if (token.text === '') throw this.#unexpected(token, 'operand');
      path.push(token.text);
      this.#index++;
    }
  }

  #known(variable: string, at: Position): void {
    if (!this.#variables.includes(variable)) {
      throw parseError(this.name, at, `undefined variable ${JSON.stringify(variable)}`);
    }
  }

  #nested<T>(at: Position, parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw parseError(this.name, at, 'nested too deeply');
    const result = parse();
    this.#depth--;
    return result;
  }

  #close(context: string): void {
    this.#spaces();
    const token = this.#next();
    if (token.kind !== 'close') throw this.#unexpected(token, context);
  }

  #unexpected(token: Token, context: string): Error {
    const what = token.kind === 'end' ? 'EOF' : JSON.stringify(token.text);
    return parseError(this.name, token.at, `unexpected ${what} in ${context}`);
  }

  #spaces(): void {
    while (this.tokens[this.#index]?.kind === 'space') this.#index++;
  }

  #peek(): Token {
    return this.tokens[this.#index] ?? this.tokens[this.tokens.length - 1]!;
  }

  #next(): Token {
    const token = this.#peek();
    this.#index++;
    return token;
  }
}
