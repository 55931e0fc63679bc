import type { SigstoreSignature, SimpleSignature } from '../../signature/index.js';
import { CommandError, messageOf } from '../errors.js';
import { readInput, readPassphrase, writeOutput } from '../files.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';

interface SignGiven {
  output?: string;
  passphraseFile?: string;
}

/** `vaina standalone-sign` */
export const standaloneSign = verb<SignGiven>({
  usage: 'MANIFEST DOCKER-REFERENCE KEY-FINGERPRINT --output|-o SIGNATURE',
  failure: 1,
  flags: [
    flag('-o, --output <SIGNATURE>', 'output the signature to SIGNATURE', 'string'),
    flag('--passphrase-file <string>', 'file that contains a passphrase for the --sign-by key', 'string'),
  ],
  async run(session, args, { output = '', passphraseFile }) {
    const [path, reference, fingerprint] = args;
    if (
      path === undefined ||
      reference === undefined ||
      fingerprint === undefined ||
      args.length > 3 ||
      output === ''
    ) {
      throw new CommandError(
        'Usage: vaina standalone-sign manifest docker-reference key-fingerprint -o signature',
      );
    }
    const manifest = readInput(path, `Error reading ${path}`);
    const secret = passphraseFile === undefined ? {} : { passphrase: readPassphrase(passphraseFile) };
    let signature: SimpleSignature | SigstoreSignature;
    try {
      signature = await session.jobs.signatures.standaloneSign(manifest, reference, {
        fingerprint,
        ...secret,
      });
    } catch (error) {
      throw new CommandError(`Error creating signature: ${messageOf(error)}`);
    }
    if (signature.kind !== 'simple')
      throw new CommandError('Error creating signature: it is of another kind');
    writeOutput(output, signature.bytes, `Error writing signature to ${output}`, { mode: 0o644 });
    return 0;
  },
});
