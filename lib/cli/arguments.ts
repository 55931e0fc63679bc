import { CommandError } from './errors.js';

/** Refuses fewer arguments. */
export function atLeast(args: readonly string[], count: number): void {
  if (args.length < count) {
    throw new CommandError(`requires at least ${count} arg(s), only received ${args.length}`);
  }
}

/** Refuses more arguments. */
export function atMost(args: readonly string[], count: number): void {
  if (args.length > count) throw new CommandError(`accepts at most ${count} arg(s), received ${args.length}`);
}

/** Refuses any argument. */
export function noArguments(path: string, args: readonly string[]): void {
  if (args.length > 0) throw new CommandError(`\`${path}\` takes no arguments`);
}

/** Splits `KEY=VALUE`; without `=`, the value is empty. */
export function keyValue(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}
