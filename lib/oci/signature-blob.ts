import { VainaError } from '../errors.js';
import { parseStrictJson } from '../util/strict-json.js';
import { asObject, malformed, optionalMap, readString, stringAt } from './guards.js';
import type { Signature } from './types.js';

const SIMPLE = 'simple-signing';
const SIGSTORE = 'sigstore-json';

/**
 * A signature as bytes, as the peers keep it in files: a simple one as it is, any other one after a zero byte, the name of
 * its format and a line feed.
 */
export function signatureToBytes(signature: Signature): Buffer {
  if (signature.kind === 'simple') return signature.bytes;
  const { mediaType, payload, annotations } = signature;
  const body = JSON.stringify({ mimeType: mediaType, payload: payload.toString('base64'), annotations });
  return Buffer.from(`\0${SIGSTORE}\n${body}`);
}

/**
 * Reads what {@link signatureToBytes} writes.
 *
 * @param where - names the signature in messages
 * @throws VainaError `ERR_INVALID_IMAGE`; `ERR_UNSUPPORTED` for a format that is not known
 */
export function signatureFromBytes(bytes: Buffer, where: string): Signature {
  const [first] = bytes;
  if (first === undefined) throw malformed(where, 'is empty');
  // A packet of OpenPGP has its first bit set (RFC 9580, 4.2).
  if (first >= 0x80) return { kind: 'simple', bytes };
  const end = bytes.indexOf('\n');
  const format = first === 0 && end !== -1 ? bytes.subarray(1, end).toString('latin1') : undefined;
  const body = bytes.subarray(end + 1);
  if (format === SIMPLE) return { kind: 'simple', bytes: body };
  if (format !== SIGSTORE) throw new VainaError('ERR_UNSUPPORTED', `${where} has an unknown format`);
  const object = asObject(parseStrictJson(body, where, 'ERR_INVALID_IMAGE'), where);
  return {
    kind: 'sigstore',
    mediaType: stringAt(object, 'mimeType', where),
    payload: Buffer.from(stringAt(object, 'payload', where), 'base64'),
    annotations: optionalMap(object, 'annotations', where, readString) ?? {},
  };
}
