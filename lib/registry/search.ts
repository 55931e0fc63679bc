import { VainaError } from '../errors.js';
import { parseReference, repositoryOf } from '../oci/reference.js';
import { parseStrictJson } from '../util/strict-json.js';
import type { RegistryClient } from './client.js';
import { publicUrl } from './failure.js';
import { parseLoginKey } from './login-key.js';
import { firstPlace, placesOf } from './mirrors.js';
import { withRegistry } from './open.js';
import { checkNames, type RegistryOptions } from './options.js';
import { readPages, type Page } from './pages.js';
import { loadRegistries } from './registries-files.js';
import { isInsecure } from './registries-match.js';
import { unwrapped } from './retry.js';
import { readBody } from './transport.js';

/** What {@link search} keeps of what it finds. */
export interface SearchFilter {
  /** Least number of stars. */
  stars?: number;
  /** Whether it is an official image of its registry. */
  isOfficial?: boolean;
  /** Whether it was built automatically. */
  isAutomated?: boolean;
}

/** Options of {@link search}. */
export interface SearchOptions extends RegistryOptions {
  /** Most results of each registry. Default 25. */
  limit?: number;
  /** Whether the tags of a repository are listed: the term is then its name. */
  listTags?: boolean;
  /** Applied to the results after the limit, as at podman. Not with `listTags`. */
  filter?: SearchFilter;
  /** Aborts. */
  signal?: AbortSignal;
  /**
   * Told of each registry that failed while another one answered. When none answers, the search itself fails.
   */
  onFailure?: (registry: string, error: unknown) => void;
}

/** One image that a registry knows. */
export interface SearchResult {
  /** The registry. */
  index: string;
  /** Full name, without a tag. */
  name: string;
  /** Empty where the registry has none: those that only list names. */
  description: string;
  /** How many users like it. */
  stars: number;
  /** Whether it is one of the registry's own. */
  official: boolean;
  /** Whether it was built automatically. */
  automated: boolean;
  /** With `listTags`. */
  tag?: string;
}

const LIMIT = 25;
const MAX_LIMIT = 10_000;
/** Where docker.io is searched. */
const DOCKER_SEARCH = 'index.docker.io';
const MAX_ANSWER = 16 * 1024 * 1024;

/**
 * Searches registries for images by a term, by docker's search (`/v1/search`), and where a registry has none in the list
 * of its repositories (`/v2/_catalog`). Which names fit is the registry's own idea.
 *
 * @param term - `REGISTRY/TERM`, `REGISTRY/` for all that it lists, or a term alone for all search registries of
 * containers-registries.conf(5), at the same time; without configuration for docker.io
 * @returns the results, in the order of the registries
 * @throws VainaError when no registry answers: with the code of the first, and the messages of all;
 * `ERR_INVALID_OPTION`
 */
export async function search(term: string, options: SearchOptions = {}): Promise<SearchResult[]> {
  checkNames('search', options, ['limit', 'listTags', 'filter', 'signal', 'onFailure']);
  const { limit = LIMIT, listTags = false, filter, onFailure, signal, ...registry } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new VainaError('ERR_INVALID_OPTION', `limit must be a whole number from 1 to ${MAX_LIMIT}`);
  if (listTags && filter !== undefined)
    throw new VainaError('ERR_INVALID_OPTION', 'filters are not applicable to list tags result');
  const slash = term.indexOf('/');
  const registries = slash === -1 ? await searchRegistries(options) : [term.slice(0, slash)];
  const rest = slash === -1 ? term : term.slice(slash + 1);
  const work = listTags ? tagsOf : imagesOf;
  const answers = await Promise.allSettled(
    registries.map((index) => work({ index, term: rest, limit, options: registry, signal })),
  );
  signal?.throwIfAborted();
  const failures = answers.flatMap((answer, i) =>
    answer.status === 'rejected' ? [{ registry: registries[i] ?? '', error: answer.reason as unknown }] : [],
  );
  if (failures.length > 0 && failures.length === registries.length) throw allFailed(failures);
  for (const { registry: index, error } of failures) onFailure?.(index, error);
  return answers
    .flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    .filter((result) => passes(result, filter));
}

interface Question {
  index: string;
  term: string;
  limit: number;
  options: RegistryOptions;
  signal: AbortSignal | undefined;
}

/**
 * The registries that complete a name without one: `unqualified-search-registries` of containers-registries.conf(5), or
 * docker.io where nothing is configured at all.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed configuration
 */
export async function searchRegistries(
  options: Pick<RegistryOptions, 'registries' | 'env'> = {},
): Promise<readonly string[]> {
  const { search: registries, origin } = await loadRegistries(options);
  return registries ?? (origin === undefined ? ['docker.io'] : []);
}

function passes(result: SearchResult, { stars = 0, isOfficial, isAutomated }: SearchFilter = {}): boolean {
  if (result.stars < stars) return false;
  if (isOfficial !== undefined && result.official !== isOfficial) return false;
  return isAutomated === undefined || result.automated === isAutomated;
}

function allFailed(failures: readonly { registry: string; error: unknown }[]): VainaError {
  const [first] = failures;
  const lines = failures.map(
    ({ registry, error }) =>
      `\n\t* couldn't search registry "${registry}": ${error instanceof Error ? error.message : String(error)}`,
  );
  const count = failures.length === 1 ? '1 error' : `${failures.length} errors`;
  return new VainaError(
    VainaError.is(first?.error) ? first.error.code : 'ERR_REGISTRY',
    `${count} occurred:${lines.join('')}`,
    { cause: first?.error },
  );
}

/** What one registry finds. */
async function imagesOf(question: Question): Promise<SearchResult[]> {
  const { index, options, signal } = question;
  const { registry } = parseLoginKey(index);
  // What is said of docker.io counts for the other host that it is searched at.
  const insecure = isInsecure(await loadRegistries(options), registry, '');
  const at = { domain: registry === 'docker.io' ? DOCKER_SEARCH : registry, path: '' };
  const all = { ...options, tlsVerify: options.tlsVerify ?? !insecure, ...(signal && { signal }) };
  return withRegistry(at, `search of ${index}`, all, [], async (client, signal) => {
    const timed = { ...question, signal };
    return (await byV1(client, timed)) ?? (await byCatalog(client, timed));
  });
}

/** By docker's search; undefined where the registry has none. Nobody is asked for credentials. */
async function byV1(
  client: RegistryClient,
  { index, term, limit, signal }: Question,
): Promise<SearchResult[] | undefined> {
  if (term === '') return undefined;
  const query = new URLSearchParams({ q: term, n: String(limit) });
  let body: Buffer;
  try {
    const answer = await client.get(`/v1/search?${query.toString()}`, { signal, scopes: '' });
    body = await readBody(answer, MAX_ANSWER, client.settings.stallTimeout);
  } catch (error) {
    signal?.throwIfAborted();
    const failure = unwrapped(error);
    // A registry that cannot be reached, or must not be, will not list its repositories either.
    if (VainaError.is(failure, 'ERR_REGISTRY_UNREACHABLE') || VainaError.is(failure, 'ERR_REGISTRY_BLOCKED'))
      throw failure;
    return undefined;
  }
  let parsed: { results?: unknown } | null;
  try {
    parsed = JSON.parse(body.toString('utf8')) as typeof parsed;
  } catch {
    // A page for people, as many registries have for what they do not know.
    return undefined;
  }
  if (!Array.isArray(parsed?.results)) return undefined;
  return parsed.results.slice(0, limit).flatMap((result) => readResult(result as Found | null, index));
}

interface Found {
  name?: unknown;
  description?: unknown;
  star_count?: unknown;
  is_official?: unknown;
  is_automated?: unknown;
}

function readResult(found: Found | null, index: string): SearchResult[] {
  const { name, description, star_count: stars } = found ?? {};
  if (typeof name !== 'string' || name === '') return [];
  const library = index === 'docker.io' && !name.includes('/') ? 'library/' : '';
  return [
    {
      index,
      name: `${index}/${library}${printable(name)}`,
      description: typeof description === 'string' ? printable(description) : '',
      stars: typeof stars === 'number' ? stars : 0,
      official: found?.is_official === true,
      automated: found?.is_automated === true,
    },
  ];
}

/** In the list of the registry's repositories. */
async function byCatalog(
  client: RegistryClient,
  { index, term, limit, signal }: Question,
): Promise<SearchResult[]> {
  const names: string[] = [];
  await readPages(client, '/v2/_catalog', { signal, scopes: 'registry:catalog:*' }, (answered) => {
    const page = stringsOf(answered, 'repositories');
    for (const name of page) {
      if (names.length === limit || !name.includes(term)) continue;
      // What is exactly the term comes first.
      if (name === term) names.unshift(name);
      else names.push(name);
    }
    return names.length === limit ? undefined : page.length;
  });
  return names.map((name) => ({
    index,
    name: `${index}/${printable(name)}`,
    description: '',
    stars: 0,
    official: false,
    automated: false,
  }));
}

/** The tags of a repository, read from where the configuration of registries says. */
async function tagsOf({ index, term, limit, options, signal }: Question): Promise<SearchResult[]> {
  const reference = parseReference(`${index}/${term}`);
  const places = await placesOf(reference, options);
  const tags = await firstPlace(places, signal, async (place) => {
    const all = { ...place.options, ...(signal && { signal }) };
    return withRegistry(place.reference, `tags of ${index}/${term}`, all, [], async (client, signal) => {
      const found: string[] = [];
      await readPages(client, 'tags/list', { signal }, (answered) => {
        const page = stringsOf(answered, 'tags');
        found.push(...page);
        return found.length >= limit ? undefined : page.length;
      });
      return found.slice(0, limit);
    });
  });
  return tags.map((tag) => ({
    index,
    name: repositoryOf(reference),
    description: '',
    stars: 0,
    official: false,
    automated: false,
    tag: printable(tag),
  }));
}

function stringsOf({ answer, body }: Page, member: string): string[] {
  const parsed = parseStrictJson(body, publicUrl(answer.url), 'ERR_REGISTRY');
  const list = (parsed as Record<string, unknown> | null)?.[member];
  return Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : [];
}

/** Control characters of a registry do not reach somebody's terminal. */
function printable(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ').replace(/\p{Cc}/gu, '');
}
