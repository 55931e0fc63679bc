import { oneOrTwo } from '../arguments.js';
import { CommandError } from '../errors.js';
import { readPassphrase, writeOutput } from '../files.js';
import { flag } from '../flags.js';
import type { ListPushOptions } from '../../index.js';
import { progressPrinter } from '../progress.js';
import { accessFlags, accessOptions, type AccessGiven } from '../transfer.js';
import { verb, type Session } from '../verb.js';

interface PushGiven extends AccessGiven {
  all?: boolean;
  compressionFormat?: string;
  digestfile?: string;
  format?: string;
  quiet?: boolean;
  removeSignatures?: boolean;
  rm?: boolean;
  signBy?: string;
  signBySigstorePrivateKey?: string;
  signPassphraseFile?: string;
}

/** `vaina manifest push` */
export const push = verb<PushGiven>({
  usage: 'LIST [DESTINATION]',
  flags: [
    flag('--all', 'Also push the images in the list (default true)'),
    ...accessFlags(),
    flag('--compression-format <string>', 'compression format to use (gzip or zstd)', 'string'),
    flag(
      '--digestfile <string>',
      'after copying the image, write the digest of the resulting digest to the file',
      'string',
    ),
    flag(
      '-f, --format <string>',
      'manifest type (oci or v2s2) to attempt to use when pushing the manifest list',
      'string',
    ),
    flag('-q, --quiet', "don't output progress information when pushing lists"),
    flag('--remove-signatures', "don't copy signatures when pushing images"),
    flag('--rm', 'remove the manifest list if push succeeds'),
    flag(
      '--sign-by <FINGERPRINT>',
      'sign the image using a GPG key with the specified FINGERPRINT',
      'string',
    ),
    flag(
      '--sign-by-sigstore-private-key <PATH>',
      'sign the image using a sigstore private key at PATH',
      'string',
    ),
    flag('--sign-passphrase-file <PATH>', 'read a passphrase for signing an image from PATH', 'string'),
  ],
  async run(session, args, given) {
    const [name, destination] = oneOrTwo(args);
    const list = await (await session.engine()).manifests.get(name);
    const options = pushOptions(session, given);
    const { digest } = await session.abortable((signal) => list.push(destination, { ...options, signal }));
    if (given.digestfile !== undefined)
      writeOutput(given.digestfile, digest, 'the list was pushed, but not its digest written');
    if (given.rm) await list.delete();
    return 0;
  },
});

function pushOptions(session: Session, given: PushGiven): ListPushOptions {
  const { all, removeSignatures, signBy, signBySigstorePrivateKey, signPassphraseFile: file } = given;
  const { creds, ...access } = accessOptions(given);
  return {
    ...(all !== undefined && { all }),
    ...(given.format !== undefined && { format: formatOf(given.format) }),
    ...(given.compressionFormat !== undefined && { compression: compressionOf(given.compressionFormat) }),
    ...(removeSignatures !== undefined && { removeSignatures }),
    ...(signBy !== undefined && { signBy }),
    ...(signBySigstorePrivateKey !== undefined && { signBySigstorePrivateKey }),
    ...(file !== undefined && { signPassphrase: readPassphrase(file) }),
    destination: { ...access, ...(creds && { credentials: creds }) },
    ...(!given.quiet && { onProgress: progressPrinter(session) }),
  };
}

function formatOf(format: string): 'oci' | 'v2s2' {
  if (format === 'oci' || format === 'v2s2') return format;
  throw new CommandError(`unknown format "${format}". Choose one of the supported formats: 'oci' or 'v2s2'`);
}

function compressionOf(format: string): { format: 'gzip' | 'zstd' } {
  if (format === 'gzip' || format === 'zstd') return { format };
  throw new CommandError(`unknown compression format "${format}": it must be gzip or zstd`);
}
