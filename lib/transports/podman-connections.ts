import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import { confFiles } from '../registry/registries-files.js';
import { readToml, type StorageUser } from './containers-storage/configuration.js';

/** A place that `podman system connection` has a name for. */
export interface PodmanConnection {
  /** Where the service is, as in `ssh://USER@HOST:PORT/run/podman/podman.sock`. It may hold a password. */
  uri: string;
  /** File of the key to log in with. */
  identity?: string;
}

type Table = Readonly<Record<string, unknown>>;

/**
 * The connection of podman that has a name: of `podman-connections.json`, which podman 5 writes, else of `engine.service_destinations`
 * in the files of containers.conf(5), of which later ones win.
 *
 * @returns undefined when there is none of the name
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed file, `ERR_NO_SUCH_PATH`, `ERR_PERMISSION`
 */
export async function podmanConnection(
  name: string,
  user: StorageUser = { env: process.env, uid: process.getuid?.() ?? 0 },
): Promise<PodmanConnection | undefined> {
  const { env, uid } = user;
  const home = join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'containers');
  const json = env['PODMAN_CONNECTIONS_CONF'] || join(home, 'podman-connections.json');
  const written = memberOf(await readJson(json), ['Connection', 'Connections', name], json);
  if (written) return checked(written, ['URI', 'Identity'], name, json);
  let found: PodmanConnection | undefined;
  for (const [path, required] of await containersConfs(env, uid === 0 ? undefined : home)) {
    const toml = (await readToml(path, required)) ?? {};
    const destination = memberOf(toml, ['engine', 'service_destinations', name], path);
    if (destination) found = checked(destination, ['uri', 'identity'], name, path);
  }
  return found;
}

/** Each file, and whether it must be there. */
async function containersConfs(
  env: NodeJS.ProcessEnv,
  home: string | undefined,
): Promise<[path: string, required: boolean][]> {
  const named = env['CONTAINERS_CONF'];
  const last = env['CONTAINERS_CONF_OVERRIDE'];
  const paths: string[] = [];
  if (!named) {
    paths.push('/usr/share/containers/containers.conf');
    for (const directory of ['/etc/containers', ...(home === undefined ? [] : [home])]) {
      const main = join(directory, 'containers.conf');
      paths.push(main, ...(await confFiles(`${main}.d`)));
    }
  }
  return [
    ...(named ? [[named, true] as [string, boolean]] : []),
    ...paths.map((path): [string, boolean] => [path, false]),
    ...(last ? [[last, true] as [string, boolean]] : []),
  ];
}

async function readJson(path: string): Promise<Table> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw fileFailure(error, path);
  }
  try {
    return JSON.parse(text) as Table;
  } catch (cause) {
    throw new VainaError('ERR_INVALID_OPTION', `${path} is not JSON`, { path, cause });
  }
}

/** A table within tables, where it is there. */
function memberOf(top: Table, keys: readonly string[], path: string): Table | undefined {
  let at: unknown = top;
  for (const key of ['', ...keys]) {
    if (key !== '') at = Object.hasOwn(at as Table, key) ? (at as Table)[key] : undefined;
    if (at === undefined || at === null) return undefined;
    if (typeof at !== 'object') throw malformed(path, key);
  }
  return at as Table;
}

function checked(
  table: Table,
  [uri, identity]: readonly [string, string],
  name: string,
  path: string,
): PodmanConnection {
  const [place, key = ''] = [table[uri], table[identity]];
  if (typeof place !== 'string' || typeof key !== 'string') throw malformed(path, name);
  return { uri: place, ...(key !== '' && { identity: key }) };
}

function malformed(path: string, key: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `${path}: ${key} is not of the right type`, { path });
}
