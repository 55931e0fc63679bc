import type { Readable } from 'node:stream';
import { baseMediaType, ACCEPT_MANIFESTS } from '../oci/mediatypes.js';
import { digestOf, verifyBytes } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../oci/limits.js';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { Descriptor, Digest, ImageSource, RawManifest, TransferOptions } from '../oci/types.js';
import { RegistryClient } from './client.js';
import { downloadBlob } from './download.js';
import type { RegistryOptions } from './options.js';
import { retrying, unwrapped } from './retry.js';
import { readBody } from './transport.js';

/**
 * An image in a registry. Nothing is asked before it is read. A reference with a digest is read by the digest, without
 * either by the tag `latest`.
 *
 * The source fails with `ERR_NO_SUCH_IMAGE`, `ERR_UNAUTHORIZED`, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY` or
 * `ERR_DIGEST_MISMATCH`; the first failures of a kind that may pass are tried again.
 *
 * @param reference - a full one; a name without a registry is one of docker.io
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`
 */
export function registrySource(reference: string | Reference, options: RegistryOptions = {}): ImageSource {
  const parsed = typeof reference === 'string' ? parseReference(reference) : reference;
  return new RegistrySource(withDefaultTag(parsed), options);
}

class RegistrySource implements ImageSource {
  readonly name: string;
  readonly #reference: Reference;
  readonly #client: RegistryClient;

  constructor(reference: Reference, options: RegistryOptions) {
    this.name = `docker://${formatReference(reference)}`;
    this.#reference = reference;
    this.#client = new RegistryClient(reference.domain, reference.path, options);
  }

  async manifest(digest = this.#reference.digest, options: TransferOptions = {}): Promise<RawManifest> {
    const { signal } = options;
    return this.#reporting(signal, async () => {
      const { bytes, mediaType } = await this.#fetch(digest ?? this.#reference.tag ?? 'latest', signal);
      // The header Docker-Content-Digest is only the registry's word.
      if (digest === undefined) return { bytes, mediaType, digest: digestOf(bytes) };
      verifyBytes(bytes, { digest }, `manifest ${digest}`);
      return { bytes, mediaType, digest };
    });
  }

  async blob(descriptor: Descriptor, options: TransferOptions = {}): Promise<Readable> {
    return downloadBlob(this.#client, descriptor, options.signal);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #fetch(name: string | Digest, signal?: AbortSignal): Promise<{ bytes: Buffer; mediaType: string }> {
    const { settings } = this.#client;
    return retrying(settings, signal, async () => {
      const answer = await this.#client.get(`manifests/${name}`, {
        signal,
        headers: { Accept: ACCEPT_MANIFESTS.join(', ') },
        missing: 'ERR_NO_SUCH_IMAGE',
      });
      const bytes = await readBody(answer, MAX_MANIFEST_BYTES, settings.stallTimeout);
      return { bytes, mediaType: baseMediaType(answer.header('content-type')) };
    });
  }

  async #reporting<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw unwrapped(error);
    }
  }
}
