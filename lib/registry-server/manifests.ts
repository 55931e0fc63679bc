import { VainaError } from '../errors.js';
import { algorithmOf, digestOf } from '../oci/digest.js';
import { isTag } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import type { RegistryReference } from '../store/registry-catalogue.js';
import type { Store } from '../store/store.js';
import { readAll } from '../util/read-all.js';
import { adoptImage } from './adopt.js';
import { blobIsHere, matches } from './blobs.js';
import type { Exchange } from './exchange.js';
import { readManifest, type ManifestDocument } from './manifest-document.js';
import { readDigest } from './names.js';
import type { ServerParts } from './parts.js';
import { Refusal } from './refusal.js';

/** Most tags that a manifest can be pushed with at once. */
const MAX_TAGS = 100;

/** A manifest that can be given out. */
export interface FoundManifest {
  digest: Digest;
  mediaType: string;
}

/** GET and HEAD of a manifest: end-3. */
export async function giveManifest(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  const { digest, mediaType } = await findManifest(parts, repository, reference);
  const headers = {
    'Content-Type': mediaType,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'X-Content-Type-Options': 'nosniff',
  };
  if (matches(exchange, digest)) exchange.send(304, headers);
  else exchange.send(200, headers, await parts.store.content.read(digest));
}

/** Finds a manifest: of the registry, else upstream, else of the store's images. */
export async function findManifest(
  parts: ServerParts,
  repository: string,
  reference: string,
): Promise<FoundManifest> {
  const { store, upstream, view } = parts;
  if (reference.includes(':')) {
    const digest = readDigest(reference);
    const own = store.registry.manifest(repository, digest);
    if (own && store.content.get(digest)) return own;
    const fetched = await upstream?.manifest(repository, digest);
    if (fetched) return fetched;
    if (view?.hasManifest(repository, digest) === true) return stored(parts, digest);
  } else if (isTag(reference)) {
    const fetched = await upstream?.tag(repository, reference);
    if (fetched) return fetched;
    const tagged = upstream ? undefined : store.registry.tag(repository, reference);
    const own = tagged && store.registry.manifest(repository, tagged.digest);
    if (own) return own;
    const shown = view?.tag(repository, reference);
    if (shown !== undefined) return stored(parts, shown);
  }
  if (!repositoryIsHere(parts, repository)) throw nameUnknown(repository);
  throw manifestUnknown(reference);
}

/** PUT of a manifest: end-7a and 7b. */
export async function takeManifest(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  const byDigest = reference.includes(':') ? readDigest(reference) : undefined;
  if (byDigest === undefined && !isTag(reference)) throw new Refusal('MANIFEST_INVALID', 'this is not a tag');
  const parameters = byDigest === undefined ? [] : tagParameters(exchange);
  const tags = byDigest === undefined ? [reference] : parameters;
  const bytes = await readBody(exchange, parts.settings.maxManifestBytes);
  const digest = digestOf(bytes, byDigest === undefined ? 'sha256' : algorithmOf(byDigest));
  if (byDigest !== undefined && digest !== byDigest) {
    throw new Refusal('DIGEST_INVALID', 'provided digest did not match uploaded content', {
      detail: { digest },
    });
  }
  const document = readManifest(bytes, exchange.header('content-type'));
  await keepManifest(parts, { repository, bytes, digest, document, tags });
  const warning = await adopted(parts, repository, digest, tags);
  exchange.send(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(document.subject === undefined ? {} : { 'OCI-Subject': document.subject }),
    ...(parameters.length > 0 ? { 'OCI-Tag': parameters.join(', ') } : {}),
    ...(warning === undefined ? {} : { Warning: warning }),
  });
}

/** What keeping and giving out needs. */
export type KeepingParts = Pick<ServerParts, 'store' | 'view'>;

/** A manifest that is to be kept. */
export interface NewManifest {
  repository: string;
  bytes: Buffer;
  digest: Digest;
  document: ManifestDocument;
  tags: readonly string[];
}

/**
 * Keeps a manifest: its bytes, and what is known of it, become visible at once, or not at all.
 *
 * @throws Refusal `MANIFEST_BLOB_UNKNOWN`, `MANIFEST_INVALID`
 */
export async function keepManifest(parts: KeepingParts, one: NewManifest): Promise<void> {
  const { repository, bytes, digest, document, tags } = one;
  const { store } = parts;
  const upload = await store.upload(algorithmOf(digest));
  try {
    await upload.write(bytes);
    const { mediaType, references, required } = document;
    await upload.commit(
      digest,
      () => {
        checkSizes(store, references);
        for (const blob of required) {
          // What is seen through an image of the same name becomes the repository's own.
          if (!store.registry.hasBlob(repository, blob) && blobIsHere(parts, repository, blob)) {
            store.registry.addBlob(repository, blob);
          }
        }
        const entry = { ...document, digest, size: bytes.length, tags };
        const missing = store.registry.putManifest(repository, entry);
        if (missing.length === 0) return;
        const message = 'manifest references a manifest or blob unknown to registry';
        throw new Refusal('MANIFEST_BLOB_UNKNOWN', message, { detail: { digests: missing } });
      },
      { mediaType, durable: true },
    );
  } finally {
    await upload.close();
  }
}

/** DELETE of a manifest or tag: end-9. */
export function deleteManifest(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): void {
  const { registry } = parts.store;
  const known = registry.hasRepository(repository);
  if (reference.includes(':')) {
    const digest = readDigest(reference);
    if (!registry.removeManifest(repository, digest)) {
      if (parts.view?.hasManifest(repository, digest) === true) throw notDeletedHere();
      throw known ? manifestUnknown(reference) : nameUnknown(repository);
    }
    registry.removeUnusedBlobs(Date.now() - parts.settings.unusedBlobMs);
    parts.sweeper.soon();
  } else if (!registry.removeTag(repository, reference)) {
    if (parts.view?.tag(repository, reference) !== undefined) throw notDeletedHere();
    throw known ? manifestUnknown(reference) : nameUnknown(repository);
  }
  exchange.send(202, {});
}

/** Whether anything is known by this name. */
export function repositoryIsHere(parts: ServerParts, repository: string): boolean {
  return parts.store.registry.hasRepository(repository) || parts.view?.hasRepository(repository) === true;
}

/** Said of a repository that has nothing. */
export function nameUnknown(name: string): Refusal {
  return new Refusal('NAME_UNKNOWN', 'repository name not known to registry', { detail: { name } });
}

function stored(parts: ServerParts, digest: Digest): FoundManifest {
  const row = parts.store.content.get(digest);
  if (!row) throw manifestUnknown(digest);
  return row;
}

function tagParameters(exchange: Exchange): string[] {
  const tags = [...new Set(exchange.query.getAll('tag'))];
  if (tags.length > MAX_TAGS) {
    throw new Refusal('UNSUPPORTED', `a manifest can be pushed with ${MAX_TAGS} tags at once`, {
      status: 414,
    });
  }
  if (!tags.every(isTag)) throw new Refusal('MANIFEST_INVALID', 'one of the tags is none');
  return tags;
}

async function readBody(exchange: Exchange, limit: number): Promise<Buffer> {
  const tooLarge = (): Refusal =>
    new Refusal('SIZE_INVALID', `a manifest may have at most ${limit} bytes`, { status: 413 });
  if ((exchange.contentLength ?? 0) > limit) throw tooLarge();
  return readAll(exchange.body(), limit, tooLarge);
}

/** A manifest that is wrong about what is here could never be pulled. */
function checkSizes(store: Store, references: readonly RegistryReference[]): void {
  for (const { digest, size } of references) {
    const row = store.content.get(digest);
    if (row && row.size !== size) {
      throw new Refusal('MANIFEST_INVALID', `the manifest is invalid: ${digest} does not have ${size} bytes`);
    }
  }
}

/** Makes the image one of the store, if that is wanted. What cannot be one is pushed all the same. */
async function adopted(
  parts: ServerParts,
  repository: string,
  digest: Digest,
  tags: readonly string[],
): Promise<string | undefined> {
  const { adopt } = parts.settings;
  if (adopt === undefined || tags.length === 0) return undefined;
  try {
    await adoptImage(parts, { domain: adopt, repository, digest, tags });
    return undefined;
  } catch (error) {
    parts.onError(error);
    const code = VainaError.is(error) ? error.code : 'ERR_INTERNAL';
    return `299 - "the image was pushed, but did not become one of the store: ${code}"`;
  }
}

function manifestUnknown(reference: string): Refusal {
  return new Refusal('MANIFEST_UNKNOWN', 'manifest unknown to registry', {
    detail: { reference: reference.slice(0, 200) },
  });
}

function notDeletedHere(): Refusal {
  return new Refusal('UNSUPPORTED', 'an image of the store is not deleted here');
}
