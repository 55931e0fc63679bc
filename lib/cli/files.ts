import { readFileSync, writeFileSync } from 'node:fs';
import { CommandError } from './errors.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  EEXIST: 'file exists',
  ENOTDIR: 'not a directory',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
};

/** An error of the file system in the words of skopeo: `open /x: no such file or directory`. */
function explain(error: unknown): string {
  const { code = '', syscall = 'open', path, message } = error as NodeJS.ErrnoException;
  if (path === undefined && code !== 'EISDIR') return message;
  return `${syscall}${path === undefined ? '' : ` ${path}`}: ${WORDS[code] ?? message}`;
}

/** Reads a file of the user; `what` begins the message of a failure. */
export function readInput(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandError(`${what}: ${explain(error)}`);
  }
}

/** The first line of a file that holds a passphrase. */
export function readPassphrase(path: string): string {
  return readInput(path, 'Error reading passphrase file').toString().split(/\r?\n/, 1)[0] ?? '';
}

/** Writes a file of the user; `what` begins the message of a failure. */
export function writeOutput(
  path: string,
  content: string | Uint8Array,
  what: string,
  options: { mode?: number; flag?: string } = {},
): void {
  try {
    writeFileSync(path, content, options);
  } catch (error) {
    throw new CommandError(`${what}: ${explain(error)}`);
  }
}
