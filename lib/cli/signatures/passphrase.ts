import { readFileSync } from 'node:fs';
import { CommandError } from '../errors.js';
import type { Session } from '../verb.js';
import { explain } from './files.js';

/** The first line of a file. */
export function readPassphraseFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(`Error reading passphrase file: ${explain(error)}`);
  }
  return text.split('\n', 1)[0]!;
}

const ENTER = /[\r\n]/;
const BACKSPACE = /[\b\x7f]/;

/** Asks for the passphrase of a new key on the terminal, where it is not shown. */
export async function askPassphrase(session: Session, key: string): Promise<string> {
  const { host } = session;
  if (!host.isTerminal(0)) {
    throw new CommandError(`Cannot prompt for a passphrase for key ${key}, standard input is not a TTY`);
  }
  session.out(`Passphrase for key ${key}: `);
  host.setRaw(true);
  const letters: string[] = [];
  try {
    for await (const chunk of host.stdin()) {
      for (const letter of Buffer.from(chunk as Uint8Array).toString()) {
        if (letter === '\x03') throw new CommandError('interrupted', 130);
        if (ENTER.test(letter) || letter === '\x04') return letters.join('');
        if (BACKSPACE.test(letter)) letters.pop();
        else letters.push(letter);
      }
    }
    throw new CommandError('Error reading password: EOF');
  } finally {
    host.setRaw(false);
    session.out('\n');
  }
}
