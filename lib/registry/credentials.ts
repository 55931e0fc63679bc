import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import { asObject, member, optionalMap, optionalString, readString } from '../oci/guards.js';
import { parseStrictJson, type JsonObject } from '../util/strict-json.js';
import { askHelper } from './credential-helper.js';
import { homeOf } from './homes.js';
import type { Credentials, RegistryOptions } from './options.js';

/** What a registry can be shown: a password, or a token to make others of. */
export type Secret =
  { kind: 'password'; username: string; password: string } | { kind: 'identity'; token: string };

const MAX_AUTH_FILE = 1024 * 1024;
/** The key that docker has for its own registry. */
const DOCKER_SERVER = 'https://index.docker.io/v1/';

/** One file of credentials, read. */
interface AuthFile {
  path: string;
  auths: Record<string, JsonObject>;
  helpers: Record<string, string>;
  store?: string;
}

/**
 * Looks up the credentials for a repository (containers-auth.json(5)): those of the options; else in `authFile`, or
 * REGISTRY_AUTH_FILE, alone if one is given; else `containers/auth.json` in the runtime directory and in the
 * configuration directory, docker's `config.json`, and `~/.dockercfg`. In each file a credential helper comes first,
 * then the longest key that the repository starts with.
 *
 * @param domain - of the reference, e.g. `docker.io`
 * @param path - of the repository below it
 * @returns undefined when there are none: anonymous
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed file, `ERR_NO_SUCH_PATH` when `authFile` is missing
 */
export async function findCredentials(
  domain: string,
  path: string,
  options: Pick<RegistryOptions, 'credentials' | 'authFile' | 'env'>,
): Promise<Secret | undefined> {
  if (options.credentials) return passwordOf(options.credentials);
  const env = options.env ?? process.env;
  for (const file of authFiles(options.authFile, env)) {
    const read = await readAuthFile(file.path, file.legacy === true);
    if (read === undefined) {
      if (!file.required) continue;
      throw new VainaError('ERR_NO_SUCH_PATH', `authentication file ${file.path} does not exist`, {
        path: file.path,
      });
    }
    const found = await lookUp(read, domain, path, env);
    if (found) return found;
  }
  return undefined;
}

function authFiles(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
): { path: string; required?: boolean; legacy?: boolean }[] {
  if (named !== undefined) return [{ path: named, required: true }];
  if (env['REGISTRY_AUTH_FILE']) return [{ path: env['REGISTRY_AUTH_FILE'] }];
  const home = homeOf(env);
  const runtime = env['XDG_RUNTIME_DIR']
    ? join(env['XDG_RUNTIME_DIR'], 'containers/auth.json')
    : `/run/containers/${process.getuid?.() ?? 0}/auth.json`;
  const config = env['XDG_CONFIG_HOME'] ?? (home && join(home, '.config'));
  const docker = env['DOCKER_CONFIG'] ?? (home && join(home, '.docker'));
  return [
    { path: runtime },
    ...(config ? [{ path: join(config, 'containers/auth.json') }] : []),
    ...(docker ? [{ path: join(docker, 'config.json') }] : []),
    ...(home ? [{ path: join(home, '.dockercfg'), legacy: true }] : []),
  ];
}

async function readAuthFile(path: string, legacy: boolean): Promise<AuthFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new VainaError('ERR_PERMISSION', `authentication file ${path} cannot be read: ${code}`, {
      path,
      cause,
    });
  }
  if (bytes.length > MAX_AUTH_FILE)
    throw new VainaError('ERR_INVALID_OPTION', `authentication file ${path} is too large`);
  try {
    const object = asObject(parseStrictJson(bytes, path, 'ERR_INVALID_OPTION'), path);
    const top = legacy ? { auths: object } : object;
    const store = legacy ? undefined : optionalString(top, 'credsStore', path);
    return {
      path,
      auths: optionalMap(top, 'auths', path, asObject) ?? nothing(),
      helpers: optionalMap(top, 'credHelpers', path, readString) ?? nothing(),
      ...(store !== undefined && store !== '' && { store }),
    };
  } catch (cause) {
    // The message names the place, never the content, which may be a secret.
    throw new VainaError('ERR_INVALID_OPTION', `authentication file ${path} is malformed`, { path, cause });
  }
}

/** A map in which not even `toString` is found. */
function nothing<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

async function lookUp(
  file: AuthFile,
  domain: string,
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  const helper = file.helpers[domain];
  if (helper !== undefined) {
    const found = await askHelper(helper, domain, env);
    if (found) return found;
  }
  if (file.store !== undefined && helper === undefined) {
    const found = await askHelper(file.store, domain === 'docker.io' ? DOCKER_SERVER : domain, env);
    if (found) return found;
  }
  const parts = [domain, ...path.split('/')];
  for (let length = parts.length; length > 0; length--) {
    const entry = file.auths[parts.slice(0, length).join('/')];
    const found = entry && readEntry(entry, file.path);
    if (found) return found;
  }
  // Docker writes URLs as keys.
  const entry = Object.entries(file.auths).find(([key]) => hostOfKey(key) === domain)?.[1];
  return entry && readEntry(entry, file.path);
}

function hostOfKey(key: string): string {
  const host = key.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
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
