import { EXIT_ENGINE } from '../errors.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';
import { actOnEach, select, selectFlags, type SelectGiven } from './select.js';

interface StopGiven extends SelectGiven {
  time?: number;
}

/** `vaina stop` */
export const stop = verb<StopGiven>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: [
    ...selectFlags('all', 'cidfile', 'filter', 'ignore', 'latest'),
    flag('-t, --time <int>', 'Seconds to wait for stop before killing the container (default 10)', 'int'),
  ],
  async run(session, args, given) {
    const timeout = given.time === undefined ? {} : { timeout: given.time };
    // podman's --all means those that run; stopping the others would do nothing but print their names.
    const running = given.all && !given.filter ? { ...given, all: false, filter: ['status=running'] } : given;
    const chosen = args.length > 0 ? given : running;
    const failures = await actOnEach(session, await select(session, args, chosen), (container) =>
      container.stop(timeout),
    );
    return failures.length > 0 ? EXIT_ENGINE : 0;
  },
});
