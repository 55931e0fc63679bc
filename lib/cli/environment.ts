import { readFileSync } from 'node:fs';
import { keyValue } from './arguments.js';
import { CommandError } from './errors.js';

type HostEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * Environment variables as `--env` and `--env-file` give them: `NAME=value`, `NAME` for the host's value (left out if
 * the host has none), `PREFIX*` for all of the host's that start like this. `--env` wins over files.
 */
export function readEnvironment(
  host: HostEnvironment,
  files: readonly string[] = [],
  entries: readonly string[] = [],
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const file of files) {
    for (const line of readLines(file)) add(env, host, line);
  }
  for (const entry of entries) add(env, host, entry);
  return env;
}

function readLines(file: string): string[] {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`parsing env file "${file}": ${(error as Error).message}`);
  }
  return content
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function add(env: Record<string, string>, host: HostEnvironment, entry: string): void {
  const [name, value] = keyValue(entry);
  if (name === '') throw new CommandError(`invalid environment variable: "${entry}"`);
  if (entry.includes('=')) {
    put(env, name, value);
  } else if (name.endsWith('*')) {
    for (const [known, current] of Object.entries(host)) {
      if (current !== undefined && known.startsWith(name.slice(0, -1))) put(env, known, current);
    }
  } else {
    const current = Object.hasOwn(host, name) ? host[name] : undefined;
    if (current !== undefined) put(env, name, current);
  }
}

/** Assigning `__proto__` would set the prototype instead. */
function put(env: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(env, name, { value, enumerable: true, writable: true, configurable: true });
}
