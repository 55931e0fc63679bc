import { lstatSync } from 'node:fs';
import { CommandError } from '../errors.js';
import { readPassphrase, writeOutput } from '../files.js';
import { flag } from '../flags.js';
import { Prompt } from '../prompt.js';
import { verb, type Session } from '../verb.js';

interface GenerateGiven {
  outputPrefix?: string;
  passphraseFile?: string;
}

/** `vaina generate-sigstore-key` */
export const generateSigstoreKey = verb<GenerateGiven>({
  usage: '--output-prefix PREFIX',
  failure: 1,
  flags: [
    flag('--output-prefix <PREFIX>', 'Write the keys to PREFIX.pub and PREFIX.private', 'string'),
    flag('--passphrase-file <PATH>', 'Read a passphrase for the private key from PATH', 'string'),
  ],
  async run(session, args, { outputPrefix = '', passphraseFile }) {
    if (args.length > 0 || outputPrefix === '') {
      throw new CommandError('Usage: generate-sigstore-key --output-prefix PREFIX');
    }
    const publicPath = `${outputPrefix}.pub`;
    const privatePath = `${outputPrefix}.private`;
    for (const path of [publicPath, privatePath]) {
      if (lstatSync(path, { throwIfNoEntry: false })) {
        throw new CommandError(`Refusing to overwrite existing ${JSON.stringify(path)}`);
      }
    }
    const passphrase =
      passphraseFile === undefined
        ? await askPassphrase(session, privatePath)
        : readPassphrase(passphraseFile);
    const { privateKey, publicKey } = await session.jobs.signatures.generateSigstoreKey(passphrase);
    // Whoever made one of them meanwhile keeps it.
    const failed = 'Error writing private key to';
    writeOutput(privatePath, privateKey, `${failed} ${JSON.stringify(privatePath)}`, {
      mode: 0o600,
      flag: 'wx',
    });
    writeOutput(publicPath, publicKey, `${failed} ${JSON.stringify(publicPath)}`, {
      mode: 0o644,
      flag: 'wx',
    });
    session.print(`Key written to ${JSON.stringify(privatePath)} and ${JSON.stringify(publicPath)}`);
    return 0;
  },
});

async function askPassphrase({ host }: Session, key: string): Promise<string> {
  if (!host.isTerminal(0))
    throw new CommandError(`Cannot prompt for a passphrase for key ${key}, standard input is not a TTY`);
  return new Prompt(host).secret(`Passphrase for key ${key}: `, 'Error reading password');
}
