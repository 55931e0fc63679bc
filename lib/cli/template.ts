import { evaluate } from './template/evaluate.js';
import { parse } from './template/parse.js';
import type { Value } from './template/values.js';

export { TemplateError } from './template/error.js';
export { GoTime, json, text, type Value } from './template/values.js';

/**
 * A compiled template in the subset of Go's text/template that the formats of container tools use: fields, pipelines,
 * variables, `if`, `with`, `range`, comments, trim markers, Go's built-in functions, and podman's `json`, `join`,
 * `split`, `lower`, `upper`, `title`, `truncate` and `pad`. `define`, `template` and `block` are refused.
 */
export interface Template {
  /**
   * Runs it.
   * @returns what it prints
   */
  execute(value: Value): string;
}

/**
 * Compiles a template.
 * @param name - for messages: podman uses the name of the command
 * @param source - the text
 * @throws TemplateError
 */
export function compile(name: string, source: string): Template {
  const nodes = parse(name, source);
  return { execute: (value) => evaluate(name, nodes, value) };
}
