import { createPublicKey, type KeyObject } from 'node:crypto';
import { VainaError } from '../errors.js';

/**
 * Reads a public key for sigstore signatures: ECDSA on P-256 or P-384, RSA from 2048 bits, or Ed25519, in PEM.
 *
 * @param where - names the key in messages
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function readPublicKey(pem: string | Uint8Array, where = 'public key'): KeyObject {
  const text = Buffer.from(pem).toString('latin1');
  // createPublicKey would take the public half of a private key, too.
  if (!/^\s*-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----\s*$/.test(text)) {
    throw new VainaError('ERR_INVALID_OPTION', `${where} is not one public key in PEM`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (error) {
    throw new VainaError('ERR_INVALID_OPTION', `${where} cannot be read`, { cause: error });
  }
  checkKeyKind(key, where);
  return key;
}

/** Refuses keys of kinds that are not signed with. */
export function checkKeyKind(key: KeyObject, where: string): void {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return;
      throw new VainaError('ERR_INVALID_OPTION', `${where}: the curve ${namedCurve} is not supported`);
    case 'rsa':
      if (modulusLength !== undefined && modulusLength >= 2048) return;
      throw new VainaError('ERR_INVALID_OPTION', `${where}: an RSA key must have 2048 bits or more`);
    case 'ed25519':
      return;
    default:
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `${where}: keys of type ${key.asymmetricKeyType} are not supported`,
      );
  }
}
