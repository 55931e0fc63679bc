import { VainaError } from '../errors.js';
import { algorithmOf, digestOf, parseDigest } from '../oci/digest.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import { parseStrictJson } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import { packageVersion } from '../util/version.js';
import { MAX_PAYLOAD_BYTES } from './limits.js';
import { anyObject, exactObject, required, type Fail } from './members.js';

/** The two kinds of signature sign nearly the same document: `critical.type` tells them apart. */
const TYPES = {
  simple: 'atomic container signature',
  sigstore: 'cosign container image signature',
} as const;

/** What a signature says (containers-signature(5), JSON data format). */
export interface SignaturePayload {
  /** Digest of the manifest that is signed. */
  digest: Digest;
  /** What the image is called: a reference, as it was written. */
  reference: string;
  /** The program that signed, for information. */
  creator?: string;
  /** When it was signed, by the word of the signer. */
  timestamp?: Date;
}

/**
 * Makes the document that is signed.
 *
 * @param now - the time to put in
 */
export function makePayload(
  kind: keyof typeof TYPES,
  manifest: Uint8Array,
  reference: string,
  now: Date = new Date(),
): Buffer {
  // Members are in the order of the alphabet, as the peers write them.
  const document = {
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': digestOf(manifest) },
      type: TYPES[kind],
    },
    optional: { creator: `vaina ${packageVersion()}`, timestamp: Math.floor(now.getTime() / 1000) },
  };
  return Buffer.from(JSON.stringify(document));
}

/**
 * Reads the document that was signed, of which the signature must have been verified before. Nothing may be in it
 * twice, and nothing unknown outside of `optional`.
 *
 * @throws VainaError `ERR_INVALID_SIGNATURE`
 */
export function parsePayload(kind: keyof typeof TYPES, bytes: Uint8Array): SignaturePayload {
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw invalid(`the payload is larger than ${MAX_PAYLOAD_BYTES} bytes`);
  const top = exactObject(
    parseStrictJson(bytes, 'signature payload', 'ERR_INVALID_SIGNATURE'),
    ['critical', 'optional'],
    'signature payload',
    invalid,
  );
  const at = 'critical';
  const critical = exactObject(
    required(top, at, 'payload', invalid),
    ['type', 'image', 'identity'],
    at,
    invalid,
  );
  const type = required(critical, 'type', at, invalid);
  if (type !== TYPES[kind]) throw invalid(`unrecognized signature type ${quote(type)}`);
  const digest = only(required(critical, 'image', at, invalid), 'docker-manifest-digest', 'critical.image');
  const reference = only(
    required(critical, 'identity', at, invalid),
    'docker-reference',
    'critical.identity',
  );
  return {
    digest: parseDigest(digest, 'docker-manifest-digest', 'ERR_INVALID_SIGNATURE'),
    reference,
    ...optionalMembers(required(top, 'optional', 'payload', invalid), kind),
  };
}

/** Whether a digest of either algorithm is that of these bytes. */
export function isDigestOf(digest: Digest, manifest: Uint8Array): boolean {
  return digestOf(manifest, algorithmOf(digest)) === digest;
}

/**
 * The reference that a signature is for, as the peers write it: whole, with the domain.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`
 */
export function signedReference(reference: string): string {
  return formatReference(parseReference(reference));
}

/** The one member of an object, a string. */
function only(value: unknown, name: string, where: string): string {
  const text = required(exactObject(value, [name], where, invalid), name, where, invalid);
  if (typeof text !== 'string') throw invalid(`${where}.${name} must be a string`);
  return text;
}

/** What is not critical may have more members; those that are known must be right. */
function optionalMembers(
  value: unknown,
  kind: keyof typeof TYPES,
): Pick<SignaturePayload, 'creator' | 'timestamp'> {
  // cosign writes null where there is nothing.
  if (value === null && kind === 'sigstore') return {};
  const optional = anyObject(value, 'optional', invalid);
  const { creator, timestamp } = { creator: undefined, timestamp: undefined, ...optional } as {
    creator: unknown;
    timestamp: unknown;
  };
  if (creator !== undefined && typeof creator !== 'string')
    throw invalid('optional.creator must be a string');
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) {
    throw invalid('optional.timestamp is not an integer');
  }
  return {
    ...(creator !== undefined && { creator }),
    ...(timestamp !== undefined && { timestamp: new Date((timestamp as number) * 1000) }),
  };
}

const invalid: Fail = (message) => new VainaError('ERR_INVALID_SIGNATURE', message);
