import { writeFileSync } from 'node:fs';
import { compressionOption } from '../copying.js';
import { CommandError, UsageError } from '../errors.js';
import { flag } from '../flags.js';
import type { CopyImageOptions } from '../../transports/index.js';
import { verb } from '../verb.js';
import { copyFlags, copyJob, storeFor, withRejection, type CopyGiven } from './copy-options.js';

interface CopyOneGiven extends CopyGiven {
  additionalTag?: string[];
  destCompress?: boolean;
  destCompressFormat?: string;
  destCompressLevel?: number;
  destDecompress?: boolean;
  destForceCompressFormat?: boolean;
  destOciAcceptUncompressedLayers?: boolean;
  destPrecomputeDigests?: boolean;
  digestfile?: string;
  multiArch?: string;
  signIdentity?: string;
}

/** `vaina copy` */
export const copy = verb<CopyOneGiven>({
  usage: 'SOURCE-IMAGE DESTINATION-IMAGE',
  failure: 1,
  flags: [
    ...copyFlags(true),
    flag('--additional-tag <strings>', 'additional tags (supports docker-archive)', 'slice'),
    flag('--dest-compress', 'Compress image layers that are not'),
    flag('--dest-compress-format <FORMAT>', 'FORMAT (gzip or zstd) to use for the compression', 'string'),
    flag('--dest-compress-level <LEVEL>', 'LEVEL to use for the compression', 'uint'),
    flag('--dest-decompress', 'Decompress image layers'),
    flag(
      '--dest-force-compress-format',
      'Force exclusive use of the compression format set in --dest-compress-format',
    ),
    flag(
      '--dest-oci-accept-uncompressed-layers',
      'Allow uncompressed image layers when saving to an OCI image',
    ),
    flag(
      '--dest-precompute-digests',
      'Know the digest of each layer before it is uploaded: that is always so',
    ),
    flag('--digestfile <string>', 'Write the digest of the pushed image to the specified file', 'string'),
    flag(
      '--multi-arch <OPTION>',
      'How to handle multi-architecture images (system, all, or index-only)',
      'string',
    ),
    flag(
      '--sign-identity <string>',
      'Identity of signed image, must be a fully specified docker reference',
      'string',
    ),
  ],
  async run(session, args, given) {
    const [from, to] = args;
    if (from === undefined || to === undefined || args.length !== 2)
      throw new UsageError('two arguments expected');
    if (given.destPrecomputeDigests === false) {
      throw new CommandError('--dest-precompute-digests=false: digests are always known before an upload');
    }
    const { additionalTag, destDecompress, destOciAcceptUncompressedLayers: plain, signIdentity } = given;
    const job: CopyImageOptions = {
      ...copyJob(session, given),
      ...multiArchOf(given),
      ...compressionOption({
        compress: given.destCompress,
        format: given.destCompressFormat,
        level: given.destCompressLevel,
        force: given.destForceCompressFormat,
      }),
      ...(additionalTag && { additionalTags: additionalTag }),
      ...(destDecompress && { decompress: true }),
      ...(plain !== undefined && { acceptUncompressedLayers: plain }),
      ...(signIdentity !== undefined && { signIdentity }),
      ...(await storeFor(session, args)),
    };
    try {
      const { digest } = await session.abortable((signal) =>
        session.jobs.transports.copyImage(from, to, { ...job, signal }),
      );
      if (given.digestfile !== undefined) writeFileSync(given.digestfile, digest);
    } catch (error) {
      throw withRejection(error);
    }
    return 0;
  },
});

function multiArchOf({ all, multiArch }: CopyOneGiven): Pick<CopyImageOptions, 'multiArch'> {
  if (multiArch === undefined) return {};
  if (all) throw new CommandError('Cannot use --all and --multi-arch flags together');
  if (multiArch !== 'system' && multiArch !== 'all' && multiArch !== 'index-only') {
    throw new CommandError(
      `unknown multi-arch option "${multiArch}". Choose one of the supported options: 'system', 'all', or 'index-only'`,
    );
  }
  return { multiArch };
}
