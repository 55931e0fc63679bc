import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { verb } from '../verb.js';
import { accountFlags, authFiles, keyOf, registryOf, type AccountGiven } from './account.js';

interface LogoutGiven extends AccountGiven {
  all?: boolean;
}

/** `vaina logout` */
export const logout = verb<LogoutGiven>({
  usage: '[REGISTRY]',
  flags: [
    flag('-a, --all', 'Remove the cached credentials for all registries in the auth file'),
    ...accountFlags(),
  ],
  async run(session, args, given) {
    const library = session.jobs.registries;
    const files = authFiles(given);
    if (given.all) {
      if (args.length > 0) throw new CommandError('--all takes no arguments');
      await library.logoutAll(files);
      session.print('Removed login credentials for all registries');
      return 0;
    }
    const registry = await registryOf(library, args);
    const key = keyOf(registry);
    try {
      await library.logout(registry, files);
    } catch (error) {
      if (!VainaError.is(error, 'ERR_UNAUTHORIZED')) throw error;
      if ((await library.getLogin(registry, files)) === undefined) throw new CommandError(error.message);
      session.print(
        `Not logged into ${key} with current tool. Existing credentials were established via docker login. Please use docker logout instead.`,
      );
      return 0;
    }
    session.print(`Removed login credentials for ${key}`);
    return 0;
  },
});
