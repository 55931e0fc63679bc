import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import type { LoginOptions } from '../../registry/index.js';
import type { LibraryRegistries } from '../library.js';
import { Prompt } from '../prompt.js';
import { accessOptions } from '../transfer.js';
import { verb, type Session } from '../verb.js';
import { accountFlags, authFiles, keyOf, registryOf, type AccountGiven } from './account.js';

interface LoginGiven extends AccountGiven {
  certDir?: string;
  getLogin?: boolean;
  password?: string;
  passwordStdin?: boolean;
  tlsVerify?: boolean;
  username?: string;
  verbose?: boolean;
}

/** `vaina login` */
export const login = verb<LoginGiven>({
  usage: '[REGISTRY]',
  flags: [
    ...accountFlags(),
    flag('--cert-dir <string>', 'use certificates at the specified path to access the registry', 'string'),
    flag('--get-login', 'Return the current login user for the registry'),
    flag('-p, --password <string>', 'Password for registry', 'string'),
    flag('--password-stdin', 'Take the password from stdin'),
    flag('--tls-verify', 'Require HTTPS and verify certificates when contacting registries'),
    flag('-u, --username <string>', 'Username for registry', 'string'),
    flag('-v, --verbose', 'Write more detailed information to stdout'),
  ],
  async run(session, args, given) {
    const library = session.jobs.registries;
    const registry = await registryOf(library, args);
    const key = keyOf(registry);
    const files = authFiles(given);
    const known = await library.getLogin(registry, files);
    if (given.getLogin) {
      if (known === undefined) throw new CommandError(`not logged into ${key}`);
      session.print(known);
      return 0;
    }
    const how = { ...files, ...accessOptions(given) };
    const asked = (given.username ?? '') !== '' || (given.password ?? '') !== '' || given.passwordStdin;
    if (known !== undefined && !asked) {
      session.print(`Authenticating with existing credentials for ${key}`);
      if (await session.abortable((signal) => library.verifyLogin(registry, { ...how, signal }))) {
        session.print(`Existing credentials are valid. Already logged in to ${key.split('/', 1)[0]}`);
        return 0;
      }
      session.print('Existing credentials are invalid, please enter valid username and password');
    }
    const prompt = new Prompt(session.host);
    const { username, password } = await credentials(prompt, given, known);
    const { store } = await attempt(session, library, registry, key, {
      ...how,
      username,
      password,
    });
    if (given.verbose) session.print(`Used:  ${store}`);
    session.print('Login Succeeded!');
    return 0;
  },
});

/** What is not given is asked for. */
async function credentials(
  prompt: Prompt,
  given: LoginGiven,
  known: string | undefined,
): Promise<{ username: string; password: string }> {
  let { username = '', password = '' } = given;
  if (given.passwordStdin) {
    if (password !== '') throw new CommandError("Can't specify both --password-stdin and --password");
    if (username === '') throw new CommandError('Must provide --username with --password-stdin');
    password = await prompt.all();
  }
  if (username === '') {
    username = await prompt.line(known === undefined ? 'Username: ' : `Username (${known}): `);
    if (username.trim() === '') username = known ?? '';
  }
  if (password === '')
    password = await prompt.secret('Password: ', 'getting username and password: reading password');
  return { username: username.trim(), password };
}

async function attempt(
  session: Session,
  library: LibraryRegistries,
  registry: string,
  key: string,
  options: LoginOptions,
): Promise<{ store: string }> {
  try {
    return await session.abortable((signal) => library.login(registry, { ...options, signal }));
  } catch (error) {
    if (VainaError.is(error, 'ERR_UNAUTHORIZED'))
      throw new CommandError(`logging into "${key}": invalid username/password`);
    if (VainaError.is(error) && error.code.startsWith('ERR_REGISTRY'))
      throw new CommandError(`authenticating creds for "${key}": ${error.message}`);
    throw error;
  }
}
