import { oneOrTwo } from '../arguments.js';
import { CommandError } from '../errors.js';
import { readPassphrase, writeOutput } from '../files.js';
import { flag } from '../flags.js';
import type { PushOptions } from '../../index.js';
import { progressPrinter } from '../progress.js';
import { credentials, retryFlags, retryOptions, type RetryGiven } from '../transfer.js';
import { verb } from '../verb.js';

interface PushGiven extends RetryGiven {
  all?: boolean;
  authfile?: string;
  certDir?: string;
  compress?: boolean;
  compressionFormat?: string;
  compressionLevel?: number;
  creds?: string;
  digestfile?: string;
  encryptLayer?: string[];
  encryptionKey?: string[];
  forceCompression?: boolean;
  format?: string;
  quiet?: boolean;
  removeSignatures?: boolean;
  signBy?: string;
  signBySigstorePrivateKey?: string;
  signPassphraseFile?: string;
  tlsVerify?: boolean;
}

/** `vaina push` */
export const push = verb<PushGiven>({
  usage: 'IMAGE [DESTINATION]',
  flags: [
    flag('--all', 'Push all images that the name stands for'),
    flag('--authfile <string>', 'Path of the authentication file', 'string'),
    flag('--cert-dir <string>', 'Path to a directory containing TLS certificates and keys', 'string'),
    flag('--compress', "Compress layers when pushing to a directory using the 'dir' transport"),
    flag('--compression-format <string>', 'Compression format to use: gzip or zstd', 'string'),
    flag('--compression-level <int>', 'Compression level to use', 'uint'),
    flag(
      '--creds <Credentials>',
      'Credentials (USERNAME:PASSWORD) to use for authenticating to a registry',
      'string',
    ),
    flag('--digestfile <string>', 'Write the digest of the pushed image to the specified file', 'string'),
    flag('--disable-content-trust', 'This is a Docker specific option and is a NOOP'),
    flag('--encrypt-layer <ints>', 'Refused: there is no encryption of layers', 'slice'),
    flag('--encryption-key <strings>', 'Refused: there is no encryption of layers', 'slice'),
    flag(
      '--force-compression',
      'Use the chosen compression also for layers that the destination has in another',
    ),
    flag(
      '-f, --format <string>',
      'Manifest type (oci or v2s2) to use in the destination (default is that of the source)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress output information when pushing images'),
    flag('--remove-signatures', 'Discard any pre-existing signatures in the image'),
    ...retryFlags(),
    flag('--sign-by <string>', 'Add a signature at the destination using the specified key', 'string'),
    flag(
      '--sign-by-sigstore-private-key <PATH>',
      'Sign the image using a sigstore private key at PATH',
      'string',
    ),
    flag('--sign-passphrase-file <PATH>', 'Read a passphrase for signing an image from PATH', 'string'),
    flag('--tls-verify', 'Require HTTPS and verify certificates when contacting registries'),
  ],
  async run(session, args, given) {
    const [image, destination] = oneOrTwo(args);
    const options = pushOptions(given, destination);
    const engine = await session.engine();
    const progress = given.quiet ? {} : { onProgress: progressPrinter(session) };
    const { digest } = await session.abortable((signal) =>
      engine.images.push(image, destination, { ...options, ...progress, signal }),
    );
    if (given.digestfile !== undefined)
      writeOutput(given.digestfile, digest, 'the image was pushed, but not its digest written');
    return 0;
  },
});

function pushOptions(given: PushGiven, destination: string | undefined): PushOptions {
  const { all, authfile, certDir, creds, format, removeSignatures, tlsVerify } = given;
  const { signBy, signBySigstorePrivateKey, signPassphraseFile } = given;
  if (given.encryptLayer ?? given.encryptionKey)
    throw new CommandError('--encryption-key and --encrypt-layer: there is no encryption of layers');
  if (format !== undefined && format !== 'oci' && format !== 'v2s2') {
    const why = format === 'v2s1' ? 'It is no longer written. ' : '';
    throw new CommandError(
      `unknown format "${format}". ${why}Choose one of the supported formats: 'oci' or 'v2s2'`,
    );
  }
  return {
    ...(all !== undefined && { all }),
    ...(authfile !== undefined && { authFile: authfile }),
    ...(certDir !== undefined && { certDir }),
    ...(creds !== undefined && { creds: credentials(creds) }),
    ...(format !== undefined && { format }),
    ...compressionOf(given, destination),
    ...(removeSignatures !== undefined && { removeSignatures }),
    ...(signBy !== undefined && { signBy }),
    ...(signBySigstorePrivateKey !== undefined && { signBySigstorePrivateKey }),
    ...(signPassphraseFile !== undefined && { signPassphrase: readPassphrase(signPassphraseFile) }),
    ...(tlsVerify !== undefined && { tlsVerify }),
    ...retryOptions(given),
  };
}

function compressionOf(given: PushGiven, destination: string | undefined): Pick<PushOptions, 'compression'> {
  const { compress, compressionFormat, compressionLevel: level, forceCompression: force } = given;
  if (compress && !destination?.startsWith('dir:'))
    throw new CommandError("--compress can only be set when the destination is of the 'dir' transport");
  if (!compress && compressionFormat === undefined && level === undefined && !force) return {};
  const format = compressionFormat ?? 'gzip';
  if (format !== 'gzip' && format !== 'zstd')
    throw new CommandError(`cannot find compressor for "${format}"`);
  return { compression: { format, ...(level !== undefined && { level }), ...(force && { force }) } };
}
