import { VainaError } from '../errors.js';
import { member } from '../oci/guards.js';
import type { JsonObject } from '../util/strict-json.js';
import { authPlaces, readAuthFile, type AuthFile, type AuthPlace } from './auth-file.js';
import { askHelper } from './credential-helper.js';
import type { Credentials, RegistryOptions } from './options.js';
import { AUTH_FILES } from './registries-conf.js';
import { loadRegistries } from './registries-files.js';

/** What a registry can be shown: a password, or a token to make others of. */
export type Secret =
  { kind: 'password'; username: string; password: string } | { kind: 'identity'; token: string };

/** The key that docker has for its own registry. */
export const DOCKER_SERVER = 'https://index.docker.io/v1/';

/**
 * Looks up the credentials for a repository (containers-auth.json(5)): those of the options; else those of the
 * `credential-helpers` of containers-registries.conf(5), in order, of which one is the files: `authFile`, or
 * REGISTRY_AUTH_FILE, alone if one is given; else `containers/auth.json` in the runtime directory and in the
 * configuration directory, docker's `config.json`, and `~/.dockercfg`. In each file a credential helper comes first,
 * then the longest key that the repository starts with.
 *
 * @param domain - of the reference, e.g. `docker.io`
 * @param path - of the repository below it; empty for the registry as a whole
 * @param lenient - whether `authFile` may be missing: nobody has logged in yet
 * @returns undefined when there are none: anonymous
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed file, `ERR_NO_SUCH_PATH` when `authFile` is missing,
 * `ERR_UNAUTHORIZED` when a helper fails and no other place has credentials
 */
export async function findCredentials(
  domain: string,
  path: string,
  options: Pick<RegistryOptions, 'credentials' | 'anonymous' | 'authFile' | 'env' | 'registries'>,
  lenient = false,
): Promise<Secret | undefined> {
  if (options.anonymous) return undefined;
  if (options.credentials) return passwordOf(options.credentials);
  const env = options.env ?? process.env;
  const { helpers } = await loadRegistries(options);
  const errors: unknown[] = [];
  for (const helper of helpers) {
    try {
      const found =
        helper === AUTH_FILES
          ? await findInFiles(domain, path, authPlaces(options.authFile, env), lenient, env)
          : await askHelper(helper, domain, env);
      if (found) return found;
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return undefined;
}

async function findInFiles(
  domain: string,
  path: string,
  places: readonly AuthPlace[],
  lenient: boolean,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  for (const place of places) {
    const read = await readAuthFile(lenient ? { ...place, required: false } : place);
    const found = read && (await lookUp(read, domain, path, env));
    if (found) return found;
  }
  return undefined;
}

async function lookUp(
  file: AuthFile,
  domain: string,
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  const keys = keysFor(domain, path);
  const helped = keys.find((key) => file.helpers[key] !== undefined);
  const helper = helped === undefined ? undefined : file.helpers[helped];
  if (helped !== undefined && helper !== undefined) {
    const found = await askHelper(helper, helped, env);
    if (found) return found;
  }
  if (file.store !== undefined && helper === undefined) {
    const found = await askHelper(file.store, storeKey(domain), env);
    if (found) return found;
  }
  for (const key of keys) {
    const entry = file.auths[key];
    const found = entry && readEntry(entry, file.path);
    if (found) return found;
  }
  // Docker writes URLs as keys.
  const entry = Object.entries(file.auths).find(([key]) => isUrlOf(key, domain))?.[1];
  return entry && readEntry(entry, file.path);
}

/** The keys that a repository may be found by, the longest first. */
function keysFor(domain: string, path: string): string[] {
  const parts = path === '' ? [domain] : [domain, ...path.split('/')];
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('/'));
}

/** What docker's credential store calls a registry. */
export function storeKey(domain: string): string {
  return domain === 'docker.io' ? DOCKER_SERVER : domain;
}

/** Whether a key of a file means a registry as a whole, in another way than by its name. */
function isUrlOf(key: string, domain: string): boolean {
  const url = /^https?:\/\//.test(key);
  // A key with a path is one for a part of the registry, unless it is the URL of its API.
  if (!url && key.includes('/')) return false;
  const host = key.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  return (host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host) === domain;
}

function readEntry(entry: JsonObject, path: string): Secret | undefined {
  const token = member(entry, 'identitytoken');
  if (typeof token === 'string' && token !== '') return { kind: 'identity', token };
  const auth = member(entry, 'auth');
  if (typeof auth !== 'string' || auth === '') return undefined;
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1)
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `authentication file ${path} has an entry that is not user:password`,
    );
  // Docker for Windows pads the password.
  return passwordOf({ username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') });
}

function passwordOf({ username, password }: Credentials): Secret {
  return { kind: 'password', username, password };
}
