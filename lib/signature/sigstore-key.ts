import { createPrivateKey, generateKeyPair, randomBytes, scrypt, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { VainaError } from '../errors.js';
import { parseStrictJson } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import { MAX_CONFIGURATION_BYTES } from './limits.js';
import { base64, exactObject, required, type Fail } from './members.js';
import { checkKeyKind } from './public-key.js';

/** A pair of keys for sigstore signatures, in PEM. */
export interface SigstoreKeyPair {
  /** `ENCRYPTED SIGSTORE PRIVATE KEY`: to sign with; keep it secret all the same. */
  privateKey: string;
  /** `PUBLIC KEY`: for `sigstoreSigned` in a policy. */
  publicKey: string;
}

/** The types of PEM block that hold such a key; the second is what cosign wrote before its version 2. */
const SIGSTORE = 'ENCRYPTED SIGSTORE PRIVATE KEY';
const COSIGN = 'ENCRYPTED COSIGN PRIVATE KEY';

/** How much work it is to try a passphrase. */
interface Work {
  N: number;
  r: number;
  p: number;
}
/** What cosign and skopeo make keys with today. */
const WORK: Work = { N: 65_536, r: 8, p: 1 };
/** What keys come with. Anything else could be made to cost any amount of memory or time, or nearly nothing. */
const KNOWN_WORK: readonly number[] = [32_768, WORK.N, 131_072];

/**
 * Makes a pair of keys as `cosign generate-key-pair` and `skopeo generate-sigstore-key` do: ECDSA on P-256, the private
 * one in PKCS #8, encrypted with the passphrase (scrypt and NaCl's secretbox).
 *
 * @param passphrase - Default: the empty one
 */
export async function generateSigstoreKey(passphrase = ''): Promise<SigstoreKeyPair> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return {
    privateKey: await writeSigstoreKey(privateKey, passphrase),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
}

/** Encrypts a private key. */
export async function writeSigstoreKey(key: KeyObject, passphrase: string): Promise<string> {
  const plain = key.export({ type: 'pkcs8', format: 'der' });
  const [salt, nonce] = [randomBytes(32), randomBytes(24)];
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js');
  const box = xsalsa20poly1305(await derive(passphrase, salt, WORK), nonce);
  const envelope = {
    kdf: { name: 'scrypt', params: WORK, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(box.encrypt(plain)).toString('base64'),
  };
  const body = Buffer.from(JSON.stringify(envelope)).toString('base64');
  const lines = body.match(/.{1,64}/g)!.join('\n');
  return `-----BEGIN ${SIGSTORE}-----\n${lines}\n-----END ${SIGSTORE}-----\n`;
}

/**
 * Decrypts a private key that {@link generateSigstoreKey}, cosign or skopeo made. Keys that are not encrypted in this
 * way, such as `PRIVATE KEY` and `EC PRIVATE KEY`, are refused, as they are by cosign and skopeo.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for another format, and for a wrong passphrase
 */
export async function readSigstoreKey(pem: string | Uint8Array, passphrase: string): Promise<KeyObject> {
  if (pem.length > MAX_CONFIGURATION_BYTES) throw invalid('the private key is too large');
  const text = Buffer.from(pem).toString('latin1');
  const block = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/.exec(text);
  if (!block) throw invalid('the private key is not a PEM block');
  const [, type = '', body = ''] = block;
  if (type !== SIGSTORE && type !== COSIGN) {
    throw new VainaError('ERR_INVALID_OPTION', `private keys of type ${quote(type)} cannot be read`, {
      hint: 'import it with cosign import-key-pair',
    });
  }
  const { salt, work, nonce, ciphertext } = readEnvelope(Buffer.from(body, 'base64'));
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js');
  let plain: Uint8Array;
  try {
    plain = xsalsa20poly1305(await derive(passphrase, salt, work), nonce).decrypt(ciphertext);
  } catch (error) {
    throw invalid('the private key cannot be decrypted: the passphrase is wrong', error);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(plain), format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw invalid('the private key is not in PKCS #8', error);
  } finally {
    plain.fill(0);
  }
  checkKeyKind(key, 'private key');
  return key;
}

/** The JSON document inside of the PEM block. */
function readEnvelope(bytes: Buffer): { salt: Buffer; work: Work; nonce: Buffer; ciphertext: Buffer } {
  const where = 'encrypted private key';
  const document = parseStrictJson(bytes, where, 'ERR_INVALID_OPTION');
  const top = exactObject(document, ['kdf', 'cipher', 'ciphertext'], where, fail);
  const kdf = exactObject(required(top, 'kdf', where, fail), ['name', 'params', 'salt'], 'kdf', fail);
  const cipher = exactObject(required(top, 'cipher', where, fail), ['name', 'nonce'], 'cipher', fail);
  if (kdf['name'] !== 'scrypt') throw fail(`unknown kdf name ${quote(kdf['name'])}`);
  if (cipher['name'] !== 'nacl/secretbox') throw fail(`unknown cipher name ${quote(cipher['name'])}`);
  const params = exactObject(required(kdf, 'params', 'kdf', fail), ['N', 'r', 'p'], 'kdf.params', fail);
  const { N, r, p } = params;
  if (!KNOWN_WORK.includes(N as number) || r !== WORK.r || p !== WORK.p)
    throw fail('unexpected kdf parameters');
  const at = (object: Record<string, unknown>, name: string): Buffer =>
    Buffer.from(base64(required(object, name, where, fail), name, fail), 'base64');
  const nonce = at(cipher, 'nonce');
  if (nonce.length !== 24) throw fail('incorrect nonce size');
  const work: Work = { N: N as number, r: WORK.r, p: WORK.p };
  return { salt: at(kdf, 'salt'), work, nonce, ciphertext: at(top, 'ciphertext') };
}

async function derive(passphrase: string, salt: Uint8Array, work: Work): Promise<Uint8Array> {
  const options = { ...work, maxmem: 2 * 128 * work.N * work.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

const fail: Fail = (message) => invalid(message);

function invalid(message: string, cause?: unknown): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message, cause === undefined ? {} : { cause });
}
