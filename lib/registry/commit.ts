import { VainaError } from '../errors.js';
import { algorithmOf, verifyBytes } from '../oci/digest.js';
import { parseManifest } from '../oci/manifest.js';
import type { Reference } from '../oci/reference.js';
import type { CommittedImage, Digest, RawManifest, Signature } from '../oci/types.js';
import { writeAttachments, type SigstoreSignature } from './attachments.js';
import type { RegistryClient } from './client.js';
import { storeManifest } from './manifests.js';
import type { Settings } from './options.js';
import { addReferrer, referrerOf } from './referrers.js';

/** Manifests that are written at the same time. */
const AT_ONCE = 6;

/**
 * Refuses an image with signatures that there is no place for, before anything of it is written.
 *
 * @param name - of the sink
 * @throws VainaError `ERR_UNSUPPORTED`
 */
export function checkSignatures(image: CommittedImage, settings: Settings, name: string): void {
  for (const { kind } of [...image.signatures.values()].flat()) {
    if (kind === 'simple' && !settings.lookaside) {
      throw new VainaError('ERR_UNSUPPORTED', `${name} has no place for signatures of simple signing`, {
        hint: 'configure a lookaside storage for the registry, or leave the signatures away',
      });
    }
    if (kind === 'sigstore' && !settings.sigstoreAttachments) {
      throw new VainaError('ERR_UNSUPPORTED', `${name} is not to hold signatures of sigstore`, {
        hint: 'set sigstoreAttachments, or leave the signatures away',
      });
    }
  }
}

/**
 * Makes an image visible: what an index has below it by digest, the deepest first; then the signatures, so that nobody
 * sees the name without them; last the top by its name.
 */
export async function commitImage(
  client: RegistryClient,
  reference: Reference,
  image: CommittedImage,
  signal: AbortSignal,
): Promise<void> {
  const { top } = image;
  const name = reference.tag ?? reference.digest ?? 'latest';
  if (reference.digest !== undefined)
    verifyBytes(top.bytes, { digest: reference.digest }, `manifest ${top.digest}`);
  const below = image.manifests.map(({ raw }) => raw).filter(({ digest }) => digest !== top.digest);
  for (let at = 0; at < below.length; at += AT_ONCE) {
    await Promise.all(below.slice(at, at + AT_ONCE).map((raw) => store(client, raw.digest, raw, signal)));
  }
  for (const raw of deepestFirst(image.indexes)) {
    if (raw.digest !== top.digest) await store(client, raw.digest, raw, signal);
  }
  for (const [digest, signatures] of image.signatures) {
    await writeSignatures(client, reference, digest, signatures, signal);
  }
  // A registry gives a tag a sha256 digest; by another one it must have been told of it.
  const other = reference.digest ?? (algorithmOf(top.digest) === 'sha256' ? undefined : top.digest);
  if (other !== undefined && other !== name) await store(client, other, top, signal);
  await store(client, name, top, signal);
}

async function store(
  client: RegistryClient,
  name: string,
  raw: RawManifest,
  signal: AbortSignal,
): Promise<void> {
  const { subjectNoted } = await storeManifest(client, name, raw, signal);
  if (subjectNoted) return;
  const referrer = referrerOf(raw);
  if (referrer) await addReferrer(client, referrer.subject, referrer.descriptor, signal);
}

/** Indexes in an order in which each comes after those it names. */
function deepestFirst(indexes: readonly RawManifest[]): RawManifest[] {
  const byDigest = new Map(indexes.map((raw) => [raw.digest, raw]));
  const ordered = new Set<RawManifest>();
  const visit = (raw: RawManifest): void => {
    // A digest cannot be in a ring: what names it has another one.
    if (ordered.has(raw)) return;
    const parsed = parseManifest(raw.bytes, raw.mediaType, `index ${raw.digest}`);
    for (const { digest } of parsed.kind === 'index' ? parsed.index.manifests : []) {
      const child = byDigest.get(digest);
      if (child && child !== raw) visit(child);
    }
    ordered.add(raw);
  };
  for (const raw of indexes) visit(raw);
  return [...ordered];
}

async function writeSignatures(
  client: RegistryClient,
  reference: Reference,
  digest: Digest,
  signatures: readonly Signature[],
  signal: AbortSignal,
): Promise<void> {
  const simple = signatures.flatMap((each) => (each.kind === 'simple' ? [each.bytes] : []));
  const sigstore = signatures.filter((each): each is SigstoreSignature => each.kind === 'sigstore');
  if (simple.length > 0) await client.settings.lookaside?.write(reference, digest, simple, { signal });
  if (sigstore.length > 0) await writeAttachments(client, digest, sigstore, signal);
}
