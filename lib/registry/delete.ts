import { VainaError } from '../errors.js';
import { verifyBytes } from '../oci/digest.js';
import { formatReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import type { RegistryClient } from './client.js';
import { publicUrl } from './failure.js';
import { fetchManifest, ownDigest } from './manifests.js';
import { referenceOf, withRegistry, type RegistryCallOptions } from './open.js';
import { referrerOf, referrersKept, removeReferrer } from './referrers.js';
import { retrying } from './retry.js';
import { answerFailure, discard } from './transport.js';

/**
 * Deletes a manifest or index, and with it every tag that stands for it (distribution-spec, deleting manifests). Where it
 * refers to another one and the registry keeps no list of that, it is taken from the list of the tag.
 *
 * @param reference - by digest; or by tag, `latest` by default, and then what the tag stands for is deleted
 * @returns its digest
 * @throws VainaError `ERR_NO_SUCH_IMAGE`; `ERR_UNSUPPORTED` where the registry does not allow it
 */
export async function deleteManifest(
  reference: string | Reference,
  options: RegistryCallOptions = {},
): Promise<Digest> {
  const parsed = withDefaultTag(referenceOf(reference));
  const what = `deletion of ${formatReference(parsed)}`;
  return withRegistry(parsed, what, options, [], async (client, signal) => {
    const name = parsed.digest ?? parsed.tag ?? 'latest';
    const { bytes, mediaType, said } = await fetchManifest(client, name, signal);
    if (parsed.digest !== undefined)
      verifyBytes(bytes, { digest: parsed.digest }, `manifest ${parsed.digest}`);
    const digest = parsed.digest ?? ownDigest(bytes, said);
    await remove(client, digest, signal);
    const referrer = subjectOf({ bytes, mediaType, digest });
    if (referrer && !(await referrersKept(client, referrer, signal)))
      await removeReferrer(client, referrer, digest, signal);
    return digest;
  });
}

/**
 * Deletes a tag alone; what it stood for stays (distribution-spec, deleting tags). Many registries delete by digest only.
 *
 * @param reference - its tag counts, `latest` by default
 * @throws VainaError `ERR_NO_SUCH_IMAGE`; `ERR_UNSUPPORTED` where the registry does not allow it; `ERR_INVALID_REFERENCE`
 * for a reference by digest
 */
export async function deleteTag(
  reference: string | Reference,
  options: RegistryCallOptions = {},
): Promise<void> {
  const parsed = withDefaultTag(referenceOf(reference));
  const { tag, digest } = parsed;
  if (tag === undefined || digest !== undefined)
    throw new VainaError('ERR_INVALID_REFERENCE', `${formatReference(parsed)} does not name a tag alone`);
  await withRegistry(parsed, `deletion of ${formatReference(parsed)}`, options, [], (client, signal) =>
    remove(client, tag, signal),
  );
}

async function remove(client: RegistryClient, name: string, signal: AbortSignal): Promise<void> {
  await retrying(client.settings, signal, async () => {
    const answer = await client.request(`manifests/${name}`, {
      method: 'DELETE',
      scopes: client.scope('pull,delete'),
      signal,
      accept: [200, 202, 204, 400, 405],
      missing: 'ERR_NO_SUCH_IMAGE',
    });
    if (answer.status < 400) {
      discard(answer);
      return;
    }
    const { url } = answer;
    const failure = await answerFailure(answer, client.settings.stallTimeout, 'ERR_REGISTRY');
    // Both mean that it is not allowed: the names are well-formed.
    throw new VainaError('ERR_UNSUPPORTED', `${publicUrl(url)} cannot be deleted: ${failure.message}`, {
      hint: name.includes(':')
        ? 'the registry must allow deletion; that of distribution does with REGISTRY_STORAGE_DELETE_ENABLED=true'
        : 'this registry may delete by digest only',
      cause: failure,
    });
  });
}

/** What a manifest refers to; nothing where it is none that the engine reads, which can be deleted all the same. */
function subjectOf(raw: { bytes: Buffer; mediaType: string; digest: Digest }): Digest | undefined {
  try {
    return referrerOf(raw)?.subject;
  } catch {
    return undefined;
  }
}
