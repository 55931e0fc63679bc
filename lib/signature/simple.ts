import { VainaError } from '../errors.js';
import type { Digest } from '../oci/types.js';
import { signMessage, type GpgOptions, type Keyring, type VerifiedMessage } from './gpg.js';
import { checkOptions, GPG } from './options.js';
import { isDigestOf, makePayload, parsePayload, signedReference, type SignaturePayload } from './payload.js';

/** A simple signature (containers-signature(5)). */
export interface SimpleSignature {
  /** Tells it from a sigstore signature. */
  kind: 'simple';
  /** The message, binary. */
  bytes: Buffer;
}

/** What {@link signSimple} is given. */
export interface SimpleSignOptions extends GpgOptions {
  /** The bytes of the manifest or index. */
  manifest: Uint8Array;
  /** What the signature calls the image, e.g. `registry.example.com/app:1.2`. */
  reference: string;
  /** Fingerprint of the key, one that gpg has the secret part of. */
  keyFingerprint: string;
  /** Of the key, one line. Default: the agent of gpg asks for it where it has to. */
  passphrase?: string;
  /** The time that is put into the signature. Default: now. */
  now?: Date;
}

/**
 * Signs a manifest: an OpenPGP message around a document with the digest of the manifest and the name of the image,
 * made by the host's gpg with a key of the user.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`; `ERR_INVALID_SIGNATURE` when gpg cannot sign with the
 * key, `ERR_HOST_UNSUPPORTED` without gpg
 */
export async function signSimple(options: SimpleSignOptions): Promise<SimpleSignature> {
  checkOptions(options, ['manifest', 'reference', 'keyFingerprint', 'passphrase', 'now', ...GPG]);
  const { manifest, reference, keyFingerprint, passphrase, now, ...host } = options;
  const payload = makePayload('simple', manifest, signedReference(reference), now);
  return { kind: 'simple', bytes: await signMessage(payload, keyFingerprint, passphrase, host) };
}

/** What {@link verifySimple} has found to be true. */
export interface VerifiedSignature {
  /** Digest of the manifest. */
  digest: Digest;
  /** What the signature calls the image. */
  reference: string;
  /** Who signed: the fingerprint of the OpenPGP key. */
  fingerprint: string;
  /** Fingerprint of the primary key, when a subkey of it signed; else the same. */
  primaryFingerprint: string;
}

/** What a signature must be like. */
export interface Expectation {
  /** The bytes of the manifest that must be signed. */
  manifest: Uint8Array;
  /** Whether the name that the signature gives the image is one that counts. May throw a better reason. */
  acceptsReference: (reference: string) => boolean;
  /** Whether the key counts; `primary` is the key that a subkey belongs to. May throw. Default: any of the keyring. */
  acceptsKey?: (fingerprint: string, primary: string) => boolean;
}

/**
 * Verifies one simple signature: the OpenPGP message, its key, then the document in it, the digest and the name.
 *
 * @param keyring - the keys that count
 * @throws VainaError `ERR_INVALID_SIGNATURE` with the first thing that is not as it must be
 */
export async function verifySimple(
  keyring: Pick<Keyring, 'verify'>,
  signature: Uint8Array,
  expected: Expectation,
): Promise<VerifiedSignature> {
  // A packet of OpenPGP has its first bit set; text in armor, or signed in the clear, is none.
  if ((signature[0] ?? 0) < 0x80) {
    throw new VainaError('ERR_INVALID_SIGNATURE', 'it is not a signed OpenPGP message');
  }
  const message: VerifiedMessage = await keyring.verify(signature);
  const { fingerprint, primary } = message;
  if (expected.acceptsKey && !expected.acceptsKey(fingerprint, primary)) {
    throw new VainaError('ERR_INVALID_SIGNATURE', `signature by key ${fingerprint} is not accepted`);
  }
  const payload = parsePayload('simple', message.content);
  checkPayload(payload, expected);
  return { digest: payload.digest, reference: payload.reference, fingerprint, primaryFingerprint: primary };
}

/** Holds what was signed against what must be. */
export function checkPayload(payload: SignaturePayload, expected: Expectation): void {
  if (!isDigestOf(payload.digest, expected.manifest)) {
    throw new VainaError('ERR_INVALID_SIGNATURE', `signature for digest ${payload.digest} does not match`);
  }
  if (!expected.acceptsReference(payload.reference)) {
    const name = JSON.stringify(payload.reference.slice(0, 700)).slice(1, -1);
    throw new VainaError('ERR_INVALID_SIGNATURE', `signature for identity ${name} is not accepted`);
  }
}
