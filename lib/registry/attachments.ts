import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { algorithmOf, digestOf, hexOf, verifyBytes } from '../oci/digest.js';
import { parseManifest } from '../oci/manifest.js';
import { MEDIA } from '../oci/mediatypes.js';
import type { Descriptor, Digest, Manifest, Signature } from '../oci/types.js';
import { readAll } from '../util/read-all.js';
import type { RegistryClient } from './client.js';
import { blobPieces } from './download.js';
import { Held } from './held.js';
import { findManifest, storeManifest } from './manifests.js';
import { retrying } from './retry.js';
import { cancelSession, hasBlob, Upload } from './upload.js';

/** A signature of sigstore. */
export type SigstoreSignature = Extract<Signature, { kind: 'sigstore' }>;

/** Most signatures of one manifest. */
const MAX_SIGNATURES = 32;
/** Most bytes of a payload. */
const MAX_PAYLOAD = 4 * 1024 * 1024;

/** The tag of the signatures of a manifest (cosign's SIGNATURE_SPEC, tag-based discovery). */
function attachmentTag(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`.slice(0, 124) + '.sig';
}

/**
 * The signatures that are attached to a manifest: the layers of an OCI manifest beside it. They are not verified, but
 * their payloads are what the manifest says.
 *
 * @throws VainaError `ERR_INVALID_IMAGE` for what is no such manifest, or has more than 32 signatures or 4 MiB in one
 */
export async function readAttachments(
  client: RegistryClient,
  digest: Digest,
  signal: AbortSignal,
): Promise<SigstoreSignature[]> {
  const found = await findAttachments(client, digest, signal);
  const signatures: SigstoreSignature[] = [];
  for (const layer of found?.layers ?? []) {
    const payload = await readPayload(client, layer, signal);
    const annotations = { ...layer.annotations };
    signatures.push({ kind: 'sigstore', mediaType: layer.mediaType, payload, annotations });
  }
  return signatures;
}

/** Attaches signatures to a manifest, beside those that are there. */
export async function writeAttachments(
  client: RegistryClient,
  digest: Digest,
  signatures: readonly SigstoreSignature[],
  signal: AbortSignal,
): Promise<void> {
  const old = await findAttachments(client, digest, signal);
  const layers = [...(old?.layers ?? [])];
  const known = new Set(layers.map(identityOf));
  for (const { mediaType, payload, annotations } of signatures) {
    const layer = { ...describe(payload, mediaType), annotations: { ...annotations } };
    if (known.has(identityOf(layer))) continue;
    known.add(identityOf(layer));
    await putBytes(client, layer, payload, signal);
    layers.push(layer);
  }
  if (layers.length === (old?.layers.length ?? 0)) return;
  if (layers.length > MAX_SIGNATURES) throw tooMany(digest);
  // A configuration that says no more than which layers there are, as the peers write it.
  const config = Buffer.from(
    JSON.stringify({
      architecture: '',
      os: '',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    }),
  );
  const described = describe(config, MEDIA.ociConfig);
  await putBytes(client, described, config, signal);
  const manifest: Manifest = {
    ...old,
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: described,
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const raw = { bytes, mediaType: MEDIA.ociManifest, digest: digestOf(bytes) };
  await storeManifest(client, attachmentTag(digest), raw, signal);
}

async function findAttachments(
  client: RegistryClient,
  digest: Digest,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const tag = attachmentTag(digest);
  const raw = await findManifest(client, tag, signal);
  if (!raw) return undefined;
  const parsed = parseManifest(raw.bytes, raw.mediaType, `signatures ${tag}`);
  if (parsed.kind !== 'manifest' || parsed.mediaType !== MEDIA.ociManifest)
    throw new VainaError('ERR_INVALID_IMAGE', `the tag ${tag} of ${client.repository} holds no signatures`);
  if (parsed.manifest.layers.length > MAX_SIGNATURES) throw tooMany(digest);
  return parsed.manifest;
}

async function readPayload(client: RegistryClient, layer: Descriptor, signal: AbortSignal): Promise<Buffer> {
  const tooLarge = (): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `signature ${layer.digest} is larger than ${MAX_PAYLOAD} bytes`);
  if (layer.size > MAX_PAYLOAD) throw tooLarge();
  const payload = await readAll(blobPieces(client, layer, signal), MAX_PAYLOAD, tooLarge);
  verifyBytes(payload, layer, `signature ${layer.digest}`);
  return payload;
}

async function putBytes(
  client: RegistryClient,
  descriptor: Descriptor,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<void> {
  if (await retrying(client.settings, signal, () => hasBlob(client, descriptor, signal))) return;
  const held = new Held(Readable.from([bytes]), bytes.length);
  const upload = new Upload(client, descriptor, held, { chunkSize: Infinity, signal });
  try {
    await upload.run();
  } catch (error) {
    if (upload.session) await cancelSession(client, upload.session);
    throw error;
  } finally {
    await held.close();
  }
}

function describe(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** What makes two signatures the same. */
function identityOf({ mediaType, digest, annotations = {} }: Descriptor): string {
  return JSON.stringify([mediaType, digest, Object.entries(annotations).sort()]);
}

function tooMany(digest: Digest): VainaError {
  return new VainaError('ERR_INVALID_IMAGE', `${digest} has more than ${MAX_SIGNATURES} signatures`);
}
