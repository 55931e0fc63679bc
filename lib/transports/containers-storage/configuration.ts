import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { VainaError } from '../../errors.js';
import { fileFailure } from '../../oci/failure.js';
import { parseToml } from '../../util/toml.js';
import type { StorageSpecifier } from '../name.js';

/** Where podman keeps its images. */
export interface StorageLocation {
  driver: string;
  /** The graph root: images, layers, trees. */
  root: string;
  /** The run root; only shown. */
  runroot: string;
  /** Further graph roots that images may be in. */
  additional: readonly string[];
}

/** What of the process decides where the store is. */
export interface StorageUser {
  env: NodeJS.ProcessEnv;
  uid: number;
}

const SYSTEM = '/usr/share/containers/storage.conf';
const OVERRIDE = '/etc/containers/storage.conf';

/** The members of a storage.conf that matter to a reader. */
interface Configuration {
  driver?: string;
  graphroot?: string;
  runroot?: string;
  rootless_storage_path?: string;
  options?: { additionalimagestores?: string[] };
}

/**
 * Finds podman's store: by the specifier of a name, else by containers-storage.conf(5) — the file of
 * `CONTAINERS_STORAGE_CONF`; as root /etc/containers/storage.conf or the distribution's; as another user the one below the
 * configuration directory, and otherwise the usual place below the data directory.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed file, `ERR_UNSUPPORTED` for another driver than overlay
 */
export async function locateStorage(
  specifier: StorageSpecifier | undefined,
  user: StorageUser = { env: process.env, uid: process.getuid?.() ?? 0 },
): Promise<StorageLocation> {
  const found = await configured(user);
  const location =
    specifier === undefined
      ? found
      : {
          driver: specifier.driver ?? found.driver,
          root: specifier.root,
          runroot: specifier.runroot ?? found.runroot,
          additional: additionalOf(specifier),
        };
  if (location.driver !== 'overlay') {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `${location.root}: the storage driver ${location.driver} is not supported, only overlay`,
    );
  }
  return location;
}

function additionalOf({ options = [] }: StorageSpecifier): string[] {
  return options.flatMap((option) => {
    const image = /^(?:overlay\.)?imagestore=(.+)$/.exec(option)?.[1];
    if (image === undefined) {
      throw new VainaError('ERR_UNSUPPORTED', `the storage option ${option} is not supported when reading`);
    }
    return [image];
  });
}

async function configured({ env, uid }: StorageUser): Promise<StorageLocation> {
  const named = env['CONTAINERS_STORAGE_CONF'];
  const driver = env['STORAGE_DRIVER'] || undefined;
  const read = async (...paths: string[]): Promise<Configuration> => {
    for (const path of paths) {
      const found = await readConfiguration(path, path === named);
      if (found) return found;
    }
    return {};
  };
  if (uid === 0) {
    const found = await read(...(named ? [named] : [OVERRIDE, SYSTEM]));
    return {
      driver: driver ?? found.driver ?? 'overlay',
      root: found.graphroot ?? '/var/lib/containers/storage',
      runroot: found.runroot ?? '/run/containers/storage',
      additional: found.options?.additionalimagestores ?? [],
    };
  }
  const home = env['HOME'] || homedir();
  const expand = (path: string | undefined): string | undefined =>
    path
      ?.replaceAll('$HOME', home)
      .replaceAll('$UID', String(uid))
      .replaceAll('$USER', env['USER'] ?? '');
  const config = env['XDG_CONFIG_HOME'] || join(home, '.config');
  const found = await read(named || join(config, 'containers/storage.conf'));
  const system = await read(OVERRIDE, SYSTEM);
  const data = env['XDG_DATA_HOME'] || join(home, '.local/share');
  return {
    driver: driver ?? found.driver ?? 'overlay',
    root:
      expand(found.graphroot) ??
      expand(found.rootless_storage_path ?? system.rootless_storage_path) ??
      join(data, 'containers/storage'),
    runroot: expand(found.runroot) ?? join(env['XDG_RUNTIME_DIR'] || `/run/user/${uid}`, 'containers'),
    additional: found.options?.additionalimagestores ?? [],
  };
}

async function readConfiguration(path: string, required: boolean): Promise<Configuration | undefined> {
  const found = await readToml(path, required);
  if (!found) return undefined;
  return found['storage'] === undefined ? {} : checked(found['storage'], path);
}

/**
 * What a file of podman's configuration says.
 *
 * @returns undefined when the file is not there, unless it must be
 * @throws VainaError `ERR_INVALID_OPTION` for what is no TOML, `ERR_NO_SUCH_PATH`, `ERR_PERMISSION`
 */
export async function readToml(
  path: string,
  required: boolean,
): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileFailure(error, path);
  }
  return parseToml(text, path, path);
}

function checked(value: unknown, path: string): Configuration {
  const wrong = (what: string): VainaError =>
    new VainaError('ERR_INVALID_OPTION', `${path}: storage${what} is not of the right type`, { path });
  const table = (entry: unknown, what: string): Record<string, unknown> => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw wrong(what);
    return entry as Record<string, unknown>;
  };
  const storage = table(value, '');
  const result: Configuration = {};
  for (const key of ['driver', 'graphroot', 'runroot', 'rootless_storage_path'] as const) {
    const entry = storage[key];
    if (entry === undefined || entry === '') continue;
    if (typeof entry !== 'string') throw wrong(`.${key}`);
    result[key] = entry;
  }
  const options = table(storage['options'] ?? {}, '.options');
  const stores = options['additionalimagestores'];
  if (stores !== undefined) {
    if (!Array.isArray(stores) || !stores.every((store) => typeof store === 'string')) {
      throw wrong('.options.additionalimagestores');
    }
    result.options = { additionalimagestores: stores.filter((store) => store !== '') };
  }
  return result;
}
