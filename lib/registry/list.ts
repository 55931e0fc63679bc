import { VainaError } from '../errors.js';
import type { Reference } from '../oci/reference.js';
import { parseStrictJson } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import type { RegistryClient } from './client.js';
import { publicUrl } from './failure.js';
import { referenceOf, withRegistry, type RegistryCallOptions } from './open.js';
import { LIST_LIMITS, readPages, type ListLimits, type Page } from './pages.js';

/** Options of {@link listTags} and {@link catalog}. */
export interface ListOptions extends RegistryCallOptions {
  /** Entries of one page that the registry is asked for. Default: what it likes, which may be all. */
  pageSize?: number;
}

/** What the distribution-spec allows a tag and a repository to be, as wide as registries have them. */
const TAG = /^\w[\w.-]{0,127}$/;
const REPOSITORY = /^[\w.-]{1,255}(?:\/[\w.-]{1,255}){0,63}$/;

/**
 * The tags of a repository, all pages of them, in the order of the registry (distribution-spec, listing tags).
 *
 * @param repository - a reference; its tag and digest do not matter
 * @throws VainaError `ERR_NO_SUCH_IMAGE` without such a repository; `ERR_REGISTRY` for a list that does not end (a page a
 * second time or without anything new, more than 10,000 pages or 1,000,000 tags), or that goes on at another origin
 */
export async function listTags(repository: string | Reference, options: ListOptions = {}): Promise<string[]> {
  const reference = referenceOf(repository);
  const query = sizeQuery(options.pageSize);
  const what = `tags of ${reference.domain}/${reference.path}`;
  return withRegistry(reference, what, options, ['pageSize'], (client, signal) =>
    readTags(client, signal, query),
  );
}

/** Reads the tags of the client's repository. */
export async function readTags(client: RegistryClient, signal: AbortSignal, query = ''): Promise<string[]> {
  return readList(client, `tags/list${query}`, { member: 'tags', grammar: TAG, signal });
}

/**
 * The repositories of a registry. Not part of the distribution-spec, but of most registries; it wants the scope
 * `registry:catalog:*`.
 *
 * @param domain - of the registry, e.g. `localhost:5000`
 * @throws VainaError `ERR_REGISTRY`, also where the registry has no such list; see {@link listTags}
 */
export async function catalog(domain: string, options: ListOptions = {}): Promise<string[]> {
  const query = sizeQuery(options.pageSize);
  return withRegistry({ domain, path: '' }, `catalog of ${domain}`, options, ['pageSize'], (client, signal) =>
    readList(client, `/v2/_catalog${query}`, {
      member: 'repositories',
      grammar: REPOSITORY,
      scopes: 'registry:catalog:*',
      signal,
    }),
  );
}

/** Reads a list of names. */
export async function readList(
  client: RegistryClient,
  first: string,
  list: { member: 'tags' | 'repositories'; grammar: RegExp; scopes?: string; signal: AbortSignal },
  limits: ListLimits = LIST_LIMITS,
): Promise<string[]> {
  const { member, grammar, scopes, signal } = list;
  const names = new Set<string>();
  const read = (page: Page): number => {
    const before = names.size;
    for (const name of namesOf(page, member, grammar)) names.add(name);
    return names.size - before;
  };
  const missing = member === 'tags' ? 'ERR_NO_SUCH_IMAGE' : 'ERR_REGISTRY';
  await readPages(client, first, { signal, missing, ...(scopes !== undefined && { scopes }) }, read, limits);
  return [...names];
}

function namesOf({ answer, body }: Page, member: string, grammar: RegExp): string[] {
  const where = publicUrl(answer.url);
  const parsed = parseStrictJson(body, where, 'ERR_REGISTRY') as Record<string, unknown> | null;
  // Go writes an empty list as null.
  const names = typeof parsed === 'object' && parsed ? (parsed[member] ?? []) : undefined;
  if (!Array.isArray(names)) throw new VainaError('ERR_REGISTRY', `${where} did not answer with ${member}`);
  return names.map((name: unknown) => {
    if (typeof name === 'string' && grammar.test(name)) return name;
    throw new VainaError('ERR_REGISTRY', `${where} answered with ${quote(name)} among the ${member}`);
  });
}

function sizeQuery(pageSize: number | undefined): string {
  if (pageSize === undefined) return '';
  if (!Number.isSafeInteger(pageSize) || pageSize < 1)
    throw new VainaError('ERR_INVALID_OPTION', 'pageSize must be a whole number from 1');
  return `?n=${pageSize}`;
}
