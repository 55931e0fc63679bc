import type { KeyObject } from 'node:crypto';
import { VainaError } from '../errors.js';
import { MAX_SIGNATURE_BYTES } from '../oci/limits.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import { quote } from '../util/text.js';
import { verifyWithOwnKeys, withKeyring, type GpgOptions, type Keyring } from './gpg.js';
import { checkOptions, GPG } from './options.js';
import { readPublicKey } from './public-key.js';
import { signSigstore, verifySigstore, type SigstoreSignature } from './sigstore.js';
import { signSimple, verifySimple, type Expectation, type SimpleSignature } from './simple.js';

/** The key that {@link standaloneSign} signs with. */
export interface StandaloneSignKey extends GpgOptions {
  /** Fingerprint of an OpenPGP key of the user. Either this or `privateKey`. */
  fingerprint?: string;
  /** A sigstore private key in PEM. */
  privateKey?: string | Uint8Array;
  /** Of the key, one line. */
  passphrase?: string;
}

/**
 * Signs a manifest that is at hand, as skopeo-standalone-sign(1) does; nothing is sent or stored.
 *
 * @param manifest - its bytes
 * @param reference - what the signature calls the image
 * @throws VainaError `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE`, `ERR_INVALID_SIGNATURE` when gpg cannot sign with the
 * key, `ERR_HOST_UNSUPPORTED` without gpg
 */
export async function standaloneSign(
  manifest: Uint8Array,
  reference: string,
  key: StandaloneSignKey,
): Promise<SimpleSignature | SigstoreSignature> {
  checkOptions(key, ['fingerprint', 'privateKey', 'passphrase', ...GPG]);
  const { fingerprint, privateKey, passphrase, ...host } = key;
  const secret = passphrase === undefined ? {} : { passphrase };
  if (fingerprint !== undefined && privateKey === undefined) {
    return signSimple({ manifest, reference, keyFingerprint: fingerprint, ...secret, ...host });
  }
  if (privateKey !== undefined && fingerprint === undefined) {
    return signSigstore({ manifest, reference, privateKey, ...secret });
  }
  throw new VainaError('ERR_INVALID_OPTION', 'exactly one of fingerprint and privateKey must be given');
}

/** Whose signature {@link standaloneVerify} accepts. */
export interface StandaloneVerifyKey extends GpgOptions {
  /**
   * Fingerprints of OpenPGP keys, of which one must have signed; `any` with `publicKeys` for all of those. For a sigstore
   * signature: not given.
   */
  fingerprints?: readonly string[] | 'any';
  /**
   * Public keys: an export of OpenPGP keys, or one sigstore key in PEM. Default: the OpenPGP keys of the user.
   */
  publicKeys?: string | Uint8Array;
}

/** What {@link standaloneVerify} has found to be true. */
export interface StandaloneVerified {
  /** Digest of the manifest. */
  digest: Digest;
  /** Fingerprint of the OpenPGP key that signed; the public key in PEM for a sigstore signature. */
  signer: string;
}

/**
 * Verifies a signature that is at hand, as skopeo-standalone-verify(1) does: that the key made it, for this manifest and
 * exactly this name.
 *
 * @throws VainaError `ERR_INVALID_SIGNATURE` with the reason, `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE`,
 * `ERR_HOST_UNSUPPORTED` without gpg
 */
export async function standaloneVerify(
  manifest: Uint8Array,
  reference: string,
  key: StandaloneVerifyKey,
  signature: Uint8Array | SimpleSignature | SigstoreSignature,
): Promise<StandaloneVerified> {
  checkOptions(key, ['fingerprints', 'publicKeys', ...GPG]);
  const { fingerprints, publicKeys, ...host } = key;
  const expected: Expectation = { manifest, acceptsReference: exactly(reference) };
  if (!(signature instanceof Uint8Array) && signature.kind === 'sigstore') {
    if (publicKeys === undefined || fingerprints !== undefined) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        'a sigstore signature is verified with a public key and nothing else',
      );
    }
    const verified = verifySigstore([readPublicKey(publicKeys)], signature, expected);
    return { digest: verified.digest, signer: pem(verified.key) };
  }
  const bytes = signature instanceof Uint8Array ? signature : signature.bytes;
  if (bytes.length > MAX_SIGNATURE_BYTES) {
    throw new VainaError(
      'ERR_INVALID_SIGNATURE',
      `the signature is larger than ${MAX_SIGNATURE_BYTES} bytes`,
    );
  }
  if (fingerprints === undefined || fingerprints.length === 0) {
    throw new VainaError('ERR_INVALID_OPTION', 'no fingerprint was given that the signature must have');
  }
  const work = async (keyring: Pick<Keyring, 'verify'>, wanted: readonly string[]) => {
    const list = wanted.map((text) => text.toUpperCase());
    // A subkey stands for the key that it belongs to, as it does for gpg.
    const acceptsKey = (own: string, primary: string): boolean => {
      if (list.includes(own) || list.includes(primary)) return true;
      throw invalid(`signature by ${own} does not match expected fingerprints ${wanted.join(', ')}`);
    };
    const verified = await verifySimple(keyring, bytes, { ...expected, acceptsKey });
    const { digest, fingerprint, primaryFingerprint } = verified;
    return { digest, signer: list.includes(fingerprint) ? fingerprint : primaryFingerprint };
  };
  if (publicKeys === undefined) {
    if (fingerprints === 'any') {
      throw new VainaError('ERR_INVALID_OPTION', 'cannot use any fingerprint without a public key file');
    }
    return work({ verify: (message) => verifyWithOwnKeys(message, host) }, fingerprints);
  }
  return withKeyring(
    [Buffer.from(publicKeys)],
    (keyring) => work(keyring, fingerprints === 'any' ? keyring.fingerprints : fingerprints),
    host.signal,
  );
}

function exactly(reference: string): (signed: string) => boolean {
  const wanted = formatReference(parseReference(reference));
  return (signed) => {
    let claimed: string;
    try {
      claimed = formatReference(parseReference(signed));
    } catch (error) {
      throw invalid(`invalid docker reference ${quote(signed)} in signature`, error);
    }
    if (claimed === wanted) return true;
    throw invalid(`docker reference ${quote(signed)} does not match ${quote(reference)}`);
  };
}

function invalid(message: string, cause?: unknown): VainaError {
  return new VainaError('ERR_INVALID_SIGNATURE', message, cause === undefined ? {} : { cause });
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string;
}
