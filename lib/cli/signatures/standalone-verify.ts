import { CommandError, messageOf } from '../errors.js';
import { readInput } from '../files.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';

interface VerifyGiven {
  publicKeyFile?: string;
}

/** `vaina standalone-verify` */
export const standaloneVerify = verb<VerifyGiven>({
  usage: 'MANIFEST DOCKER-REFERENCE KEY-FINGERPRINTS SIGNATURE',
  failure: 1,
  flags: [
    flag(
      '--public-key-file <string>',
      'File containing public keys. If not specified, will use local GPG keys.',
      'string',
    ),
  ],
  async run(session, args, { publicKeyFile }) {
    const [manifestPath, reference, keys, signaturePath] = args;
    if (
      manifestPath === undefined ||
      reference === undefined ||
      keys === undefined ||
      signaturePath === undefined ||
      args.length > 4
    ) {
      throw new CommandError(
        'Usage: vaina standalone-verify manifest docker-reference key-fingerprint signature',
      );
    }
    if (keys === 'any' && publicKeyFile === undefined) {
      throw new CommandError('Cannot use any fingerprint without a public key file');
    }
    const manifest = readInput(manifestPath, `Error reading manifest from ${manifestPath}`);
    const signature = readInput(signaturePath, `Error reading signature from ${signaturePath}`);
    const publicKeys =
      publicKeyFile === undefined
        ? {}
        : { publicKeys: readInput(publicKeyFile, `Error reading public keys from ${publicKeyFile}`) };
    try {
      const fingerprints = keys === 'any' ? keys : keys.split(',');
      const { digest } = await session.jobs.signatures.standaloneVerify(
        manifest,
        reference,
        { fingerprints, ...publicKeys },
        signature,
      );
      session.print(`Signature verified, digest ${digest}`);
      return 0;
    } catch (error) {
      const message = messageOf(error);
      throw new CommandError(
        `Error verifying signature: ${message.slice(0, 1).toUpperCase()}${message.slice(1)}`,
      );
    }
  },
});
