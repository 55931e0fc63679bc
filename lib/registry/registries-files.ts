import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import { homeOf } from './homes.js';
import type { RegistryOptions } from './options.js';
import {
  AUTH_FILES,
  checkConfig,
  type Alias,
  type Registries,
  type RegistriesConfig,
  type Rule,
} from './registries-conf.js';
import { checkObject } from './registries-object.js';
import { parseAliases, parseRegistriesConf } from './registries-toml.js';

const SYSTEM = '/etc/containers';
const MAX_FILE = 1024 * 1024;

/** Where {@link loadRegistries} reads. */
export interface RegistriesPlaces extends Pick<RegistryOptions, 'registries' | 'env'> {
  /** Directory of the host's registries.conf and registries.conf.d. Default `/etc/containers`. */
  systemDirectory?: string;
}

/** What has been read, by what stands for it in options. */
const read = new WeakMap<RegistriesConfig, Registries>();

/** The option that makes {@link loadRegistries} give this configuration: the steps of one job read it once. */
export function asRead(registries: Registries): RegistriesConfig {
  const option: RegistriesConfig = Object.freeze({});
  read.set(option, registries);
  return option;
}

/**
 * The configuration of registries: the object that the program gave, or what the files say.
 *
 * The files are those of containers-registries.conf(5) and containers-registries.conf.d(5): $CONTAINERS_REGISTRIES_CONF,
 * or ~/.config/containers/registries.conf, or /etc/containers/registries.conf; then the drop-ins (`*.conf`, in the order
 * of their names) of /etc/containers/registries.conf.d, unless the user has a registries.conf, and of
 * ~/.config/containers/registries.conf.d. What comes later wins: a list as a whole, a rule by its prefix, an alias by its
 * name.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed one, `ERR_NO_SUCH_PATH` when $CONTAINERS_REGISTRIES_CONF is
 * missing, `ERR_PERMISSION`
 */
export async function loadRegistries(options: RegistriesPlaces): Promise<Registries> {
  const { registries, env = process.env, systemDirectory = SYSTEM } = options;
  if (registries === false) return merge([]);
  if (registries !== undefined) {
    const known = read.get(registries);
    return known ?? withUserAliases(merge([checkConfig(checkObject(registries), 'registries')]));
  }
  const home = homeOf(env);
  const user = home === undefined ? undefined : join(home, '.config/containers');
  const parts: Registries[] = [];
  for (const [path, text] of await textsOf(env['CONTAINERS_REGISTRIES_CONF'], user, systemDirectory))
    parts.push(partOf(path, text));
  const aliasFile = aliasFileOf(env, home);
  return withUserAliases({ ...merge(parts), ...(aliasFile !== undefined && { aliasFile }) });
}

/** The machine's own file of aliases: that of the host for root, else the user's. */
function aliasFileOf(env: NodeJS.ProcessEnv, home: string | undefined): string | undefined {
  const name = 'containers/short-name-aliases.conf';
  if (process.getuid?.() === 0) return join('/var/cache', name);
  if (env['XDG_CACHE_HOME']) return join(env['XDG_CACHE_HOME'], name);
  return home === undefined ? undefined : join(home, '.cache', name);
}

/** The aliases that the user has chosen come before those of the configuration. */
async function withUserAliases(merged: Registries): Promise<Registries> {
  if (merged.aliasFile === undefined) return merged;
  const own = await readAliasFile(merged.aliasFile);
  return { ...merged, aliases: new Map([...merged.aliases, ...own]) };
}

/** The aliases of a file; none when it does not exist. */
export async function readAliasFile(path: string): Promise<ReadonlyMap<string, Alias>> {
  const text = await readText(path, false);
  if (text === undefined) return new Map();
  return checkConfig({ aliases: parseAliases(text, path) }, path).aliases;
}

function merge(parts: readonly Registries[]): Registries {
  const rules = new Map<string, Rule>();
  const aliases = new Map<string, Alias>();
  let merged: Registries = { mode: 'permissive', aliases, helpers: [], rules: [] };
  for (const part of parts) {
    for (const rule of part.rules) rules.set(rule.prefix, rule);
    for (const [short, alias] of part.aliases) aliases.set(short, alias);
    merged = {
      ...merged,
      ...(part.aliasFile !== undefined && { aliasFile: part.aliasFile }),
      ...(part.search !== undefined && { search: part.search }),
      ...(part.origin !== undefined &&
        (part.search !== undefined || merged.origin === undefined) && { origin: part.origin }),
      ...(part.modeGiven === true && { mode: part.mode }),
      ...(part.helpers.length > 0 && { helpers: part.helpers }),
    };
  }
  return {
    ...merged,
    helpers: merged.helpers.length > 0 ? merged.helpers : [AUTH_FILES],
    rules: [...rules.values()],
  };
}

/** What was made of the text of each file: most have the same one every time. */
const parsed = new Map<string, { text: string; part: Registries }>();
/** More files than any configuration has. */
const MOST_PARSED = 64;

function partOf(path: string, text: string): Registries {
  const known = parsed.get(path);
  if (known?.text === text) return known.part;
  const part = { ...checkConfig(parseRegistriesConf(text, path), path), origin: path };
  if (parsed.size >= MOST_PARSED) parsed.clear();
  parsed.set(path, { text, part });
  return part;
}

/** The files that count, in order, with their texts. */
async function textsOf(
  named: string | undefined,
  user: string | undefined,
  system: string,
): Promise<(readonly [string, string])[]> {
  const found = async (path: string, required = false): Promise<(readonly [string, string])[]> => {
    const text = await readText(path, required);
    return text === undefined ? [] : [[path, text]];
  };
  const dropIns = async (directory: string | undefined): Promise<(readonly [string, string])[]> => {
    if (directory === undefined) return [];
    const paths = await confFiles(join(directory, 'registries.conf.d'));
    return (await Promise.all(paths.map((path) => found(path)))).flat();
  };
  // Whose own file comes first is known last: all are asked at once, and what does not count does not fail either.
  const host = ahead(found(join(system, 'registries.conf')));
  const hostDropIns = ahead(dropIns(system));
  const userDropIns = ahead(dropIns(user));
  if (named) return [...(await found(named, true)), ...(await hostDropIns), ...(await userDropIns)];
  const own = user === undefined ? [] : await found(join(user, 'registries.conf'));
  if (own.length > 0) return [...own, ...(await userDropIns)];
  return [...(await host), ...(await hostDropIns), ...(await userDropIns)];
}

/** Lets somebody look at it later, or never. */
function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** The files of a directory of drop-ins, in the order in which they count. */
export async function confFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.name.endsWith('.conf') && !entry.isDirectory())
    .map((entry) => join(directory, entry.name))
    .sort((a, b) => (a < b ? -1 : 1));
}

async function readText(path: string, required: boolean): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const absent = code === 'ENOENT' || code === 'ENOTDIR';
    if (absent && !required) return undefined;
    throw new VainaError(
      absent ? 'ERR_NO_SUCH_PATH' : 'ERR_PERMISSION',
      `registries configuration ${path} cannot be read: ${code}`,
      { path, cause },
    );
  }
  if (text.length > MAX_FILE)
    throw new VainaError('ERR_INVALID_OPTION', `registries configuration ${path} is too large`, { path });
  return text;
}
