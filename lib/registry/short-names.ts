import { VainaError } from '../errors.js';
import {
  formatReference,
  isShortName,
  parseReference,
  repositoryOf,
  withDefaultTag,
  type Reference,
} from '../oci/reference.js';
import { quote } from '../util/text.js';
import { replaceFile } from '../util/replace-file.js';
import { formatToml } from '../util/toml.js';
import type { Registries, RegistriesConfig } from './registries-conf.js';
import { loadRegistries, readAliasFile } from './registries-files.js';
import type { RegistryOptions } from './options.js';

/**
 * Asked which of several images a short name means.
 * @param candidates - full names, in the order of the search registries
 * @returns one of them
 */
export type ChooseShortName = (candidates: readonly string[]) => string | Promise<string>;

/** How a short name is resolved. */
export interface ShortNameOptions {
  /** The configuration instead of that of the files; false for none. */
  config?: RegistriesConfig | false;
  /** Asks the user. Absent where there is nobody to ask: no terminal. */
  choose?: ChooseShortName;
  /** Environment: places of files. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
}

/** What a name means. */
export interface ResolvedName {
  /** What to try, in order; tags are filled in. */
  candidates: readonly Reference[];
  /** One sentence for the user that says why. Absent for a full name. */
  why?: string;
  /** Keeps the user's choice for the next time; to be called when the image was got. Absent where there was none. */
  remember?: () => Promise<void>;
}

/**
 * What a name means when an image is to be read from a registry. A name with a registry is itself. One without is what
 * an alias says; else, by `short-name-mode`, one or all of the `unqualified-search-registries`
 * (containers-registries.conf(5)). Where nothing is configured at all it is one of docker.io.
 *
 * @throws VainaError `ERR_SHORT_NAME` when it fits nothing, or several and nobody can be asked;
 * `ERR_INVALID_REFERENCE`; `ERR_INVALID_OPTION` for a malformed configuration
 */
export async function resolveShortName(name: string, options: ShortNameOptions = {}): Promise<ResolvedName> {
  const full = withDefaultTag(parseReference(name));
  if (!isShortName(name)) return { candidates: [full] };
  const registries = await loadRegistries(placesFor(options));
  const short = shortOf(name);
  const alias = aliasOf(registries, name);
  if (alias) {
    return { candidates: [alias.reference], why: `Resolved ${quote(short)} as an alias (${alias.origin})` };
  }
  const { search, origin, mode } = registries;
  if (search === undefined && origin === undefined) return { candidates: [full] };
  const candidates = searched(registries, name);
  if (candidates.length === 0) {
    throw new VainaError(
      'ERR_SHORT_NAME',
      `short-name ${quote(name)} did not resolve to an alias and no unqualified-search registries are defined in ${quote(origin)}`,
      { subject: name, hint: 'name the image with its registry' },
    );
  }
  const why = `Resolving ${quote(short)} using unqualified-search registries (${origin})`;
  if (mode === 'disabled' || candidates.length === 1) return { candidates, why };
  if (!options.choose) {
    if (mode === 'permissive') return { candidates, why };
    throw new VainaError('ERR_SHORT_NAME', 'short-name resolution enforced but cannot prompt without a TTY', {
      subject: name,
      hint: `name the image with its registry, e.g. ${formatReference(candidates[0] as Reference)}`,
    });
  }
  const said = await options.choose(candidates.map(formatReference));
  const chosen = candidates.find((candidate) => formatReference(candidate) === said);
  if (!chosen) {
    throw new VainaError('ERR_SHORT_NAME', `${quote(said)} is not one of what ${quote(name)} may mean`, {
      subject: name,
    });
  }
  const { aliasFile } = registries;
  return {
    candidates: [chosen],
    why,
    ...(aliasFile !== undefined && { remember: () => writeAlias(aliasFile, short, repositoryOf(chosen)) }),
  };
}

/**
 * What a short name may mean among images that are there already, beside a local build (`localhost/`) and one of
 * docker.io: its alias, then one of the search registries. Nobody is asked. Empty for a name with a registry.
 */
export async function localCandidates(name: string, options: ShortNameOptions = {}): Promise<Reference[]> {
  if (!isShortName(name)) return [];
  const registries = await loadRegistries(placesFor(options));
  const alias = aliasOf(registries, name);
  return [...(alias ? [alias.reference] : []), ...searched(registries, name)];
}

/**
 * Does something with the first candidate with which it works.
 *
 * @throws what it failed with; with several candidates one error that names them all
 */
export async function firstCandidate<T>(
  candidates: readonly Reference[],
  signal: AbortSignal | undefined,
  work: (candidate: Reference) => Promise<T>,
): Promise<T> {
  const errors: unknown[] = [];
  for (const candidate of candidates) {
    try {
      return await work(candidate);
    } catch (error) {
      signal?.throwIfAborted();
      errors.push(error);
    }
  }
  const [first] = errors;
  if (errors.length === 1) throw first;
  const lines = errors.map((error) => `\n * ${error instanceof Error ? error.message : String(error)}`);
  // One that is not there says less than one that was refused or could not be reached.
  const telling = errors.find((error) => VainaError.is(error) && error.code !== 'ERR_NO_SUCH_IMAGE') ?? first;
  throw new VainaError(
    VainaError.is(telling) ? telling.code : 'ERR_INTERNAL',
    `${errors.length} errors occurred while pulling:${lines.join('')}`,
    { cause: new AggregateError(errors) },
  );
}

/** Writes one alias into a file of aliases, which keeps its others. */
export async function writeAlias(path: string, short: string, name: string): Promise<void> {
  await replaceFile(path, async () => {
    const aliases = new Map([...(await readAliasFile(path))].map(([key, alias]) => [key, alias.name ?? '']));
    aliases.set(short, name);
    return formatToml({ aliases: Object.fromEntries([...aliases].sort(([a], [b]) => (a < b ? -1 : 1))) });
  }).catch((cause: unknown) => {
    if (VainaError.is(cause)) throw cause;
    throw new VainaError('ERR_PERMISSION', `the choice of ${quote(short)} cannot be written to ${path}`, {
      path,
      cause,
    });
  });
}

function placesFor({ config, env }: ShortNameOptions): Pick<RegistryOptions, 'registries' | 'env'> {
  return { ...(config !== undefined && { registries: config }), ...(env && { env }) };
}

/** The short name without tag and digest. */
function shortOf(name: string): string {
  const bare = name.split('@', 1)[0] ?? '';
  const colon = bare.lastIndexOf(':');
  return colon > bare.lastIndexOf('/') ? bare.slice(0, colon) : bare;
}

function aliasOf(
  { aliases }: Registries,
  name: string,
): { reference: Reference; origin: string } | undefined {
  const short = shortOf(name);
  const alias = aliases.get(short);
  if (alias?.name === undefined) return undefined;
  return {
    reference: withDefaultTag(parseReference(alias.name + name.slice(short.length))),
    origin: alias.origin,
  };
}

function searched({ search = [] }: Registries, name: string): Reference[] {
  return search.map((registry) => withDefaultTag(parseReference(`${registry}/${name}`)));
}
