import { VainaError } from '../errors.js';
import type { JsonObject } from '../util/strict-json.js';
import { parseDescriptor, withoutNulls } from './descriptor.js';
import {
  arrayAt,
  malformed,
  member,
  optionalMap,
  optionalString,
  parseObject,
  readString,
  refuseCaseVariants,
} from './guards.js';
import { MAX_DESCRIPTORS, MAX_LAYERS, MAX_MANIFEST_BYTES } from './limits.js';
import { baseMediaType, isIndexType, isManifestType, isSchema1Type, MEDIA } from './mediatypes.js';
import type { Index, Manifest } from './types.js';

/** A manifest or an index, told apart. `mediaType` is the type that both the source and the body agree on. */
export type ParsedManifest =
  | { kind: 'manifest'; mediaType: string; manifest: Manifest }
  | { kind: 'index'; mediaType: string; index: Index };

const KNOWN = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
];

/**
 * Parses a manifest or index (image-spec manifest.md and image-index.md, Docker's schema 2) that came from outside.
 *
 * A body that could be read as something else is refused: one with both `layers` and `manifests`, with a member twice,
 * or of another type than its source says (CVE-2021-41190). Unknown members are kept.
 *
 * @param bytes - at most 4 MiB
 * @param contentType - what the source says the bytes are; empty or a general type when it does not know
 * @param where - names the document in messages
 * @throws VainaError `ERR_INVALID_IMAGE`; `ERR_UNSUPPORTED` for Docker's schema 1
 */
export function parseManifest(bytes: Uint8Array, contentType = '', where = 'manifest'): ParsedManifest {
  const announced = baseMediaType(contentType);
  if (isSchema1Type(announced)) throw schema1(where);
  const object = parseObject(bytes, MAX_MANIFEST_BYTES, where);
  refuseCaseVariants(object, KNOWN, where);
  if (member(object, 'schemaVersion') === 1) throw schema1(where);
  if (member(object, 'schemaVersion') !== 2) throw malformed(`${where}.schemaVersion`, 'must be 2');

  const mediaType = agreeOnType(object, announced, where);
  const common = readCommon(object, where);
  if (isIndexType(mediaType)) {
    refuseMembers(object, ['config', 'layers', 'fsLayers'], 'an index', where);
    const manifests = arrayAt(object, 'manifests', MAX_DESCRIPTORS, where);
    const index: Index = {
      ...common,
      schemaVersion: 2,
      manifests: manifests.map((entry, i) => parseDescriptor(entry, `${where}.manifests[${i}]`)),
    };
    return { kind: 'index', mediaType, index };
  }
  refuseMembers(object, ['manifests', 'fsLayers', 'history'], 'an image manifest', where);
  const layers = arrayAt(object, 'layers', MAX_DESCRIPTORS, where);
  if (layers.length > MAX_LAYERS) throw malformed(`${where}.layers`, `has more than ${MAX_LAYERS} layers`);
  const manifest: Manifest = {
    ...common,
    schemaVersion: 2,
    config: parseDescriptor(member(object, 'config'), `${where}.config`),
    layers: layers.map((entry, i) => parseDescriptor(entry, `${where}.layers[${i}]`)),
  };
  return { kind: 'manifest', mediaType, manifest };
}

/** The one media type that header and body allow, guessed from the members only when neither says it. */
function agreeOnType(object: JsonObject, announced: string, where: string): string {
  const inBody = optionalString(object, 'mediaType', where);
  if (inBody !== undefined && isSchema1Type(inBody)) throw schema1(where);
  const known = (type: string): boolean => isIndexType(type) || isManifestType(type);
  if (inBody !== undefined && !known(inBody)) throw unsupportedType(inBody, where);
  // Servers of plain files say text/plain, application/json or nothing: that is no statement about the body.
  const general = ['', 'text/plain', 'application/json', 'application/octet-stream', 'binary/octet-stream'];
  if (!known(announced) && !general.includes(announced)) throw unsupportedType(announced, where);
  if (inBody !== undefined) {
    if (known(announced) && announced !== inBody) {
      throw malformed(where, `says it is ${inBody} but came as ${announced}`);
    }
    return inBody;
  }
  if (known(announced)) {
    // Only the OCI format lets a body be silent about its type.
    if (announced === MEDIA.dockerList || announced === MEDIA.dockerManifest)
      throw malformed(where, 'has no mediaType');
    return announced;
  }
  const hasLayers = member(object, 'layers') !== undefined;
  const hasManifests = member(object, 'manifests') !== undefined;
  if (hasLayers === hasManifests) throw malformed(where, 'must have either layers or manifests');
  return hasManifests ? MEDIA.ociIndex : MEDIA.ociManifest;
}

function readCommon(object: JsonObject, where: string): JsonObject {
  const subject = member(object, 'subject');
  const annotations = optionalMap(object, 'annotations', where, readString);
  optionalString(object, 'artifactType', where);
  return {
    ...withoutNulls(object),
    ...(subject !== undefined && { subject: parseDescriptor(subject, `${where}.subject`) }),
    ...(annotations !== undefined && { annotations }),
  };
}

function refuseMembers(object: JsonObject, names: readonly string[], kind: string, where: string): void {
  const present = names.find((name) => Object.hasOwn(object, name));
  if (present !== undefined) throw malformed(where, `is ${kind} but has ${present}`);
}

function schema1(where: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', `${where} is in Docker's schema 1, which cannot be verified`, {
    hint: 'push the image again with a current tool',
  });
}

function unsupportedType(type: string, where: string): VainaError {
  return new VainaError(
    'ERR_UNSUPPORTED',
    `${where} has the media type ${type.slice(0, 120)}, which is no image or index`,
  );
}
