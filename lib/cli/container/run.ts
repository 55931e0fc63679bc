import { writeFileSync } from 'node:fs';
import { CommandError } from '../errors.js';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '../detach-keys.js';
import { flag } from '../flags.js';
import { foreground } from '../foreground.js';
import type { StartOptions } from '../../index.js';
import type { LibraryContainer, LibraryProcess } from '../library.js';
import { verb } from '../verb.js';
import { createFlags, type CreateGiven } from './create-flags.js';
import { makeContainer } from './make.js';

interface RunGiven extends CreateGiven {
  detach?: boolean;
  detachKeys?: string;
  pidfile?: string;
  sigProxy?: boolean;
}

/** `vaina run` */
export const run = verb<RunGiven>({
  usage: 'IMAGE [COMMAND [ARG...]]',
  flags: [
    ...createFlags(),
    flag('-d, --detach', 'Run container in background and print container ID'),
    flag(
      '--detach-keys <keys>',
      `Key sequence for detaching a container (default "${DEFAULT_DETACH_KEYS}")`,
      'string',
    ),
    flag('--pidfile <string>', 'Write the container process ID to the file', 'string'),
    flag('--sig-proxy', 'Proxy received signals to the process (default true)'),
  ],
  stopsAtArgument: true,
  async run(session, args, given) {
    const streams = attached(given);
    const detachKeys = parseDetachKeys(given.detachKeys ?? DEFAULT_DETACH_KEYS);
    const container = await makeContainer(session, args, given);
    const start = (options?: StartOptions): Promise<LibraryProcess> =>
      startOrRemove(container, given, options);
    if (given.detach) {
      await start();
      session.print(container.id);
      return 0;
    }
    const sigProxy = given.sigProxy ?? true;
    return foreground(session, start, { ...streams, tty: given.tty ?? false, sigProxy, detachKeys });
  },
});

/** Which streams are wanted: by default the two outputs, and stdin with `-i`. */
function attached(given: RunGiven): { stdin: boolean; stdout: boolean; stderr: boolean } {
  const interactive = given.interactive ?? false;
  if (!given.attach) return { stdin: interactive, stdout: true, stderr: true };
  const names = given.attach.map((name) => name.toLowerCase());
  for (const name of names) {
    if (!['stdin', 'stdout', 'stderr'].includes(name)) {
      throw new CommandError(
        `invalid stream "${name}" for --attach - must be one of stdin, stdout, or stderr`,
      );
    }
  }
  const has = (name: string): boolean => names.includes(name);
  return { stdin: interactive && has('stdin'), stdout: has('stdout'), stderr: has('stderr') };
}

async function startOrRemove(
  container: LibraryContainer,
  given: RunGiven,
  options?: StartOptions,
): Promise<LibraryProcess> {
  try {
    const child = await container.start(options);
    if (given.pidfile !== undefined) writeFileSync(given.pidfile, `${child.pid}`);
    return child;
  } catch (error) {
    // A container that never ran has no end at which it would be removed.
    if (given.rm) await container.remove({ force: true }).catch(() => undefined);
    throw error;
  }
}
