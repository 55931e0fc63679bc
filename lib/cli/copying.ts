import type { CopyImageOptions } from '../transports/index.js';
import { CommandError } from './errors.js';
import { readPassphrase } from './files.js';
import { flag, type Flag } from './flags.js';

/** The flags that say what becomes of signatures, as they were given. */
export interface SigningGiven {
  removeSignatures?: boolean;
  signBy?: string;
  signBySigstorePrivateKey?: string;
  signPassphraseFile?: string;
}

/** The flags that say what becomes of signatures. */
export function signingFlags(): Flag[] {
  return [
    flag('--remove-signatures', 'Do not copy signatures that the image has'),
    flag(
      '--sign-by <FINGERPRINT>',
      'Sign the image using a GPG key with the specified FINGERPRINT',
      'string',
    ),
    flag(
      '--sign-by-sigstore-private-key <PATH>',
      'Sign the image using a sigstore private key at PATH',
      'string',
    ),
    flag('--sign-passphrase-file <PATH>', 'Read a passphrase for signing an image from PATH', 'string'),
  ];
}

/** What the library is told of them. */
export function signingOptions(
  given: SigningGiven,
): Pick<CopyImageOptions, 'removeSignatures' | 'signBy' | 'signBySigstorePrivateKey' | 'signPassphrase'> {
  const { removeSignatures, signBy, signBySigstorePrivateKey, signPassphraseFile: file } = given;
  return {
    ...(removeSignatures !== undefined && { removeSignatures }),
    ...(signBy !== undefined && { signBy }),
    ...(signBySigstorePrivateKey !== undefined && { signBySigstorePrivateKey }),
    ...(file !== undefined && { signPassphrase: readPassphrase(file) }),
  };
}

/** What the library is told of the format of manifests. */
export function formatOption(format: string | undefined): Pick<CopyImageOptions, 'format'> {
  if (format === undefined) return {};
  if (format === 'oci' || format === 'v2s2') return { format };
  const why = format === 'v2s1' ? 'It is no longer written. ' : '';
  throw new CommandError(
    `unknown format "${format}". ${why}Choose one of the supported formats: 'oci' or 'v2s2'`,
  );
}

/** The flags that say how layers are compressed, as they were given. */
interface CompressionGiven {
  compress?: boolean | undefined;
  format?: string | undefined;
  level?: number | undefined;
  force?: boolean | undefined;
}

/** What the library is told of them: any of them asks for a compression, by gzip unless another format is named. */
export function compressionOption(given: CompressionGiven): Pick<CopyImageOptions, 'compression'> {
  const { compress, format, level, force } = given;
  if (!compress && format === undefined && level === undefined && !force) return {};
  const chosen = format ?? 'gzip';
  if (chosen !== 'gzip' && chosen !== 'zstd')
    throw new CommandError(`cannot find compressor for "${chosen}"`);
  return {
    compression: { format: chosen, ...(level !== undefined && { level }), ...(force && { force }) },
  };
}
