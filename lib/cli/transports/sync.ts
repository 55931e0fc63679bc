import { writeFileSync } from 'node:fs';
import { CommandError, messageOf, UsageError } from '../errors.js';
import { flag } from '../flags.js';
import { wholeSeconds } from '../human.js';
import type { SyncEvent } from '../../transports/index.js';
import { verb, type Session } from '../verb.js';
import { copyFlags, copyJob, withRejection, type CopyGiven } from './copy-options.js';

interface SyncGiven extends CopyGiven {
  appendSuffix?: string;
  dest?: string;
  digestfile?: string;
  dryRun?: boolean;
  keepGoing?: boolean;
  scoped?: boolean;
  src?: string;
}

/** `vaina sync` */
export const sync = verb<SyncGiven>({
  usage: '--src TRANSPORT --dest TRANSPORT SOURCE DESTINATION',
  failure: 1,
  flags: [
    ...copyFlags(false),
    flag('--append-suffix <string>', 'String to append to DESTINATION tags', 'string'),
    flag('-d, --dest <string>', 'DESTINATION transport type: docker or dir', 'string'),
    flag(
      '--digestfile <string>',
      'Write the digests and image names of the copied images to the specified file',
      'string',
    ),
    flag('--dry-run', 'Run without actually copying data'),
    flag('--keep-going', 'Do not abort the sync if any image copy fails'),
    flag('--scoped', 'Images at DESTINATION are prefix using the full source image path as scope'),
    flag('-s, --src <string>', 'SOURCE transport type: docker, dir or yaml', 'string'),
  ],
  async run(session, args, given) {
    const [source, destination] = args;
    if (source === undefined || destination === undefined || args.length !== 2) {
      throw new UsageError('two arguments expected');
    }
    const { src, dest, scoped, dryRun, keepGoing, appendSuffix } = given;
    if (src === undefined) throw new CommandError('A source transport must be specified');
    if (dest === undefined) throw new CommandError('A destination transport must be specified');
    if (src !== 'docker' && src !== 'dir' && src !== 'yaml') {
      throw new CommandError(`"${src}" is not a valid source transport`);
    }
    if (dest !== 'docker' && dest !== 'dir')
      throw new CommandError(`"${dest}" is not a valid destination transport`);
    if (dryRun) log(session, 'warning', 'Running in dry-run mode');
    const job = {
      ...copyJob(session, given),
      ...(scoped && { scoped }),
      ...(dryRun && { dryRun }),
      ...(keepGoing && { keepGoing }),
      ...(appendSuffix !== undefined && appendSuffix !== '' && { appendSuffix }),
      onImage: (event: SyncEvent) => logImage(session, event, dryRun ?? false),
      onWarning: (message: string) => log(session, 'warning', message),
    };
    const { transports } = session.jobs;
    const { images, failed, sources } = await session
      .abortable((signal) =>
        transports.syncImages(
          { transport: src, place: source },
          { transport: dest, place: destination },
          { ...job, signal },
        ),
      )
      .catch((error: unknown) => {
        throw withRejection(error);
      });
    if (given.digestfile !== undefined) {
      const lines = images.map(({ copy, destination: to }) => (copy ? `${copy.digest} ${to}\n` : ''));
      writeFileSync(given.digestfile, lines.join(''));
    }
    log(
      session,
      'info',
      `${dryRun ? 'Would have synced' : 'Synced'} ${images.length} images from ${sources} sources`,
    );
    if (failed.length > 0) {
      throw new CommandError(`Sync failed due to previous reported error(s) for one or more images`);
    }
    return 0;
  },
});

function logImage(session: Session, event: SyncEvent, dryRun: boolean): void {
  const { phase, number, of, source, destination } = event;
  const ends = `from="${source}" to="${destination}"`;
  if (phase === 'start') {
    log(session, 'info', `${dryRun ? 'Would have copied image' : 'Copying image'} ref ${number}/${of}`, ends);
  } else if (phase === 'failed') {
    log(session, 'error', `Error copying ref "${source}": ${messageOf(withRejection(event.error))}`);
  }
}

/** A line as skopeo's own log has it. */
function log(session: Session, level: string, message: string, fields = ''): void {
  const time = wholeSeconds(session.host.now());
  session.err(
    `time="${time}" level=${level} msg=${JSON.stringify(message)}${fields === '' ? '' : ` ${fields}`}\n`,
  );
}
