import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import type { Reference } from '../oci/reference.js';
import { homeOf, readSmallFile } from './files.js';
import { anyObject } from './members.js';
import { referenceScopes } from './scopes.js';

/** Where the signatures of a part of a registry are kept (containers-registries.d(5)). */
export interface SignatureStorage {
  /** URL for reading, and for writing where there is no other. */
  lookaside?: string;
  /** URL for writing. */
  lookasideStaging?: string;
  /** Whether sigstore signatures lie beside the image in the registry. */
  useSigstoreAttachments?: boolean;
}

/** All files of a registries.d directory together. */
export interface RegistriesD {
  /** For everything that nothing below speaks of. */
  readonly defaultDocker?: SignatureStorage;
  /** By scope, as in the `docker` transport of a policy. */
  readonly docker: ReadonlyMap<string, SignatureStorage>;
}

/** Where the files of registries.d are. */
export interface RegistriesDOptions {
  /**
   * The directory. Default: `~/.config/containers/registries.d` if there is one, else `/etc/containers/registries.d`.
   * One that does not exist says nothing.
   */
  registriesDir?: string;
  /** The environment to look in for the user's home directory. Default: that of the process. */
  env?: NodeJS.ProcessEnv;
}

/** Where the directory of a host is. */
const SYSTEM_DIRECTORY = '/etc/containers/registries.d';
const USER_DIRECTORY = '.config/containers/registries.d';

/**
 * Reads the `*.yaml` files of registries.d. Members that are unknown there are passed over, as by the peers; a part of a
 * registry that two files speak of is an error.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for a file that is malformed, `ERR_PERMISSION`, `ERR_IO`
 */
export async function readRegistriesD(options: RegistriesDOptions = {}): Promise<RegistriesD> {
  const { directory, names } = await listDirectory(options);
  const docker = new Map<string, SignatureStorage>();
  const from = new Map<string, string>();
  let defaultDocker: SignatureStorage | undefined;
  const { parse } = await import('yaml');
  for (const name of names.filter((each) => each.endsWith('.yaml')).sort()) {
    const path = join(directory, name);
    const bytes = await readSmallFile(path);
    if (bytes === undefined) continue;
    const fail = (why: string): VainaError =>
      new VainaError('ERR_INVALID_OPTION', `${path}: ${why}`, { path });
    let document: unknown;
    try {
      document = parse(bytes.toString(), { uniqueKeys: true, maxAliasCount: 100 });
    } catch (error) {
      throw fail(`is not valid YAML: ${String((error as Error).message).split('\n')[0]}`);
    }
    if (document === null || document === undefined) continue;
    const top = anyObject(document, 'the document', fail);
    const claim = (what: string): void => {
      const other = from.get(what);
      if (other !== undefined) throw fail(`${what} is defined both in ${other} and here`);
      from.set(what, path);
    };
    if (isThere(top, 'default-docker')) {
      claim('default-docker');
      defaultDocker = readStorage(top['default-docker'], 'default-docker', fail);
    }
    if (!isThere(top, 'docker')) continue;
    for (const [scope, storage] of Object.entries(anyObject(top['docker'], 'docker', fail))) {
      claim(`the docker namespace ${JSON.stringify(scope)}`);
      docker.set(scope, readStorage(storage, `docker[${JSON.stringify(scope)}]`, fail));
    }
  }
  return { docker, ...(defaultDocker && { defaultDocker }) };
}

/**
 * What the configuration says of an image: of each member, the value of the most specific scope that has it.
 */
export function storageOf(config: RegistriesD, reference: Reference): SignatureStorage {
  const found: SignatureStorage = {};
  const sections = referenceScopes(reference).map((scope) => config.docker.get(scope));
  let writing: string | undefined;
  for (const section of [...sections, config.defaultDocker]) {
    if (!section) continue;
    const { lookaside, lookasideStaging, useSigstoreAttachments } = section;
    // Whichever of the two a scope has is where it is written: a more general staging place does not reach through it.
    writing ??= lookasideStaging ?? lookaside;
    if (lookaside !== undefined) found.lookaside ??= lookaside;
    if (useSigstoreAttachments !== undefined) found.useSigstoreAttachments ??= useSigstoreAttachments;
  }
  return { ...found, ...(writing !== undefined && { lookasideStaging: writing }) };
}

/**
 * Where the signatures for a scope of a policy are, as podman shows it: what the scope says or the nearest part of a registry
 * above it, alone.
 */
export function lookasideOf(config: RegistriesD, scope: string): string | undefined {
  for (let part = scope; ; part = part.slice(0, part.lastIndexOf('/'))) {
    const found = config.docker.get(part);
    if (found) return found.lookaside;
    if (!part.includes('/')) return config.defaultDocker?.lookaside;
  }
}

async function listDirectory(options: RegistriesDOptions): Promise<{ directory: string; names: string[] }> {
  const { registriesDir, env = process.env } = options;
  const home = homeOf(env);
  const usual = home === undefined ? [SYSTEM_DIRECTORY] : [join(home, USER_DIRECTORY), SYSTEM_DIRECTORY];
  for (const directory of registriesDir === undefined ? usual : [registriesDir]) {
    try {
      return { directory, names: await readdir(directory) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileFailure(error, directory);
    }
  }
  return { directory: '', names: [] };
}

function readStorage(value: unknown, where: string, fail: (why: string) => VainaError): SignatureStorage {
  const section = value === null ? {} : anyObject(value, where, fail);
  const text = (...names: string[]): string | undefined => {
    // The later name is what the earlier one was called before.
    for (const name of names) {
      if (!isThere(section, name)) continue;
      const url = section[name];
      if (typeof url !== 'string') throw fail(`${where}.${name} must be a string`);
      if (url !== '') return url;
    }
    return undefined;
  };
  const lookaside = text('lookaside', 'sigstore');
  const lookasideStaging = text('lookaside-staging', 'sigstore-staging');
  const name = 'use-sigstore-attachments';
  const use = isThere(section, name) ? section[name] : undefined;
  if (use !== undefined && typeof use !== 'boolean') throw fail(`${where}.${name} must be true or false`);
  return {
    ...(lookaside !== undefined && { lookaside }),
    ...(lookasideStaging !== undefined && { lookasideStaging }),
    ...(use !== undefined && { useSigstoreAttachments: use }),
  };
}

function isThere(object: Record<string, unknown>, name: string): boolean {
  return Object.hasOwn(object, name) && object[name] !== null;
}
