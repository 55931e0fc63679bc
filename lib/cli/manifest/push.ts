import { oneOrTwo } from '../arguments.js';
import {
  compressionOption,
  formatOption,
  signingFlags,
  signingOptions,
  type SigningGiven,
} from '../copying.js';
import { writeOutput } from '../files.js';
import { flag } from '../flags.js';
import type { ListPushOptions } from '../../index.js';
import { progressPrinter } from '../progress.js';
import { accessFlags, accessOptions, type AccessGiven } from '../transfer.js';
import { verb, type Session } from '../verb.js';

interface PushGiven extends AccessGiven, SigningGiven {
  all?: boolean;
  compressionFormat?: string;
  digestfile?: string;
  format?: string;
  quiet?: boolean;
  rm?: boolean;
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
    flag('--rm', 'remove the manifest list if push succeeds'),
    ...signingFlags(),
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
  const { all } = given;
  const { creds, ...access } = accessOptions(given);
  return {
    ...(all !== undefined && { all }),
    ...formatOption(given.format),
    ...compressionOption({ format: given.compressionFormat }),
    ...signingOptions(given),
    destination: { ...access, ...(creds && { credentials: creds }) },
    ...(!given.quiet && { onProgress: progressPrinter(session) }),
  };
}
