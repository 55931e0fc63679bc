import { VainaError } from '../errors.js';
import { formatReference, type Reference } from '../oci/reference.js';
import type {
  Descriptor,
  Digest,
  ImageSource,
  RawManifest,
  Signature,
  TransferOptions,
} from '../oci/types.js';
import type { Readable } from 'node:stream';
import { listTags } from './list.js';
import type { RegistryOptions } from './options.js';
import { asRead, loadRegistries } from './registries-files.js';
import { readingEndpoints } from './registries-match.js';

/** A place to read from, and how. */
export interface Place {
  reference: Reference;
  options: RegistryOptions;
}

/**
 * The places that an image is read from by the configuration of registries, in order. Credentials that the caller gave
 * are for the registry that the image is named after, and go to no other.
 *
 * @throws VainaError `ERR_REGISTRY_BLOCKED`, `ERR_INVALID_OPTION`
 */
export async function placesOf(reference: Reference, options: RegistryOptions): Promise<Place[]> {
  const registries = await loadRegistries(options);
  const same = asRead(registries);
  return readingEndpoints(registries, reference).map((endpoint) => {
    const { credentials, registryToken, ...others } = options;
    const own = endpoint.reference.domain === reference.domain;
    return {
      reference: endpoint.reference,
      options: {
        ...others,
        registries: same,
        ...(credentials && own && { credentials }),
        ...(registryToken !== undefined && own && { registryToken }),
        tlsVerify: options.tlsVerify ?? !endpoint.insecure,
      },
    };
  });
}

/**
 * Does something at the first place where it works.
 *
 * @throws what the last place, the registry itself, failed with; what the mirrors said is in its message
 */
export async function firstPlace<T>(
  places: readonly Place[],
  signal: AbortSignal | undefined,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const failed: string[] = [];
  for (const [i, place] of places.entries()) {
    try {
      return await work(place);
    } catch (error) {
      signal?.throwIfAborted();
      if (i === places.length - 1) throw withMirrors(error, failed);
      failed.push(
        `[${formatReference(place.reference)}: ${error instanceof Error ? error.message : String(error)}]`,
      );
    }
  }
  throw new VainaError('ERR_INTERNAL', 'there is no place to read an image from');
}

function withMirrors(error: unknown, failed: readonly string[]): unknown {
  if (failed.length === 0 || !VainaError.is(error)) return error;
  const { code, message, subject, errno, path, hint } = error;
  return new VainaError(code, `${message} (mirrors also failed: ${failed.join(', ')})`, {
    ...(subject !== undefined && { subject }),
    ...(errno !== undefined && { errno }),
    ...(path !== undefined && { path }),
    ...(hint !== undefined && { hint }),
    cause: error,
  });
}

/**
 * An image under the name that the user knows, read from where the configuration of registries says. The place is
 * chosen when its manifest is read, once; all that follows comes from there.
 */
export class PlacedSource implements ImageSource {
  readonly name: string;
  readonly reference: Reference;
  readonly #options: RegistryOptions;
  readonly #open: (place: Place) => ImageSource;
  #places: Promise<Place[]> | undefined;
  #chosen: Promise<{ source: ImageSource; top?: RawManifest }> | undefined;

  /** @param open - makes the source of one place */
  constructor(reference: Reference, options: RegistryOptions, open: (place: Place) => ImageSource) {
    this.name = `docker://${formatReference(reference)}`;
    this.reference = reference;
    this.#options = options;
    this.#open = open;
  }

  async manifest(digest = this.reference.digest, options: TransferOptions = {}): Promise<RawManifest> {
    const { source, top } = await this.#choose(options.signal);
    if (top && (digest === undefined || digest === top.digest)) return top;
    return source.manifest(digest, options);
  }

  async blob(descriptor: Descriptor, options: TransferOptions = {}): Promise<Readable> {
    return (await this.#choose(options.signal)).source.blob(descriptor, options);
  }

  async signatures(digest: Digest, options: TransferOptions = {}): Promise<readonly Signature[]> {
    const { source } = await this.#choose(options.signal);
    return (await source.signatures?.(digest, options)) ?? [];
  }

  /** Those of the registry itself, whatever mirrors have. */
  async tags(options: TransferOptions = {}): Promise<string[]> {
    const { signal } = options;
    const [only, ...others] = await this.#findPlaces();
    if (only && others.length === 0 && sameRepository(only.reference, this.reference)) {
      const { source } = await this.#choose(signal);
      if (source.tags) return source.tags(options);
    }
    return listTags(this.reference, { ...this.#options, ...(signal && { signal }) });
  }

  async close(): Promise<void> {
    const chosen = await this.#chosen?.catch(() => undefined);
    await chosen?.source.close();
  }

  #choose(signal: AbortSignal | undefined): Promise<{ source: ImageSource; top?: RawManifest }> {
    this.#chosen ??= this.#find(signal).catch((error: unknown) => {
      this.#chosen = undefined;
      throw error;
    });
    return this.#chosen;
  }

  #findPlaces(): Promise<Place[]> {
    this.#places ??= placesOf(this.reference, this.#options).catch((error: unknown) => {
      this.#places = undefined;
      throw error;
    });
    return this.#places;
  }

  async #find(signal: AbortSignal | undefined): Promise<{ source: ImageSource; top?: RawManifest }> {
    const places = await this.#findPlaces();
    const [only] = places;
    // Where there is no choice, nothing is asked that the caller does not ask for.
    if (only && places.length === 1) return { source: this.#open(only) };
    return firstPlace(places, signal, async (place) => {
      const source = this.#open(place);
      try {
        return { source, top: await source.manifest(undefined, signal ? { signal } : {}) };
      } catch (error) {
        await source.close();
        throw error;
      }
    });
  }
}

function sameRepository(a: Reference, b: Reference): boolean {
  return a.domain === b.domain && a.path === b.path;
}
