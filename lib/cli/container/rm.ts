import { VainaError } from '../../errors.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';
import { actOnEach, select, selectFlags, type SelectGiven } from './select.js';

interface RmGiven extends SelectGiven {
  force?: boolean;
  time?: number;
}

/** A named container does not exist. */
const EXIT_MISSING = 1;
/** A container runs and `--force` was not given. */
const EXIT_RUNNING = 2;

/** `vaina rm` */
export const rm = verb<RmGiven>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: [
    ...selectFlags('all', 'cidfile', 'ignore', 'latest'),
    flag('--filter <strings>', 'Filter output based on conditions given', 'list'),
    flag('-f, --force', 'Force removal of a running or unusable container'),
    flag('-t, --time <int>', 'Seconds to wait for stop before killing the container (default 10)', 'int'),
  ],
  async run(session, args, given) {
    const force = given.force ?? false;
    const selection = await select(
      session,
      args,
      { ...given, ignore: force || (given.ignore ?? false) },
      EXIT_MISSING,
    );
    const options = { force, ...(given.time === undefined ? {} : { timeout: given.time }) };
    const failures = await actOnEach(
      session,
      selection,
      (container) => container.remove(options),
      (error, code) => (VainaError.is(error, 'ERR_INVALID_STATE') ? EXIT_RUNNING : code),
    );
    return failures.length === 0 ? 0 : Math.max(...failures);
  },
});
