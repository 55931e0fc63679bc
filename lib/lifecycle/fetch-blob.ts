import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { isIndexType, isManifestType } from '../oci/mediatypes.js';
import { parseReference } from '../oci/reference.js';
import type { Descriptor, ImageSource } from '../oci/types.js';
import type { RegistryOptions } from '../registry/options.js';
import { placesToRead } from '../registry/source.js';

/**
 * Gets a blob from the registries that names are of: from each of their places, mirrors included, until one gives what
 * is wanted.
 *
 * @param keep - takes what a place gives; throws when it is not the blob
 * @throws VainaError `ERR_STORE_DAMAGED` when no place has it, with what each of them said
 */
export async function fetchBlob(
  blob: Descriptor,
  names: readonly string[],
  keep: (content: Readable) => Promise<void>,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const failures: string[] = [];
  const attempt = async (name: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (!VainaError.is(error) || error.code === 'ERR_NO_SPACE') throw error;
      failures.push(`${name}: ${error.message}`);
      return false;
    }
  };
  for (const name of names) {
    if (name.startsWith('sha256:') || name.startsWith('localhost/')) continue;
    let places: ImageSource[] = [];
    await attempt(name, async () => void (places = await placesToRead(parseReference(name), options)));
    for (const source of places) {
      try {
        if (await attempt(source.name, async () => keep(await contentOf(source, blob, signal)))) return;
      } finally {
        await source.close();
      }
    }
  }
  const why = failures.map((failure) => `; ${failure}`).join('');
  throw new VainaError('ERR_STORE_DAMAGED', `the blob ${blob.digest} is not to be had from anywhere${why}`);
}

async function contentOf(
  source: ImageSource,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const transfer = signal ? { signal } : {};
  if (!isIndexType(blob.mediaType) && !isManifestType(blob.mediaType)) return source.blob(blob, transfer);
  const { bytes } = await source.manifest(blob.digest, transfer);
  return Readable.from([bytes]);
}
