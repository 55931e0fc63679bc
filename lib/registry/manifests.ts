import { VainaError } from '../errors.js';
import { algorithmOf, digestOf, isDigest } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../oci/limits.js';
import { ACCEPT_MANIFESTS, baseMediaType } from '../oci/mediatypes.js';
import type { Digest, RawManifest } from '../oci/types.js';
import type { RegistryClient } from './client.js';
import { publicUrl } from './failure.js';
import { payloadOf } from './payload.js';
import { retrying } from './retry.js';
import { discard, readBody, type Answer } from './transport.js';

/**
 * Reads a manifest or index, not verified.
 *
 * @param name - a tag or digest
 * @throws VainaError `ERR_NO_SUCH_IMAGE` when there is none
 */
export async function fetchManifest(
  client: RegistryClient,
  name: string,
  signal?: AbortSignal,
): Promise<{ bytes: Buffer; mediaType: string; said: Digest | undefined }> {
  const { settings } = client;
  return retrying(settings, signal, async () => {
    const answer = await client.get(`manifests/${name}`, {
      signal,
      headers: { Accept: ACCEPT_MANIFESTS.join(', ') },
      missing: 'ERR_NO_SUCH_IMAGE',
    });
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES, settings.stallTimeout);
    return { bytes, mediaType: baseMediaType(answer.header('content-type')), said: saidDigest(answer) };
  });
}

/** {@link fetchManifest} where there may be none. */
export async function findManifest(
  client: RegistryClient,
  name: string,
  signal?: AbortSignal,
): Promise<RawManifest | undefined> {
  try {
    const { bytes, mediaType, said } = await fetchManifest(client, name, signal);
    return { bytes, mediaType, digest: ownDigest(bytes, said) };
  } catch (error) {
    if (VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) return undefined;
    throw error;
  }
}

/** The digest that bytes have: in the registry's own algorithm where it has told the truth about it. */
export function ownDigest(bytes: Buffer, said: Digest | undefined): Digest {
  return said !== undefined && digestOf(bytes, algorithmOf(said)) === said ? said : digestOf(bytes);
}

/**
 * Writes a manifest or index.
 *
 * @param name - a tag, or its digest
 * @returns whether the registry has taken note of its subject (`OCI-Subject`)
 * @throws VainaError `ERR_DIGEST_MISMATCH` when the registry says that it has stored something else
 */
export async function storeManifest(
  client: RegistryClient,
  name: string,
  raw: RawManifest,
  signal?: AbortSignal,
): Promise<{ subjectNoted: boolean }> {
  return retrying(client.settings, signal, async () => {
    const answer = await client.request(`manifests/${name}`, {
      method: 'PUT',
      payload: payloadOf(raw.bytes, raw.mediaType),
      scopes: client.scope('pull,push'),
      signal,
      accept: [200, 201, 202],
    });
    discard(answer);
    checkStored(answer, raw.digest);
    return { subjectNoted: answer.header('oci-subject') !== undefined };
  });
}

/** Holds what the registry says that it has stored against what it was given. */
export function checkStored(answer: Answer, digest: Digest): void {
  const said = saidDigest(answer);
  // In another algorithm it may be a name of the same.
  if (said === undefined || algorithmOf(said) !== algorithmOf(digest) || said === digest) return;
  throw new VainaError(
    'ERR_DIGEST_MISMATCH',
    `${publicUrl(answer.url)} says that it has stored ${said} where it was given ${digest}`,
  );
}

function saidDigest(answer: Answer): Digest | undefined {
  const said = answer.header('docker-content-digest');
  return isDigest(said) ? said : undefined;
}
