import { sign, verify, type KeyObject } from 'node:crypto';
import { VainaError } from '../errors.js';
import type { Digest } from '../oci/types.js';
import { checkOptions } from './options.js';
import { readSigstoreKey } from './sigstore-key.js';
import { makePayload, parsePayload, signedReference } from './payload.js';
import { MAX_PAYLOAD_BYTES } from './limits.js';
import { checkPayload, type Expectation } from './simple.js';

/** A sigstore signature, as cosign attaches it to an image. */
export interface SigstoreSignature {
  /** Tells it from a simple signature. */
  kind: 'sigstore';
  /** Of the payload; {@link verifySigstore} takes only that of signatures. */
  mediaType: string;
  /** What is signed. */
  payload: Buffer;
  /** The signature of the payload, and what else comes with it. */
  annotations: Readonly<Record<string, string>>;
}

/** Media type of a payload that is a signature; attestations and others have their own. */
export const SIGSTORE_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
/** The annotation that holds the signature of the payload, in base64. */
export const SIGSTORE_SIGNATURE = 'dev.cosignproject.cosign/signature';

/** What {@link signSigstore} is given. */
export interface SigstoreSignOptions {
  /** The bytes of the manifest or index. */
  manifest: Uint8Array;
  /** What the signature calls the image, e.g. `registry.example.com/app:1.2`. */
  reference: string;
  /** The private key in PEM, as {@link generateSigstoreKey} or cosign wrote it. */
  privateKey: string | Uint8Array;
  /** Of the private key. Default: the empty one. */
  passphrase?: string;
  /** The time that is put into the signature. Default: now. */
  now?: Date;
}

/**
 * Signs a manifest in the way of `cosign sign --key`, for `sigstoreSigned` in a policy. Nothing is sent to a
 * transparency log.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`; `ERR_INVALID_OPTION` for a key that cannot be read
 */
export async function signSigstore(options: SigstoreSignOptions): Promise<SigstoreSignature> {
  checkOptions(options, ['manifest', 'reference', 'privateKey', 'passphrase', 'now']);
  const { manifest, reference, privateKey, passphrase = '', now } = options;
  const key = await readSigstoreKey(privateKey, passphrase);
  const payload = makePayload('sigstore', manifest, signedReference(reference), now);
  const signature = sign(hashOf(key), payload, key);
  return {
    kind: 'sigstore',
    mediaType: SIGSTORE_MEDIA_TYPE,
    payload,
    annotations: { [SIGSTORE_SIGNATURE]: signature.toString('base64') },
  };
}

/** What {@link verifySigstore} has found to be true. */
export interface VerifiedSigstore {
  /** Digest of the manifest. */
  digest: Digest;
  /** What the signature calls the image. */
  reference: string;
  /** The key that it was made with. */
  key: KeyObject;
}

/**
 * Verifies one sigstore signature: that one of the keys made it for the payload, then the document in it, the digest and
 * the name. Certificates and entries of a log that come with it are not looked at: the key alone counts.
 *
 * @throws VainaError `ERR_INVALID_SIGNATURE` with the first thing that is not as it must be
 */
export function verifySigstore(
  keys: readonly KeyObject[],
  signature: SigstoreSignature,
  expected: Omit<Expectation, 'acceptsKey'>,
): VerifiedSigstore {
  const { payload, annotations, mediaType } = signature;
  if (mediaType !== SIGSTORE_MEDIA_TYPE) throw invalid(`${JSON.stringify(mediaType)} is not a signature`);
  if (!Object.hasOwn(annotations, SIGSTORE_SIGNATURE))
    throw invalid(`missing ${SIGSTORE_SIGNATURE} annotation`);
  // Line ends are passed over, as by the peers.
  const text = annotations[SIGSTORE_SIGNATURE]!.replace(/[\r\n]/g, '');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw invalid('the signature is not base64');
  if (payload.length > MAX_PAYLOAD_BYTES)
    throw invalid(`the payload is larger than ${MAX_PAYLOAD_BYTES} bytes`);
  const key = keys.find((candidate) => verify(hashOf(candidate), payload, candidate, bytes));
  if (!key) throw invalid('cryptographic signature verification failed');
  const parsed = parsePayload('sigstore', payload);
  checkPayload(parsed, expected);
  return { digest: parsed.digest, reference: parsed.reference, key };
}

/** Ed25519 has a hash of its own; everything else is signed over SHA-256, for longer keys too, as at cosign. */
function hashOf(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

function invalid(why: string): VainaError {
  return new VainaError('ERR_INVALID_SIGNATURE', `invalid sigstore signature: ${why}`);
}
