import { lstat, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VainaError } from '../errors.js';
import { asObject, optionalMap, optionalString, readString } from '../oci/guards.js';
import { replaceFile } from '../util/replace-file.js';
import { parseStrictJson, type JsonObject } from '../util/strict-json.js';
import { homeOf } from './homes.js';

const MAX_AUTH_FILE = 1024 * 1024;

/** One file of credentials, read. */
export interface AuthFile {
  path: string;
  auths: Record<string, JsonObject>;
  helpers: Record<string, string>;
  store?: string;
  /** The whole document, with members that only other programs know. */
  top: JsonObject;
}

/** Where credentials may be. */
export interface AuthPlace {
  path: string;
  /** Whether it must exist: the user named it. */
  required?: boolean;
  /** Whether it is docker's old format. */
  legacy?: boolean;
}

/**
 * The files that credentials are looked up in, in order (containers-auth.json(5)); only one when the user names it by
 * the option or by REGISTRY_AUTH_FILE.
 */
export function authPlaces(named: string | undefined, env: NodeJS.ProcessEnv): AuthPlace[] {
  if (named !== undefined) return [{ path: named, required: true }];
  if (env['REGISTRY_AUTH_FILE']) return [{ path: env['REGISTRY_AUTH_FILE'] }];
  const home = homeOf(env);
  const config = env['XDG_CONFIG_HOME'] ?? (home && join(home, '.config'));
  const docker = env['DOCKER_CONFIG'] ?? (home && join(home, '.docker'));
  return [
    { path: runtimePath(env) },
    ...(config ? [{ path: join(config, 'containers/auth.json') }] : []),
    ...(docker ? [{ path: join(docker, 'config.json') }] : []),
    ...(home ? [{ path: join(home, '.dockercfg'), legacy: true }] : []),
  ];
}

/** The one file that logging in writes to. */
export async function writablePlace(named: string | undefined, env: NodeJS.ProcessEnv): Promise<string> {
  if (named !== undefined) return named;
  if (env['REGISTRY_AUTH_FILE']) return env['REGISTRY_AUTH_FILE'];
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime && !(await lstat(runtime).catch(() => undefined))) {
    throw new VainaError('ERR_NO_SUCH_PATH', `directory ${runtime} set by $XDG_RUNTIME_DIR does not exist`, {
      path: runtime,
      hint: 'either create the directory or unset $XDG_RUNTIME_DIR',
    });
  }
  return runtimePath(env);
}

function runtimePath(env: NodeJS.ProcessEnv): string {
  return env['XDG_RUNTIME_DIR']
    ? join(env['XDG_RUNTIME_DIR'], 'containers/auth.json')
    : `/run/containers/${process.getuid?.() ?? 0}/auth.json`;
}

/**
 * Reads a file of credentials.
 *
 * @returns undefined when it does not exist
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed one, `ERR_PERMISSION`, `ERR_NO_SUCH_PATH` for one that is required
 */
export async function readAuthFile(place: AuthPlace): Promise<AuthFile | undefined> {
  const { path, legacy = false, required = false } = place;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      if (!required) return undefined;
      throw new VainaError('ERR_NO_SUCH_PATH', `authentication file ${path} does not exist`, { path });
    }
    throw new VainaError('ERR_PERMISSION', `authentication file ${path} cannot be read: ${code}`, {
      path,
      cause,
    });
  }
  if (bytes.length > MAX_AUTH_FILE)
    throw new VainaError('ERR_INVALID_OPTION', `authentication file ${path} is too large`);
  // An editor may leave it empty, and mktemp makes it so.
  if (bytes.length === 0) return { path, auths: nothing(), helpers: nothing(), top: {} };
  try {
    const object = asObject(parseStrictJson(bytes, path, 'ERR_INVALID_OPTION'), path);
    const top = legacy ? { auths: object } : object;
    const store = optionalString(top, 'credsStore', path);
    return {
      path,
      auths: optionalMap(top, 'auths', path, asObject) ?? nothing(),
      helpers: optionalMap(top, 'credHelpers', path, readString) ?? nothing(),
      ...(store !== undefined && store !== '' && { store }),
      top,
    };
  } catch (cause) {
    // The message names the place, never the content, which may be a secret.
    throw new VainaError('ERR_INVALID_OPTION', `authentication file ${path} is malformed`, { path, cause });
  }
}

/**
 * Changes a file of credentials, which is made when it is missing. All that is not changed stays, and so does the file
 * when nothing is.
 *
 * @param change - is given the entries to change; false when it has not changed any
 */
export async function editAuthFile(
  path: string,
  change: (file: AuthFile) => boolean | Promise<boolean>,
): Promise<void> {
  try {
    await replaceFile(path, async () => {
      const file = (await readAuthFile({ path })) ?? { path, auths: nothing(), helpers: nothing(), top: {} };
      if (!(await change(file))) return undefined;
      const { credHelpers: _, ...others } = file.top;
      const helpers = Object.keys(file.helpers).length > 0 ? { credHelpers: { ...file.helpers } } : {};
      return `${JSON.stringify({ ...others, auths: { ...file.auths }, ...helpers }, undefined, '\t')}\n`;
    });
  } catch (cause) {
    if (VainaError.is(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new VainaError('ERR_PERMISSION', `authentication file ${path} cannot be written: ${code}`, {
      path,
      ...(code === 'EACCES' && {
        hint: `${dirname(path)} must be a directory of yours; or name another file`,
      }),
      cause,
    });
  }
}

/** A map in which not even `toString` is found. */
function nothing<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}
