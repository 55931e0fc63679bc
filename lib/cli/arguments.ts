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

/** The only argument. */
export function oneArgument(args: readonly string[]): string {
  const [only] = args;
  if (only === undefined || args.length > 1)
    throw new CommandError(`accepts 1 arg(s), received ${args.length}`);
  return only;
}

/** An argument, and perhaps a second one. */
export function oneOrTwo(args: readonly string[]): [string, string?] {
  const [first, second] = args;
  if (first === undefined || args.length > 2)
    throw new CommandError(`accepts between 1 and 2 arg(s), received ${args.length}`);
  return second === undefined ? [first] : [first, second];
}

/** Splits `KEY=VALUE`; without `=`, the value is empty. */
export function keyValue(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}
