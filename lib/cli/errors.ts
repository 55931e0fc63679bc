import { VainaError } from '../errors.js';

/** The engine failed, or the command line was wrong. */
export const EXIT_ENGINE = 125;
/** The command of the container cannot be executed. */
export const EXIT_NOT_EXECUTABLE = 126;
/** The command of the container does not exist. */
export const EXIT_NOT_FOUND = 127;

/** The command line is not one that the command takes: printed with where to find help. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What to add after the message; undefined for podman's usual `See 'vaina run --help'`. */
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.advice = advice;
  }
}

/** A failure with its own exit code, printed without more. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    message: string,
    readonly exitCode: number = EXIT_ENGINE,
  ) {
    super(message);
  }
}

/** The exit code that an error of the library stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (VainaError.is(error, 'ERR_COMMAND_NOT_FOUND')) return EXIT_NOT_FOUND;
  if (VainaError.is(error, 'ERR_COMMAND_NOT_EXECUTABLE')) return EXIT_NOT_EXECUTABLE;
  return EXIT_ENGINE;
}

/** The text of an error, as it follows `Error: `. */
export function messageOf(error: unknown): string {
  if (VainaError.is(error) && error.hint !== undefined) return `${error.message}: ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}

/** All that is known of an error, for `--log-level debug`. */
export function detailsOf(error: unknown): string {
  const lines: string[] = [];
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 10; depth++) {
    const fields = Object.entries(current)
      .filter(([key, value]) => key !== 'name' && (typeof value === 'string' || typeof value === 'number'))
      .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
    lines.push(`${current.stack ?? current.message}${fields.length > 0 ? `\n   ${fields.join('')}` : ''}`);
    current = current.cause;
  }
  return `${lines.join('\ncaused by: ')}\n`;
}
