import { VainaError } from '../errors.js';
import { digestOf, hexOf, algorithmOf } from '../oci/digest.js';
import { parseManifest } from '../oci/manifest.js';
import { baseMediaType, MEDIA } from '../oci/mediatypes.js';
import { formatReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { Descriptor, Digest, Index, RawManifest } from '../oci/types.js';
import type { RegistryClient } from './client.js';
import { fetchManifest, findManifest, ownDigest, storeManifest } from './manifests.js';
import { referenceOf, withRegistry, type RegistryCallOptions } from './open.js';
import { readPages, type Page } from './pages.js';
import { retrying } from './retry.js';
import { discard } from './transport.js';

/** How often the list of a tag is written again that somebody else has written meanwhile. */
const MERGES = 5;
/** How a registry answers to a path that it does not know, or a wrong Accept. */
const UNKNOWN = [400, 404, 405, 406, 501];

/** The tag with the list of what refers to a manifest, where the registry keeps none (referrers tag schema). */
function referrersTag(subject: Digest): string {
  return `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`;
}

/** Options of {@link referrers}. */
export interface ReferrersOptions extends RegistryCallOptions {
  /** Only those of this type, e.g. `application/vnd.example.sbom.v1+json`. Default: all. */
  artifactType?: string;
}

/**
 * What refers to an image by its `subject`: signatures, attestations and other artifacts (distribution-spec, listing
 * referrers). A registry without such a list is asked for the tag that clients keep in its place.
 *
 * @param reference - by digest; by tag, `latest` by default, the tag is looked up first
 * @returns their descriptors, with `artifactType` and `annotations` as far as they have them; not verified
 * @throws VainaError `ERR_NO_SUCH_IMAGE` for a tag that does not exist; `ERR_REGISTRY`, `ERR_INVALID_IMAGE`
 */
export async function referrers(
  reference: string | Reference,
  options: ReferrersOptions = {},
): Promise<Descriptor[]> {
  const parsed = withDefaultTag(referenceOf(reference));
  const what = `referrers of ${formatReference(parsed)}`;
  return withRegistry(parsed, what, options, ['artifactType'], async (client, signal) => {
    const subject = parsed.digest ?? (await digestOfTag(client, parsed.tag ?? 'latest', signal));
    return findReferrers(client, subject, options.artifactType, signal);
  });
}

async function digestOfTag(client: RegistryClient, tag: string, signal: AbortSignal): Promise<Digest> {
  const { bytes, said } = await fetchManifest(client, tag, signal);
  return ownDigest(bytes, said);
}

/** Whether the registry itself keeps the list of what refers to a manifest. */
export async function referrersKept(
  client: RegistryClient,
  subject: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await retrying(client.settings, signal, () =>
    client.get(`referrers/${subject}`, {
      signal,
      accept: [200, ...UNKNOWN],
      headers: { Accept: MEDIA.ociIndex },
    }),
  );
  discard(answer);
  return answer.status === 200 && baseMediaType(answer.header('content-type')) === MEDIA.ociIndex;
}

/**
 * What refers to a manifest: by the registry's own list, else by the tag that clients keep.
 *
 * @param artifactType - only those of this type; the registry is asked to choose, and its choice is checked
 * @throws VainaError `ERR_REGISTRY` for an endless list
 */
async function findReferrers(
  client: RegistryClient,
  subject: Digest,
  artifactType: string | undefined,
  signal: AbortSignal,
): Promise<Descriptor[]> {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found = new Map<Digest, Descriptor>();
  let known = true;
  const read = ({ answer, body }: Page): number => {
    if (answer.status !== 200 || baseMediaType(answer.header('content-type')) !== MEDIA.ociIndex) {
      if (found.size > 0)
        throw new VainaError('ERR_REGISTRY', `a page of the referrers of ${subject} is no index`);
      known = false;
      return 0;
    }
    const before = found.size;
    const { manifests } = readIndex(body, `referrers of ${subject}`);
    for (const descriptor of manifests) found.set(descriptor.digest, descriptor);
    return found.size - before;
  };
  const ask = { signal, accept: [200, ...UNKNOWN], headers: { Accept: MEDIA.ociIndex } };
  await readPages(client, `referrers/${subject}${query}`, ask, read);
  const all = known ? [...found.values()] : await listed(client, subject, signal);
  return all.filter((each) => artifactType === undefined || each.artifactType === artifactType);
}

async function listed(client: RegistryClient, subject: Digest, signal: AbortSignal): Promise<Descriptor[]> {
  const list = await findManifest(client, referrersTag(subject), signal);
  // What is no list says nothing about referrers.
  if (!list || !isIndex(list)) return [];
  return readIndex(list.bytes, `referrers of ${subject}`).manifests;
}

/** What a manifest or index refers to, and how it stands in the list of that; undefined without a subject. */
export function referrerOf(raw: RawManifest): { subject: Digest; descriptor: Descriptor } | undefined {
  const parsed = parseManifest(raw.bytes, raw.mediaType, `manifest ${raw.digest}`);
  const { subject, annotations, artifactType } = parsed.kind === 'index' ? parsed.index : parsed.manifest;
  if (!subject) return undefined;
  const ofConfig = parsed.kind === 'manifest' ? parsed.manifest.config.mediaType : undefined;
  const type = artifactType === undefined || artifactType === '' ? ofConfig : artifactType;
  return {
    subject: subject.digest,
    descriptor: {
      mediaType: raw.mediaType,
      digest: raw.digest,
      size: raw.bytes.length,
      ...(type !== undefined && { artifactType: type }),
      ...(annotations !== undefined && { annotations: { ...annotations } }),
    },
  };
}

/**
 * Adds a manifest to the list of what refers to its subject, for a registry that keeps no such list itself.
 *
 * @throws VainaError `ERR_REGISTRY` when the tag stands for something else, or others write it all the time
 */
export async function addReferrer(
  client: RegistryClient,
  subject: Digest,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  await changeList(client, subject, signal, (manifests) =>
    manifests.some(({ digest }) => digest === descriptor.digest) ? undefined : [...manifests, descriptor],
  );
}

/** Takes a manifest from that list. */
export async function removeReferrer(
  client: RegistryClient,
  subject: Digest,
  referrer: Digest,
  signal: AbortSignal,
): Promise<void> {
  await changeList(client, subject, signal, (manifests) =>
    manifests.some(({ digest }) => digest === referrer)
      ? manifests.filter(({ digest }) => digest !== referrer)
      : undefined,
  );
}

/** Changes by one client at the same time are made one after another. */
const changing = new WeakMap<RegistryClient, Promise<void>>();

async function changeList(
  client: RegistryClient,
  subject: Digest,
  signal: AbortSignal,
  change: (manifests: Descriptor[]) => Descriptor[] | undefined,
): Promise<void> {
  const before = changing.get(client) ?? Promise.resolve();
  const mine = before.then(() => changeInTurn(client, subject, signal, change));
  changing.set(
    client,
    mine.catch(() => undefined),
  );
  await mine;
}

/** Other clients are noticed by reading what was written: the protocol has no lock. */
async function changeInTurn(
  client: RegistryClient,
  subject: Digest,
  signal: AbortSignal,
  change: (manifests: Descriptor[]) => Descriptor[] | undefined,
): Promise<void> {
  const tag = referrersTag(subject);
  for (let merge = 0; ; merge++) {
    const old = await findManifest(client, tag, signal);
    if (old && !isIndex(old))
      throw new VainaError('ERR_REGISTRY', `the tag ${tag} of ${client.repository} is no list of referrers`);
    const index: Index = old
      ? readIndex(old.bytes, `referrers of ${subject}`)
      : { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [] };
    const manifests = change(index.manifests);
    if (!manifests) return;
    if (merge === MERGES)
      throw new VainaError(
        'ERR_REGISTRY',
        `the tag ${tag} of ${client.repository} is written by others all the time`,
      );
    const bytes = Buffer.from(JSON.stringify({ ...index, manifests }));
    await storeManifest(client, tag, { bytes, mediaType: MEDIA.ociIndex, digest: digestOf(bytes) }, signal);
  }
}

function isIndex({ mediaType }: RawManifest): boolean {
  return mediaType === MEDIA.ociIndex;
}

function readIndex(bytes: Buffer, where: string): Index {
  const parsed = parseManifest(bytes, MEDIA.ociIndex, where);
  if (parsed.kind === 'index') return parsed.index;
  throw new VainaError('ERR_INVALID_IMAGE', `${where} is not an index`);
}
