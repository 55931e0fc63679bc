import { readEnvironment } from '../environment.js';
import { CommandError } from '../errors.js';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '../detach-keys.js';
import { flag } from '../flags.js';
import { foreground } from '../foreground.js';
import { verb } from '../verb.js';
import { select, selectFlags } from './select.js';

interface ExecGiven {
  detach?: boolean;
  detachKeys?: string;
  env?: string[];
  envFile?: string[];
  interactive?: boolean;
  latest?: boolean;
  privileged?: boolean;
  tty?: boolean;
  user?: string;
  workdir?: string;
}

/** `vaina exec` */
export const exec = verb<ExecGiven>({
  usage: 'CONTAINER [COMMAND [ARG...]]',
  flags: [
    flag('-d, --detach', 'Run the exec session in detached mode (backgrounded)'),
    flag(
      '--detach-keys <keys>',
      `Key sequence for detaching a container (default "${DEFAULT_DETACH_KEYS}")`,
      'string',
    ),
    flag('-e, --env <stringArray>', 'Set environment variables', 'list'),
    flag('--env-file <strings>', 'Read in a file of environment variables', 'slice'),
    flag('-i, --interactive', 'Keep STDIN open even if not attached'),
    ...selectFlags('latest'),
    flag('--privileged', 'Give the process extended Linux capabilities inside the container'),
    flag('-t, --tty', 'Allocate a pseudo-TTY'),
    flag(
      '-u, --user <string>',
      'Username or UID and optionally the groupname or GID for the command',
      'string',
    ),
    flag('-w, --workdir <string>', 'Working directory inside the container', 'string'),
  ],
  stopsAtArgument: true,
  async run(session, args, given) {
    const name = given.latest ? undefined : args[0];
    const rest = given.latest ? args : args.slice(1);
    if (name === undefined && !given.latest) {
      throw new CommandError('exec requires the name or ID of a container or the --latest flag');
    }
    const { selected, failures } = await select(session, name === undefined ? [] : [name], {
      latest: given.latest ?? false,
    });
    const container = selected[0]?.container;
    if (!container) return failures[0] ?? session.complain(new CommandError('no containers found'));
    if (rest.length === 0)
      throw new CommandError('must provide a non-empty command to start an exec session');
    const options = {
      ...(given.env || given.envFile
        ? { env: readEnvironment(session.host.env, given.envFile, given.env) }
        : {}),
      ...(given.workdir === undefined ? {} : { workdir: given.workdir }),
      ...(given.user === undefined ? {} : { user: given.user }),
      ...(given.tty ? { tty: true } : {}),
      ...(given.privileged ? { privileged: true } : {}),
    };
    if (given.detach) {
      const child = await container.execStart(rest, { ...options, stdio: ['ignore', 'ignore', 'ignore'] });
      session.print(String(child.pid));
      return 0;
    }
    return foreground(session, (start) => container.execStart(rest, { ...options, ...start }), {
      tty: given.tty ?? false,
      stdin: given.interactive ?? false,
      stdout: true,
      stderr: true,
      // As podman: a signal ends the command line, not what it started.
      sigProxy: false,
      detachKeys: parseDetachKeys(given.detachKeys ?? DEFAULT_DETACH_KEYS),
    });
  },
});
