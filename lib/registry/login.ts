import { VainaError } from '../errors.js';
import { editAuthFile, readAuthFile, writablePlace, type AuthFile } from './auth-file.js';
import { eraseFromHelper, listHelper, storeInHelper } from './credential-helper.js';
import { DOCKER_SERVER, findCredentials, storeKey, type Secret } from './credentials.js';
import { parseLoginKey, type LoginKey } from './login-key.js';
import { checkNames, type RegistryOptions } from './options.js';
import { ping } from './ping.js';
import { AUTH_FILES } from './registries-conf.js';
import { loadRegistries } from './registries-files.js';

/** Which file credentials are kept in. */
export interface AuthFileOptions extends Pick<RegistryOptions, 'env' | 'registries'> {
  /**
   * The file of credentials. Default: $REGISTRY_AUTH_FILE, else `$XDG_RUNTIME_DIR/containers/auth.json`, without a
   * runtime directory `/run/containers/UID/auth.json`.
   */
  authFile?: string;
  /** A file of docker's, such as `~/.docker/config.json`, instead: its keys are docker's, and it has no namespaces. */
  compatAuthFile?: string;
}

/** Options of {@link login}. */
export interface LoginOptions extends AuthFileOptions, Omit<RegistryOptions, 'credentials' | 'authFile'> {
  /** As the registry knows the user. */
  username: string;
  /** In plain text. It is sent to the registry, and kept where the configuration says: in a file, or by a helper. */
  password: string;
  /** Whether the registry is asked first. Default true. */
  verify?: boolean;
  /** Aborts. What is asked of a helper is finished. */
  signal?: AbortSignal;
}

/** What {@link login} did. */
export interface LoginResult {
  /** What the credentials are kept under. */
  key: string;
  /** Where they are kept: the path of a file, or `credential helper: NAME`. */
  store: string;
}

/**
 * Logs in to a registry: shows it the credentials, and only when it takes them keeps them for all that pulls and pushes
 * later, also of podman, skopeo and buildah.
 *
 * @param registry - `host[:port]`; with a path (`quay.io/namespace`) the credentials are for what is below it
 * @returns where they are kept
 * @throws VainaError `ERR_UNAUTHORIZED` when the registry refuses them, and nothing is written; `ERR_REGISTRY_BLOCKED`,
 * `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY`; `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`; `ERR_PERMISSION` when the
 * file cannot be written
 */
export async function login(registry: string, options: LoginOptions): Promise<LoginResult> {
  checkNames('login', options, ['username', 'password', 'verify', 'compatAuthFile', 'signal']);
  const at = parseLoginKey(registry);
  const { username, password, verify = true } = options;
  if (typeof username !== 'string' || typeof password !== 'string')
    throw new VainaError('ERR_INVALID_OPTION', 'logging in needs a user name and a password');
  // In a file both are one text with a colon between them.
  if (username === '' || username.includes(':'))
    throw new VainaError('ERR_INVALID_OPTION', 'a user name must not be empty or have a colon in it');
  const { authFile, compatAuthFile } = checkFiles(options, at);
  const env = options.env ?? process.env;
  if (verify) await checkCredentials(at.registry, options);
  const errors: unknown[] = [];
  for (const helper of (await loadRegistries(options)).helpers) {
    try {
      if (helper !== AUTH_FILES) {
        refuseNamespace(at, helper);
        await storeInHelper(helper, at.key, { username, password }, env);
        return { key: at.key, store: `credential helper: ${helper}` };
      }
      const path = compatAuthFile ?? (await writablePlace(authFile, env));
      return { key: at.key, store: await storeInFile(path, at, { username, password }, compatAuthFile, env) };
    } catch (error) {
      errors.push(error);
    }
  }
  throw errors[0] instanceof Error
    ? errors[0]
    : new VainaError('ERR_INVALID_OPTION', 'there is no place for credentials');
}

/**
 * Asks a registry whether it takes credentials, by `GET /v2/` and the token server that it names.
 *
 * @throws VainaError `ERR_UNAUTHORIZED` when it does not
 */
async function checkCredentials(registry: string, options: LoginOptions): Promise<void> {
  const { username, password, verify: _, authFile: __, compatAuthFile: ___, ...others } = options;
  await ping(registry, { ...others, credentials: { username, password } });
}

/**
 * Asks a registry whether it takes the credentials that are kept for it.
 *
 * @param registry - as at {@link login}
 * @returns false when there are none with a user and a password, or it refuses them
 * @throws VainaError when the registry does not answer
 */
export async function verifyLogin(
  registry: string,
  options: AuthFileOptions & Pick<LoginOptions, 'tlsVerify' | 'certDir' | 'signal'> = {},
): Promise<boolean> {
  checkNames('verifyLogin', options, ['compatAuthFile', 'signal']);
  const at = parseLoginKey(registry);
  const secret = await keptSecret(at, options);
  if (secret?.kind !== 'password') return false;
  try {
    await checkCredentials(at.registry, { ...options, username: secret.username, password: secret.password });
    return true;
  } catch (error) {
    if (VainaError.is(error, 'ERR_UNAUTHORIZED')) return false;
    throw error;
  }
}

async function storeInFile(
  path: string,
  at: LoginKey,
  { username, password }: { username: string; password: string },
  compat: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const key = fileKey(at, compat);
  let store = path;
  await editAuthFile(path, async (file) => {
    const own = file.helpers[at.key];
    const helper = own ?? file.store;
    if (helper === undefined || (own === undefined && at.path !== '')) {
      file.auths[key] = { auth: Buffer.from(`${username}:${password}`).toString('base64') };
      return true;
    }
    refuseNamespace(at, helper);
    const server = own === undefined ? storeKey(at.key) : at.key;
    await storeInHelper(helper, server, { username, password }, env);
    store = `credential helper: ${helper}`;
    // As docker does: an empty entry says that there is something in its store.
    if (own === undefined) file.auths[key] = {};
    return own === undefined;
  });
  return store;
}

/**
 * Forgets the credentials of a registry.
 *
 * @param registry - as at {@link login}; only what is kept under exactly this name is forgotten
 * @throws VainaError `ERR_UNAUTHORIZED` when there are none
 */
export async function logout(registry: string, options: AuthFileOptions = {}): Promise<void> {
  checkNames('logout', options, ['compatAuthFile']);
  const at = parseLoginKey(registry);
  const { authFile, compatAuthFile } = checkFiles(options, at);
  const env = options.env ?? process.env;
  let known = false;
  for (const helper of (await loadRegistries(options)).helpers) {
    if (helper !== AUTH_FILES) {
      if (at.path === '') known = (await eraseFromHelper(helper, at.key, env)) || known;
      continue;
    }
    const path = compatAuthFile ?? (await writablePlace(authFile, env));
    const key = fileKey(at, compatAuthFile);
    if (!(await readAuthFile({ path }))) continue;
    await editAuthFile(path, async (file) => {
      const own = file.helpers[at.key];
      if (own !== undefined) known = (await eraseFromHelper(own, at.key, env)) || known;
      else if (file.store !== undefined && at.path === '')
        known = (await eraseFromHelper(file.store, storeKey(at.key), env)) || known;
      const had = Object.hasOwn(file.auths, key);
      if (had) known ||= Object.keys(file.auths[key] ?? {}).length > 0;
      delete file.auths[key];
      return had;
    });
  }
  if (!known) {
    throw new VainaError('ERR_UNAUTHORIZED', `not logged into ${at.key}`, { subject: at.key });
  }
}

/** Forgets all credentials of the file, and of the helpers that it and the configuration of registries name. */
export async function logoutAll(options: AuthFileOptions = {}): Promise<void> {
  checkNames('logout', options, ['compatAuthFile']);
  const { authFile, compatAuthFile } = checkFiles(options);
  const env = options.env ?? process.env;
  const empty = async (helper: string): Promise<void> => {
    for (const server of await listHelper(helper, env)) await eraseFromHelper(helper, server, env);
  };
  for (const helper of (await loadRegistries(options)).helpers) {
    if (helper !== AUTH_FILES) {
      await empty(helper);
      continue;
    }
    const path = compatAuthFile ?? (await writablePlace(authFile, env));
    if (!(await readAuthFile({ path }))) continue;
    await editAuthFile(path, async (file: AuthFile) => {
      for (const [key, own] of Object.entries(file.helpers)) await eraseFromHelper(own, key, env);
      if (file.store !== undefined) await empty(file.store);
      for (const key of Object.keys(file.auths)) delete file.auths[key];
      return true;
    });
  }
}

/**
 * The user that one is logged in as.
 *
 * @param registry - as at {@link login}; credentials for more than it count too
 * @returns undefined when there are no credentials, or ones that name no user
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed file
 */
export async function getLogin(registry: string, options: AuthFileOptions = {}): Promise<string | undefined> {
  checkNames('getLogin', options, ['compatAuthFile']);
  const secret = await keptSecret(parseLoginKey(registry), options);
  return secret?.kind === 'password' ? secret.username : undefined;
}

async function keptSecret(at: LoginKey, options: AuthFileOptions): Promise<Secret | undefined> {
  const { authFile, compatAuthFile } = checkFiles(options);
  const file = authFile ?? compatAuthFile;
  const { env, registries } = options;
  const where = {
    ...(file !== undefined && { authFile: file }),
    ...(env && { env }),
    ...(registries !== undefined && { registries }),
  };
  return findCredentials(at.registry, at.path, where, true);
}

function checkFiles(
  options: AuthFileOptions,
  at?: LoginKey,
): { authFile: string | undefined; compatAuthFile: string | undefined } {
  const { authFile, compatAuthFile } = options;
  if (authFile !== undefined && compatAuthFile !== undefined) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      'options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously',
    );
  }
  if (compatAuthFile !== undefined && at && at.path !== '') {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `a docker-compatible credential file has no credentials for a part of a registry such as ${at.key}`,
    );
  }
  return { authFile, compatAuthFile };
}

function fileKey(at: LoginKey, compat: string | undefined): string {
  return compat !== undefined && at.key === 'docker.io' ? DOCKER_SERVER : at.key;
}

function refuseNamespace(at: LoginKey, helper: string): void {
  if (at.path === '') return;
  throw new VainaError(
    'ERR_UNSUPPORTED',
    `credential helper ${helper} keeps credentials of whole registries, not of ${at.key}`,
    { subject: at.key },
  );
}
