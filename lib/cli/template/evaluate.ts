import { executeError, TemplateError, type Position } from './error.js';
import { FUNCTIONS } from './functions.js';
import type { Node, Operand, Pipeline } from './parse.js';
import { GoTime, isStruct, sortedKeys, text, truth, typeName, type Value } from './values.js';

/** Runs a parsed template on a value and returns what it prints. */
export function evaluate(name: string, nodes: readonly Node[], root: Value): string {
  const run = new Run(name, root);
  run.list(nodes, root);
  return run.out.join('');
}

type Flow = 'break' | 'continue' | undefined;

const NOTHING = Symbol('nothing piped');

class Run {
  readonly out: string[] = [];
  #variables: { name: string; value: Value }[];

  constructor(
    private readonly name: string,
    root: Value,
  ) {
    this.#variables = [{ name: '$', value: root }];
  }

  list(nodes: readonly Node[], dot: Value): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot);
      if (flow) return flow;
    }
    return undefined;
  }

  #node(node: Node, dot: Value): Flow {
    switch (node.kind) {
      case 'text':
        this.out.push(node.text);
        return undefined;
      case 'print': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.declare.length === 0) this.out.push(text(value));
        return undefined;
      }
      case 'break':
      case 'continue':
        return node.kind;
      default: {
        const scope = this.#variables.length;
        const flow = node.kind === 'range' ? this.#range(node, dot) : this.#branch(node, dot);
        this.#variables.length = scope;
        return flow;
      }
    }
  }

  #branch(node: Node & { kind: 'if' | 'with' | 'range' }, dot: Value): Flow {
    const value = this.#pipeline(node.pipeline, dot);
    if (!truth(value)) return this.list(node.otherwise, dot);
    return this.list(node.body, node.kind === 'with' ? value : dot);
  }

  #range(node: Node & { kind: 'if' | 'with' | 'range' }, dot: Value): Flow {
    const scope = this.#variables.length;
    const items = this.#items(this.#pipeline({ ...node.pipeline, declare: [] }, dot), node);
    if (items.length === 0) return this.list(node.otherwise, dot);
    const { declare, assign } = node.pipeline;
    for (const [key, value] of items) {
      const values = declare.length === 1 ? [value] : [key, value];
      declare.forEach((name, i) => this.#set(name, values[i], assign));
      const flow = this.list(node.body, value);
      this.#variables.length = scope;
      if (flow === 'break') break;
    }
    return undefined;
  }

  #items(value: Value, node: Node & { kind: 'if' | 'with' | 'range' }): [Value, Value][] {
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) return value.map((item: Value, i) => [i, item]);
    if (value instanceof Map) return sortedKeys(value).map((key) => [key, value.get(key) as Value]);
    const source = node.pipeline.commands[0]?.[0]?.source ?? '';
    throw executeError(this.name, node.pipeline.at, source, `range can't iterate over ${text(value)}`);
  }

  #set(name: string, value: Value, assign: boolean): void {
    if (assign) {
      const known = this.#variables.findLast((variable) => variable.name === name);
      if (known) known.value = value;
    } else {
      this.#variables.push({ name, value });
    }
  }

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    let value: Value = NOTHING;
    for (const command of pipeline.commands) value = this.#command(command, dot, value);
    for (const name of pipeline.declare) this.#set(name, value, pipeline.assign);
    return value;
  }

  #command(command: readonly Operand[], dot: Value, piped: Value): Value {
    const [first, ...rest] = command as [Operand, ...Operand[]];
    if (first.kind === 'function') return this.#call(first.function, rest, dot, piped, first);
    const takesArguments = first.kind === 'field' || first.kind === 'variable' || first.kind === 'pipeline';
    if (takesArguments && first.path.length > 0) {
      const args = rest.map((operand) => this.#operand(operand, dot));
      if (piped !== NOTHING) args.push(piped);
      return this.#fields(this.#base(first, dot), first.path, first, args);
    }
    if (rest.length > 0 || piped !== NOTHING) {
      throw executeError(
        this.name,
        first.at,
        first.source,
        `can't give argument to non-function ${first.source}`,
      );
    }
    return this.#operand(first, dot);
  }

  #call(name: string, rest: readonly Operand[], dot: Value, piped: Value, where: Operand): Value {
    const known = FUNCTIONS.get(name)!;
    const count = rest.length + (piped === NOTHING ? 0 : 1);
    if (count < known.min || count > known.max) {
      const want = known.max === known.min ? `${known.min}` : `at least ${known.min}`;
      const message = `wrong number of args for ${name}: want ${want} got ${count}`;
      throw executeError(this.name, where.at, where.source, message);
    }
    if (name === 'and' || name === 'or') {
      let value: Value = null;
      for (const operand of rest) {
        value = this.#operand(operand, dot);
        if (truth(value) === (name === 'or')) return value;
      }
      return piped === NOTHING ? value : piped;
    }
    const args = rest.map((operand) => this.#operand(operand, dot));
    if (piped !== NOTHING) args.push(piped);
    return this.#guard(where, () => known.call(args));
  }

  #operand(operand: Operand, dot: Value): Value {
    switch (operand.kind) {
      case 'constant':
        return operand.value;
      case 'dot':
        return dot;
      case 'function':
        return this.#call(operand.function, [], dot, NOTHING, operand);
      default:
        return this.#fields(this.#base(operand, dot), operand.path, operand, []);
    }
  }

  #base(operand: Operand & { kind: 'field' | 'variable' | 'pipeline' }, dot: Value): Value {
    if (operand.kind === 'field') return dot;
    if (operand.kind === 'pipeline') return this.#pipeline(operand.pipeline, dot);
    return this.#variables.findLast((variable) => variable.name === operand.variable)?.value;
  }

  #fields(base: Value, path: readonly string[], where: Operand, args: readonly Value[]): Value {
    return path.reduce(
      (value, field, i) => this.#field(value, field, where, i === path.length - 1 ? args : []),
      base,
    );
  }

  #field(
    value: Value,
    field: string,
    where: { at: Position; source: string },
    args: readonly Value[],
  ): Value {
    const fail = (message: string): TemplateError => executeError(this.name, where.at, where.source, message);
    if (value === null || value === undefined) throw fail(`nil pointer evaluating interface {}.${field}`);
    let found: Value;
    if (value instanceof Map) {
      found = value.get(field) as Value;
    } else {
      if (value instanceof GoTime || !isStruct(value) || !Object.hasOwn(value, field)) {
        throw fail(`can't evaluate field ${field} in type ${typeName(value)}`);
      }
      found = value[field];
    }
    if (typeof found === 'function')
      return this.#guard(where, () => (found as (...args: Value[]) => Value)(...args));
    if (args.length > 0) throw fail(`${field} has arguments but cannot be invoked as function`);
    return found;
  }

  #guard(where: { at: Position; source: string }, work: () => Value): Value {
    try {
      return work();
    } catch (error) {
      if (error instanceof TemplateError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw executeError(this.name, where.at, where.source, message);
    }
  }
}
