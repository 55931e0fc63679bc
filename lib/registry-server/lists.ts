import { MEDIA } from '../oci/mediatypes.js';
import type { RegistryManifest } from '../store/registry-catalogue.js';
import type { Exchange } from './exchange.js';
import { nameUnknown, repositoryIsHere } from './manifests.js';
import { readDigest } from './names.js';
import type { ServerParts } from './parts.js';
import { Refusal } from './refusal.js';

/** Most entries of one answer. */
const MAX_ENTRIES = 10_000;
/** Most referrers of one answer, and where its bytes end: clients read no manifest of more than 4 MiB. */
const MAX_REFERRERS = 1000;
const MAX_REFERRERS_BYTES = 3 * 1024 * 1024;

/** GET `/v2/_catalog`, as docker-registry has it. */
export function listRepositories(parts: ServerParts, exchange: Exchange): void {
  const { last, limit } = paging(exchange);
  const own = parts.store.registry.repositories(last, limit + 1);
  const { page, more } = merged(own, parts.view?.repositories() ?? [], last, limit);
  exchange.json(
    200,
    { repositories: page },
    nextLink('/v2/_catalog', more ? { n: limit, last: page.at(-1) } : undefined),
  );
}

/** GET `/v2/NAME/tags/list`: end-8a and 8b. */
export async function listTags(parts: ServerParts, exchange: Exchange, repository: string): Promise<void> {
  const { last, limit } = paging(exchange);
  const upstream = await parts.upstream?.tags(repository);
  if (!upstream && !repositoryIsHere(parts, repository)) throw nameUnknown(repository);
  const own = upstream ? [] : parts.store.registry.tags(repository, last, limit + 1);
  const others = upstream ?? parts.view?.tags(repository) ?? [];
  const { page, more } = merged(own, others, last, limit);
  const link = nextLink(`/v2/${repository}/tags/list`, more ? { n: limit, last: page.at(-1) } : undefined);
  exchange.json(200, { name: repository, tags: page }, link);
}

/** GET `/v2/NAME/referrers/DIGEST`: end-12a and 12b. There is always a list, if an empty one. */
export async function listReferrers(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  const subject = readDigest(reference);
  const { query } = exchange;
  const artifactType = query.get('artifactType') ?? undefined;
  const after = query.get('last') ?? '';
  const rows =
    (await parts.upstream?.referrers(repository, subject, { artifactType, after })) ??
    parts.store.registry.referrers(repository, subject, {
      ...(artifactType === undefined ? {} : { artifactType }),
      after,
      limit: MAX_REFERRERS + 1,
    });
  const manifests: object[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, MAX_REFERRERS)) {
    const entry = referrer(row);
    bytes += Buffer.byteLength(JSON.stringify(entry));
    if (manifests.length > 0 && bytes > MAX_REFERRERS_BYTES) break;
    manifests.push(entry);
  }
  const last = rows[manifests.length - 1]?.digest;
  exchange.json(
    200,
    { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests },
    {
      'Content-Type': MEDIA.ociIndex,
      ...(artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...nextLink(
        `/v2/${repository}/referrers/${subject}`,
        manifests.length < rows.length ? { artifactType, last } : undefined,
      ),
    },
  );
}

function referrer({ mediaType, digest, size, artifactType, annotations }: RegistryManifest): object {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** The entries after one, of two sorted lists, without those that are twice. */
function merged(
  own: readonly string[],
  others: readonly string[],
  last: string,
  limit: number,
): { page: string[]; more: boolean } {
  const all = [...new Set([...own, ...others.filter((entry) => entry > last)])].sort();
  return { page: all.slice(0, limit), more: limit > 0 && all.length > limit };
}

function paging(exchange: Exchange): { last: string; limit: number } {
  const last = exchange.query.get('last') ?? '';
  const n = exchange.query.get('n');
  if (n === null) return { last, limit: MAX_ENTRIES };
  if (!/^[0-9]{1,15}$/.test(n)) {
    throw new Refusal('UNSUPPORTED', 'n must be a number of entries', { status: 400 });
  }
  return { last, limit: Math.min(Number(n), MAX_ENTRIES) };
}

/** The header that leads to the next page (RFC 8288). */
function nextLink(
  path: string,
  parameters: Readonly<Record<string, string | number | undefined>> | undefined,
): Record<string, string> {
  if (!parameters) return {};
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) query.set(name, String(value));
  return { Link: `<${path}?${query.toString()}>; rel="next"` };
}
