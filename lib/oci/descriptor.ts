import type { JsonObject } from '../util/strict-json.js';
import { parseDigest } from './digest.js';
import {
  asObject,
  malformed,
  member,
  optionalMap,
  optionalString,
  optionalStrings,
  readString,
  refuseCaseVariants,
  stringAt,
} from './guards.js';
import type { Descriptor, Platform } from './types.js';

/** Longest media type that the engine takes; RFC 6838 allows 127 characters on each side of the slash. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** Checks a media type. */
export function checkMediaType(value: string, where: string): string {
  if (!MEDIA_TYPE.test(value)) throw malformed(where, 'is not a media type');
  return value;
}

/**
 * Checks a descriptor (image-spec, descriptor.md) that came from outside. Members that the engine does not know are
 * kept.
 *
 * @param where - the path of the descriptor, for messages
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const object = asObject(value, where);
  refuseCaseVariants(object, ['mediaType', 'digest', 'size', 'urls', 'platform', 'annotations'], where);
  const size = member(object, 'size');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(`${where}.size`, 'must be a whole number of bytes');
  }
  const urls = optionalStrings(object, 'urls', where);
  const annotations = optionalMap(object, 'annotations', where, readString);
  const platform = member(object, 'platform');
  return {
    ...withoutNulls(object),
    mediaType: checkMediaType(stringAt(object, 'mediaType', where), `${where}.mediaType`),
    digest: parseDigest(stringAt(object, 'digest', where), `${where}.digest`),
    size,
    ...(urls !== undefined && { urls }),
    ...(annotations !== undefined && { annotations }),
    ...(platform !== undefined && { platform: parsePlatform(platform, `${where}.platform`) }),
  };
}

/** Checks a platform of an index or of the top of an image configuration. */
export function parsePlatform(value: unknown, where: string): Platform {
  const object = asObject(value, where);
  const variant = optionalString(object, 'variant', where);
  const version = optionalString(object, 'os.version', where);
  const osFeatures = optionalStrings(object, 'os.features', where);
  const features = optionalStrings(object, 'features', where);
  return {
    os: stringAt(object, 'os', where),
    architecture: stringAt(object, 'architecture', where),
    ...(variant !== undefined && variant !== '' && { variant }),
    ...(version !== undefined && version !== '' && { 'os.version': version }),
    ...(osFeatures !== undefined && { 'os.features': osFeatures }),
    ...(features !== undefined && { features }),
  };
}

/** A copy without the members that are null. */
export function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
