import { parseReference, type Reference } from '../oci/reference.js';
import { RegistryClient } from './client.js';
import { within } from './deadline.js';
import { checkNames, type RegistryOptions } from './options.js';

/** Options of one call to a registry. */
export interface RegistryCallOptions extends RegistryOptions {
  /** Aborting stops the call. */
  signal?: AbortSignal;
}

/** The reference as an object. */
export function referenceOf(reference: string | Reference): Reference {
  return typeof reference === 'string' ? parseReference(reference) : reference;
}

/**
 * Does one thing with a registry, within the time of one operation, and closes the connections.
 *
 * @param place - what is talked to: domain of a reference, and repository or nothing
 * @param more - names of options of the call itself
 */
export async function withRegistry<T>(
  place: { domain: string; path: string },
  what: string,
  options: RegistryCallOptions,
  more: readonly string[],
  work: (client: RegistryClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  checkNames('a request', options, ['signal', ...more]);
  options.signal?.throwIfAborted();
  const client = new RegistryClient(place.domain, place.path, options);
  try {
    return await within(client.settings, what, options.signal, (signal) => work(client, signal));
  } finally {
    await client.close();
  }
}
