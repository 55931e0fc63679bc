import type { Readable } from 'node:stream';
import { digestOf, verifyBytes } from '../oci/digest.js';
import { formatReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type {
  Descriptor,
  Digest,
  ImageSource,
  RawManifest,
  Signature,
  TransferOptions,
} from '../oci/types.js';
import { readAttachments } from './attachments.js';
import { RegistryClient } from './client.js';
import { within } from './deadline.js';
import { Downloads } from './downloads.js';
import { readTags } from './list.js';
import { fetchManifest } from './manifests.js';
import { PlacedSource, placesOf } from './mirrors.js';
import { referenceOf } from './open.js';
import { checkNames, settingsOf, type RegistryOptions } from './options.js';
import { checkPolicy } from './retry.js';

/**
 * An image in a registry. Nothing is asked before it is read. A reference with a digest is read by the digest, without
 * either by the tag `latest`. The configuration of registries (containers-registries.conf(5)) says where it is read from:
 * at another location, from a mirror, without TLS, or not at all. It keeps the name that was asked for.
 *
 * The source fails with `ERR_NO_SUCH_IMAGE`, `ERR_UNAUTHORIZED`, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY`,
 * `ERR_REGISTRY_BLOCKED` or `ERR_DIGEST_MISMATCH`; the first failures of a kind that may pass are tried again.
 *
 * @param reference - a full one; a name without a registry is one of docker.io
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`
 */
export function registrySource(reference: string | Reference, options: RegistryOptions = {}): ImageSource {
  const parsed = referenceOf(reference);
  checkNames('registrySource', options);
  checkPolicy(settingsOf(options));
  return new PlacedSource(
    withDefaultTag(parsed),
    options,
    (place) => new RegistrySource(place.reference, place.options),
  );
}

/**
 * The places that an image may be read from by the configuration of registries, mirrors first: a source for each, under
 * the name that it has there.
 *
 * @throws VainaError `ERR_REGISTRY_BLOCKED`, `ERR_INVALID_OPTION`
 */
export async function placesToRead(reference: Reference, options: RegistryOptions): Promise<ImageSource[]> {
  const places = await placesOf(withDefaultTag(reference), options);
  return places.map((place) => new RegistrySource(place.reference, place.options));
}

class RegistrySource implements ImageSource {
  readonly name: string;
  readonly reference: Reference;
  readonly #client: RegistryClient;
  readonly #downloads: Downloads;

  constructor(reference: Reference, options: RegistryOptions) {
    this.name = `docker://${formatReference(reference)}`;
    this.reference = reference;
    this.#client = new RegistryClient(reference.domain, reference.path, options);
    this.#downloads = new Downloads(this.#client, this.name);
  }

  async manifest(digest = this.reference.digest, options: TransferOptions = {}): Promise<RawManifest> {
    const name = digest ?? this.reference.tag ?? 'latest';
    return this.#operation(`manifest ${name}`, options.signal, async (signal) => {
      const { bytes, mediaType } = await fetchManifest(this.#client, name, signal);
      // The header Docker-Content-Digest is only the registry's word.
      if (digest === undefined) return { bytes, mediaType, digest: digestOf(bytes) };
      verifyBytes(bytes, { digest }, `manifest ${digest}`);
      return { bytes, mediaType, digest };
    });
  }

  async blob(descriptor: Descriptor, options: TransferOptions = {}): Promise<Readable> {
    return this.#downloads.open(descriptor, options.signal);
  }

  async signatures(digest: Digest, options: TransferOptions = {}): Promise<readonly Signature[]> {
    const { lookaside, sigstoreAttachments } = this.#client.settings;
    return this.#operation(`signatures of ${digest}`, options.signal, async (signal) => {
      const beside = (await lookaside?.read(this.reference, digest, { signal })) ?? [];
      const simple = beside.map((bytes): Signature => ({ kind: 'simple', bytes }));
      const attached = sigstoreAttachments ? await readAttachments(this.#client, digest, signal) : [];
      return [...simple, ...attached];
    });
  }

  async tags(options: TransferOptions = {}): Promise<string[]> {
    return this.#operation('tags', options.signal, (signal) => readTags(this.#client, signal));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #operation<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return within(this.#client.settings, `${this.name}: ${what}`, signal, work);
  }
}
