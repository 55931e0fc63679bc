import { VainaError } from '../../errors.js';
import { formatOption, signingFlags, signingOptions, type SigningGiven } from '../copying.js';
import { CommandError } from '../errors.js';
import { flag, type Flag } from '../flags.js';
import type { CopyCommonOptions, TransportOptions } from '../../transports/index.js';
import { progressPrinter } from '../progress.js';
import type { Session } from '../verb.js';
import {
  endFlags,
  endOf,
  imageGlobalFlags,
  jobOptions,
  overridden,
  retryFlags,
  type ImageGlobalGiven,
} from './flags.js';

/** The flags that `copy` and `sync` share, as they were given. */
export interface CopyGiven extends ImageGlobalGiven, SigningGiven {
  all?: boolean;
  format?: string;
  imageParallelCopies?: number;
  preserveDigests?: boolean;
  quiet?: boolean;
}

/** The flags that `copy` and `sync` share. */
export function copyFlags(daemon: boolean): Flag[] {
  return [
    flag('-a, --all', 'Copy all images if SOURCE-IMAGE is a list'),
    flag('--authfile <string>', 'path of the authentication file', 'string'),
    flag(
      '-f, --format <MANIFEST>',
      'MANIFEST TYPE (oci or v2s2) to use in the destination (default is that of the source)',
      'string',
    ),
    flag(
      '--image-parallel-copies <uint>',
      'Maximum number of image layers to be copied at the same time (default 6)',
      'uint',
    ),
    flag('--preserve-digests', 'Preserve digests of images and lists'),
    flag('-q, --quiet', 'Suppress output information when copying images'),
    ...signingFlags(),
    ...endFlags('src-', daemon, daemon),
    ...endFlags('dest-', daemon, daemon),
    ...retryFlags(),
    ...imageGlobalFlags(),
  ];
}

/** What the library is told of them, but for the signal. */
export function copyJob(session: Session, given: CopyGiven): CopyCommonOptions {
  const { all, imageParallelCopies: concurrency, preserveDigests, quiet, policy, insecurePolicy } = given;
  const registriesDir = given['registries.d'];
  return {
    ...jobOptions(given),
    ...overridden(given),
    ...(all && { multiArch: 'all' as const }),
    ...formatOption(given.format),
    ...(concurrency !== undefined && concurrency > 0 && { concurrency }),
    ...(preserveDigests !== undefined && { preserveDigests }),
    ...signingOptions(given),
    ...(policy !== undefined && !insecurePolicy && { policy }),
    ...(insecurePolicy && { insecurePolicy }),
    ...(registriesDir !== undefined && { registriesDir }),
    source: endOf('src', given),
    destination: endOf('dest', given),
    ...(!quiet && reporting(session)),
  };
}

/** skopeo's lines on stdout, with bars on stderr where that is a terminal. */
function reporting(session: Session): Pick<CopyCommonOptions, 'onProgress' | 'onStage'> {
  const lines = {
    signatures: 'Getting image source signatures',
    manifest: 'Writing manifest to image destination',
    stored: 'Storing signatures',
  };
  let onProgress = progressPrinter(session, 1);
  return {
    onProgress: (event) => onProgress(event),
    onStage: (stage) => {
      session.print(lines[stage]);
      // The next image has blobs of its own.
      if (stage === 'stored') onProgress = progressPrinter(session, 1);
    },
  };
}

/** The store of the engine, for names that mean it; nothing else pays for opening one. */
export async function storeFor(
  session: Session,
  names: readonly string[],
): Promise<Pick<TransportOptions, 'store'>> {
  if (!names.some((name) => name.startsWith('vaina:'))) return {};
  return { store: (await session.engine()).imageStore };
}

/** skopeo's sentence for an image that the policy does not let through. */
export function withRejection(error: unknown): unknown {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 10; depth++) {
    if (VainaError.is(at, 'ERR_POLICY_REJECTED') && at.op === 'policy') {
      return new CommandError(
        `Source image rejected: ${at.message.replace(/^.*?Source image rejected: /s, '')}`,
      );
    }
    at = at.cause;
  }
  return error;
}
