import type { Readable } from 'node:stream';
import { copy } from '../oci/copy.js';
import { isConfigType, isIndexType, isManifestType } from '../oci/mediatypes.js';
import type { Descriptor, Digest, ImageSource, Manifest, RawManifest } from '../oci/types.js';
import { VainaError } from '../errors.js';
import type { ServerParts } from './parts.js';

/** What is to become an image of the store. */
export interface Adoption {
  domain: string;
  repository: string;
  digest: Digest;
  tags: readonly string[];
}

/**
 * Makes an image of a repository one of the store, under `DOMAIN/REPOSITORY:TAG`: nothing is copied, the layers are
 * unpacked. Of an index, it is the image of this host's platform. Artifacts are left out.
 */
export async function adoptImage(parts: ServerParts, adoption: Adoption): Promise<void> {
  const { domain, repository, digest, tags } = adoption;
  const source = new RepositorySource(parts, repository, digest);
  if (!isImage(await source.manifest())) return;
  const names = tags.map((tag) => `${domain}/${repository}:${tag}`);
  await copy(source, parts.store.sink({ names }), {});
}

/** Whether a manifest is that of an image, or of several. */
function isImage(raw: RawManifest): boolean {
  if (isIndexType(raw.mediaType)) return true;
  if (!isManifestType(raw.mediaType)) return false;
  const { config } = JSON.parse(raw.bytes.toString('utf8')) as Manifest;
  return isConfigType(config.mediaType);
}

/** An image of a repository of this registry. */
class RepositorySource implements ImageSource {
  readonly name: string;
  readonly #parts: ServerParts;
  readonly #repository: string;
  readonly #top: Digest;

  constructor(parts: ServerParts, repository: string, top: Digest) {
    this.#parts = parts;
    this.#repository = repository;
    this.#top = top;
    this.name = `${repository}@${top}`;
  }

  async manifest(digest: Digest = this.#top): Promise<RawManifest> {
    const { store } = this.#parts;
    const row = store.registry.manifest(this.#repository, digest);
    if (!row) {
      throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.name} has no manifest ${digest}`, {
        subject: digest,
      });
    }
    return { bytes: await store.content.read(digest), mediaType: row.mediaType, digest };
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    return this.#parts.store.content.open(descriptor.digest);
  }

  async close(): Promise<void> {}
}
