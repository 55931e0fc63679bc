import { EXIT_ENGINE } from '../errors.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';
import { signal } from './create-options.js';
import { actOnEach, select, selectFlags, type SelectGiven } from './select.js';

interface KillGiven extends SelectGiven {
  signal?: string;
}

/** `vaina kill` */
export const kill = verb<KillGiven>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: [
    ...selectFlags('all', 'cidfile', 'latest'),
    flag('-s, --signal <string>', 'Signal to send to the container (default "KILL")', 'string'),
  ],
  async run(session, args, given) {
    const number = signal(given.signal ?? 'KILL');
    const running = given.all && args.length === 0;
    const chosen = running ? { ...given, all: false, filter: ['status=running'] } : given;
    const failures = await actOnEach(session, await select(session, args, chosen), (container) =>
      container.kill(number),
    );
    return failures.length > 0 ? EXIT_ENGINE : 0;
  },
});
