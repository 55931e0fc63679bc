import { VainaError } from '../../errors.js';
import { CommandError, EXIT_ENGINE } from '../errors.js';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '../detach-keys.js';
import { flag } from '../flags.js';
import { foreground } from '../foreground.js';
import type { StartOptions } from '../../index.js';
import type { LibraryContainer, LibraryProcess } from '../library.js';
import { verb, type Session } from '../verb.js';
import { actOnEach, select, selectFlags, type SelectGiven } from './select.js';

interface StartGiven extends SelectGiven {
  attach?: boolean;
  detachKeys?: string;
  interactive?: boolean;
  sigProxy?: boolean;
}

/** `vaina start` */
export const start = verb<StartGiven>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: [
    flag('--all', 'Start all containers regardless of their state or configuration'),
    flag('-a, --attach', "Attach container's STDOUT and STDERR"),
    flag(
      '--detach-keys <keys>',
      `Key sequence for detaching a container (default "${DEFAULT_DETACH_KEYS}")`,
      'string',
    ),
    ...selectFlags('filter'),
    flag('-i, --interactive', "Attach container's STDIN; alone it attaches the outputs too"),
    ...selectFlags('latest'),
    flag('--sig-proxy', 'Proxy received signals to the process (default true if attaching, false otherwise)'),
  ],
  async run(session, args, given) {
    const attach = (given.attach ?? false) || (given.interactive ?? false);
    if (attach && args.length > 1)
      throw new CommandError('you cannot start and attach multiple containers at once');
    if (given.sigProxy && !attach) throw new CommandError('you cannot use sig-proxy without --attach');
    const selection = await select(session, args, given);
    if (attach) {
      const [first, ...more] = selection.selected;
      if (!first) return selection.failures[0] ?? EXIT_ENGINE;
      if (more.length > 0) throw new CommandError('you cannot start and attach multiple containers at once');
      return attachTo(session, first.container, given);
    }
    const failures = await actOnEach(session, selection, startUnlessRunning);
    return failures.length > 0 ? EXIT_ENGINE : 0;
  },
});

async function startUnlessRunning(container: LibraryContainer): Promise<boolean> {
  try {
    await container.start();
    return true;
  } catch (error) {
    // podman: starting what runs already is no failure, and nothing to tell of.
    if (!(await isRunning(container, error))) throw error;
    return false;
  }
}

async function attachTo(session: Session, container: LibraryContainer, given: StartGiven): Promise<number> {
  const inspected = (await container.inspect()) as { Config?: { Tty?: boolean } };
  const begin = async (options: StartOptions): Promise<LibraryProcess> => {
    try {
      return await container.start(options);
    } catch (error) {
      if (!(await isRunning(container, error))) throw error;
      return container.attach(options.stdio ? { stdio: options.stdio } : {});
    }
  };
  return foreground(session, begin, {
    tty: inspected.Config?.Tty ?? false,
    stdin: given.interactive ?? false,
    stdout: true,
    stderr: true,
    sigProxy: given.sigProxy ?? true,
    detachKeys: parseDetachKeys(given.detachKeys ?? DEFAULT_DETACH_KEYS),
  });
}

async function isRunning(container: LibraryContainer, error: unknown): Promise<boolean> {
  if (!VainaError.is(error, 'ERR_INVALID_STATE')) return false;
  const { State } = (await container.inspect()) as { State?: { Running?: boolean } };
  return State?.Running ?? false;
}
