import { VainaError } from '../errors.js';
import { parseToml } from '../util/toml.js';
import type { RegistriesConfig, RegistryMirror, RegistryRule } from './registries-conf.js';

type Table = Record<string, unknown>;

/**
 * Reads the text of a registries.conf, version 2 of containers-registries.conf(5). Keys that are not known are left for
 * newer programs, as the peers do.
 *
 * @param path - what messages name
 * @throws VainaError `ERR_INVALID_OPTION`, without anything of the content in it
 */
export function parseRegistriesConf(text: string, path: string): RegistriesConfig {
  const top = tableOf(text, path);
  if ('registries' in top) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `registries configuration ${path} has the table [registries], which is version 1 of the format`,
      { path, hint: 'write unqualified-search-registries and [[registry]] instead, version 2' },
    );
  }
  const read = reader(path);
  const search = read.strings(top, 'unqualified-search-registries');
  const mode = read.text(top, 'short-name-mode');
  const helpers = read.strings(top, 'credential-helpers');
  const aliases = read.table(top, 'aliases');
  const registries = read.tables(top, 'registry');
  return {
    ...(search && { unqualifiedSearchRegistries: search }),
    ...(mode && { shortNameMode: mode as RegistriesConfig['shortNameMode'] & string }),
    ...(helpers && { credentialHelpers: helpers }),
    ...(aliases && { aliases: stringsOf(aliases, read) }),
    ...(registries && { registries: registries.map((table) => ruleOf(table, read)) }),
  };
}

function tableOf(text: string, path: string): Table {
  return parseToml(text, `registries configuration ${path}`, path);
}

/** The aliases of a file that holds nothing else. */
export function parseAliases(text: string, path: string): Record<string, string> {
  const read = reader(path);
  return stringsOf(read.table(tableOf(text, path), 'aliases') ?? {}, read);
}

function ruleOf(table: Table, read: Reader): RegistryRule {
  const prefix = read.text(table, 'prefix');
  const location = read.text(table, 'location');
  const insecure = read.flag(table, 'insecure');
  const blocked = read.flag(table, 'blocked');
  const byDigest = read.flag(table, 'mirror-by-digest-only');
  const mirrors = read.tables(table, 'mirror');
  return {
    ...(prefix !== undefined && { prefix }),
    ...(location !== undefined && { location }),
    ...(insecure !== undefined && { insecure }),
    ...(blocked !== undefined && { blocked }),
    ...(byDigest !== undefined && { mirrorByDigestOnly: byDigest }),
    ...(mirrors && { mirrors: mirrors.map((mirror) => mirrorOf(mirror, read)) }),
  };
}

function mirrorOf(table: Table, read: Reader): RegistryMirror {
  const insecure = read.flag(table, 'insecure');
  const use = read.text(table, 'pull-from-mirror');
  return {
    location: read.text(table, 'location') ?? '',
    ...(insecure !== undefined && { insecure }),
    ...(use && { pullFromMirror: use as RegistryMirror['pullFromMirror'] & string }),
  };
}

function stringsOf(table: Table, read: Reader): Record<string, string> {
  return Object.fromEntries(Object.keys(table).map((key) => [key, read.text(table, key) ?? '']));
}

type Reader = ReturnType<typeof reader>;

/** Members of a table, each of which may be missing. */
function reader(path: string) {
  const member = (table: Table, key: string): unknown => (Object.hasOwn(table, key) ? table[key] : undefined);
  const fail = (key: string, what: string): VainaError =>
    new VainaError(
      'ERR_INVALID_OPTION',
      `registries configuration ${path} is malformed: ${key} must be ${what}`,
      {
        path,
      },
    );
  const isTable = (value: unknown): value is Table =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return {
    text(table: Table, key: string): string | undefined {
      const value = member(table, key);
      if (value === undefined || typeof value === 'string') return value;
      // The key of an alias is the user's own word.
      throw fail(/^[a-z-]+$/.test(key) ? key : 'a value', 'a string');
    },
    flag(table: Table, key: string): boolean | undefined {
      const value = member(table, key);
      if (value === undefined || typeof value === 'boolean') return value;
      throw fail(key, 'true or false');
    },
    strings(table: Table, key: string): string[] | undefined {
      const value = member(table, key);
      if (value === undefined) return undefined;
      if (Array.isArray(value) && value.every((one): one is string => typeof one === 'string')) return value;
      throw fail(key, 'a list of strings');
    },
    table(table: Table, key: string): Table | undefined {
      const value = member(table, key);
      if (value === undefined || isTable(value)) return value;
      throw fail(key, 'a table');
    },
    tables(table: Table, key: string): Table[] | undefined {
      const value = member(table, key);
      if (value === undefined) return undefined;
      if (Array.isArray(value) && value.every(isTable)) return value;
      throw fail(key, `a list of tables, [[${key}]]`);
    },
  };
}
