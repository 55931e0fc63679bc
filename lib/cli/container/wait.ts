import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import { verb } from '../verb.js';
import { select, selectFlags, type SelectGiven } from './select.js';

/** `vaina wait` */
export const wait = verb<Pick<SelectGiven, 'ignore' | 'latest'>>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: selectFlags('ignore', 'latest'),
  async run(session, args, given) {
    if (args.length === 0 && !given.latest) {
      throw new CommandError(`"${session.path}" requires a name, id, or the "--latest" flag`);
    }
    let worst = 0;
    const names = given.latest ? [undefined] : args;
    for (const name of names) {
      const code = await waitFor(name);
      if (code !== 0) worst = code;
    }
    return worst;

    async function waitFor(name: string | undefined): Promise<number> {
      const { selected, failures } = await select(session, name === undefined ? [] : [name], given);
      const found = selected[0];
      if (!found) {
        // podman's answer for a container that was allowed to be missing.
        if (failures.length === 0) session.print('-1');
        return failures[0] ?? 0;
      }
      try {
        const ended = await found.container.wait();
        session.print(String(ended.unknown ? -1 : ended.exitCode));
        return 0;
      } catch (error) {
        if (VainaError.is(error, 'ERR_NO_SUCH_CONTAINER') && given.ignore) {
          session.print('-1');
          return 0;
        }
        return session.complain(error);
      }
    }
  },
});
