import { quote } from '../util/text.js';
import { checkIdentity, type SignedIdentity } from './identity.js';
import { anyObject, base64, exactObject, filledList, filledString, required, type Fail } from './members.js';

/** One thing that a policy asks of an image (containers-policy.json(5), Policy Requirements). */
export type PolicyRequirement =
  | {
      /** Every image passes. */
      readonly type: 'insecureAcceptAnything';
    }
  | {
      /** No image passes. */
      readonly type: 'reject';
    }
  | SignedByRequirement
  | SigstoreSignedRequirement
  | {
      /** Not evaluated by anybody: an image for which it counts is refused. */
      readonly type: 'signedBaseLayer';
      /** What name the signature of the base layer must give. */
      readonly baseLayerIdentity: SignedIdentity;
    };

/** Demands a simple signature by one of some OpenPGP keys. */
export interface SignedByRequirement {
  /** Which requirement it is. */
  readonly type: 'signedBy';
  /** Only `GPGKeys` can be evaluated. */
  readonly keyType: 'GPGKeys' | 'signedByGPGKeys' | 'X509Certificates' | 'signedByX509CAs';
  /** A file of public keys. Exactly one of the three must be given. */
  readonly keyPath?: string;
  /** Several files of public keys. */
  readonly keyPaths?: readonly string[];
  /** Public keys, in base64. */
  readonly keyData?: string;
  /** What name the signature must give the image. Default `matchRepoDigestOrExact`. */
  readonly signedIdentity?: SignedIdentity;
}

/** Demands a sigstore signature by one of some public keys. */
export interface SigstoreSignedRequirement {
  /** Which requirement it is. */
  readonly type: 'sigstoreSigned';
  /** A file with a public key in PEM. Exactly one of the keys, `fulcio` and `pki` must be given. */
  readonly keyPath?: string;
  /** Several such files. */
  readonly keyPaths?: readonly string[];
  /** A public key in PEM, in base64. */
  readonly keyData?: string;
  /** Several such keys. */
  readonly keyDatas?: readonly string[];
  /** Certificates of Fulcio; cannot be evaluated. */
  readonly fulcio?: Readonly<Record<string, unknown>>;
  /** Certificates of one's own authority; cannot be evaluated. */
  readonly pki?: Readonly<Record<string, unknown>>;
  /** A file with the key of a transparency log; cannot be evaluated. At most one of the four. */
  readonly rekorPublicKeyPath?: string;
  /** Several such files. */
  readonly rekorPublicKeyPaths?: readonly string[];
  /** Such a key, in base64. */
  readonly rekorPublicKeyData?: string;
  /** Several such keys. */
  readonly rekorPublicKeyDatas?: readonly string[];
  /** What name the signature must give the image. Default `matchRepoDigestOrExact`. */
  readonly signedIdentity?: SignedIdentity;
}

const KEY_TYPES = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'];
const SIGNED_BY = ['keyPath', 'keyPaths', 'keyData'];
const SIGSTORE = ['keyPath', 'keyPaths', 'keyData', 'keyDatas', 'fulcio', 'pki'];
const REKOR = ['rekorPublicKeyPath', 'rekorPublicKeyPaths', 'rekorPublicKeyData', 'rekorPublicKeyDatas'];

/** Members of the certificates that a signature may come with: what is needed, and what is one of two. */
const FULCIO = { ca: ['caPath', 'caData'], always: ['oidcIssuer', 'subjectEmail'], maybe: [] as string[] };
const PKI = {
  ca: ['caRootsPath', 'caRootsData'],
  always: [] as string[],
  maybe: ['caIntermediatesPath', 'caIntermediatesData', 'subjectHostname', 'subjectEmail'],
};

/** Refuses what is no requirement. */
export function checkRequirement(value: unknown, where: string, fail: Fail): void {
  const type = required(anyObject(value, where, fail), 'type', where, fail);
  switch (type) {
    case 'insecureAcceptAnything':
    case 'reject':
      exactObject(value, ['type'], where, fail);
      return;
    case 'signedBy':
      return checkSignedBy(value, where, fail);
    case 'sigstoreSigned':
      return checkSigstore(value, where, fail);
    case 'signedBaseLayer': {
      const object = exactObject(value, ['type', 'baseLayerIdentity'], where, fail);
      const identity = required(object, 'baseLayerIdentity', where, fail);
      return checkIdentity(identity, `${where}.baseLayerIdentity`, fail);
    }
    default:
      throw fail(`${where}: unknown policy requirement type ${quote(type)}`);
  }
}

function checkSignedBy(value: unknown, where: string, fail: Fail): void {
  const object = exactObject(value, ['type', 'keyType', ...SIGNED_BY, 'signedIdentity'], where, fail);
  const keyType = required(object, 'keyType', where, fail);
  if (!KEY_TYPES.includes(keyType as string)) {
    throw fail(`${where}: unrecognized keyType value ${quote(keyType)}`);
  }
  checkOneOf(object, SIGNED_BY, where, fail);
  checkSources(object, where, fail);
}

function checkSigstore(value: unknown, where: string, fail: Fail): void {
  const object = exactObject(value, ['type', ...SIGSTORE, ...REKOR, 'signedIdentity'], where, fail);
  checkOneOf(object, SIGSTORE, where, fail);
  const logs = REKOR.filter((name) => Object.hasOwn(object, name));
  if (logs.length > 1) throw fail(`${where}: at most one of ${REKOR.join(', ')} can be used`);
  if (Object.hasOwn(object, 'fulcio')) {
    if (logs.length === 0) throw fail(`${where}: fulcio needs one of ${REKOR.join(', ')}`);
    checkCertificates(object['fulcio'], FULCIO, `${where}.fulcio`, fail);
  }
  if (Object.hasOwn(object, 'pki')) checkCertificates(object['pki'], PKI, `${where}.pki`, fail);
  checkSources(object, where, fail);
}

/** The members that say where keys are, by the ends of their names, and the identity. */
function checkSources(object: Record<string, unknown>, where: string, fail: Fail): void {
  for (const [name, value] of Object.entries(object)) {
    const at = `${where}.${name}`;
    if (name.endsWith('Path')) filledString(value, at, fail);
    else if (name.endsWith('Paths')) {
      filledList(value, at, fail).forEach((path, index) => filledString(path, `${at}[${index}]`, fail));
    } else if (name.endsWith('Data')) base64(value, at, fail);
    else if (name.endsWith('Datas')) {
      filledList(value, at, fail).forEach((data, index) => base64(data, `${at}[${index}]`, fail));
    } else if (name === 'signedIdentity') checkIdentity(value, at, fail);
  }
}

function checkCertificates(value: unknown, members: typeof FULCIO, where: string, fail: Fail): void {
  const object = exactObject(value, [...members.ca, ...members.always, ...members.maybe], where, fail);
  checkOneOf(object, members.ca, where, fail);
  for (const name of members.always) required(object, name, where, fail);
  for (const [name, member] of Object.entries(object)) {
    if (name.endsWith('Data')) base64(member, `${where}.${name}`, fail);
    else filledString(member, `${where}.${name}`, fail);
  }
}

function checkOneOf(
  object: Record<string, unknown>,
  names: readonly string[],
  where: string,
  fail: Fail,
): void {
  const given = names.filter((name) => Object.hasOwn(object, name));
  if (given.length === 1) return;
  const found = given.length === 0 ? 'none of them is present' : `${given.join(' and ')} are present`;
  throw fail(`${where}: exactly one of ${names.join(', ')} must be specified, ${found}`);
}
