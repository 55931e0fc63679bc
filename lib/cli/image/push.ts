import { oneOrTwo } from '../arguments.js';
import {
  compressionOption,
  formatOption,
  signingFlags,
  signingOptions,
  type SigningGiven,
} from '../copying.js';
import { CommandError } from '../errors.js';
import { writeOutput } from '../files.js';
import { flag } from '../flags.js';
import type { PushOptions } from '../../index.js';
import { progressPrinter } from '../progress.js';
import {
  accessFlags,
  accessOptions,
  retryFlags,
  retryOptions,
  type AccessGiven,
  type RetryGiven,
} from '../transfer.js';
import { verb } from '../verb.js';

interface PushGiven extends AccessGiven, RetryGiven, SigningGiven {
  all?: boolean;
  compress?: boolean;
  compressionFormat?: string;
  compressionLevel?: number;
  digestfile?: string;
  encryptLayer?: string[];
  encryptionKey?: string[];
  forceCompression?: boolean;
  format?: string;
  quiet?: boolean;
}

/** `vaina push` */
export const push = verb<PushGiven>({
  usage: 'IMAGE [DESTINATION]',
  flags: [
    flag('--all', 'Push all images that the name stands for'),
    ...accessFlags(),
    flag('--compress', "Compress layers when pushing to a directory using the 'dir' transport"),
    flag('--compression-format <string>', 'Compression format to use: gzip or zstd', 'string'),
    flag('--compression-level <int>', 'Compression level to use', 'uint'),
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
    ...retryFlags(),
    ...signingFlags(),
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
  const {
    all,
    compress,
    compressionFormat: format,
    compressionLevel: level,
    forceCompression: force,
  } = given;
  if (given.encryptLayer ?? given.encryptionKey)
    throw new CommandError('--encryption-key and --encrypt-layer: there is no encryption of layers');
  if (compress && !destination?.startsWith('dir:'))
    throw new CommandError("--compress can only be set when the destination is of the 'dir' transport");
  return {
    ...(all !== undefined && { all }),
    ...accessOptions(given),
    ...formatOption(given.format),
    ...compressionOption({ compress, format, level, force }),
    ...signingOptions(given),
    ...retryOptions(given),
  };
}
