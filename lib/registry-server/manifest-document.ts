import { VainaError } from '../errors.js';
import { isDigest } from '../oci/digest.js';
import {
  baseMediaType,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  MEDIA,
} from '../oci/mediatypes.js';
import type { Digest } from '../oci/types.js';
import type { RegistryReference } from '../store/registry-catalogue.js';
import { parseStrictJson, type JsonObject } from '../util/strict-json.js';
import { Refusal } from './refusal.js';

/** What the registry needs to know of a manifest. */
export interface ManifestDocument {
  mediaType: string;
  /** What the list of referrers says of it. */
  artifactType?: string;
  subject?: Digest;
  annotations?: Record<string, string>;
  /** All that it refers to, but for its subject. */
  references: RegistryReference[];
  /** Blobs that make it up, and must be there: not those of other places, nor the manifests of an index. */
  required: Digest[];
}

/** A media type without parameters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

/**
 * Reads a manifest that is pushed. Those of OCI and Docker are checked, and refused when another program could read
 * them as something else (CVE-2021-41190). Of other types, which are only kept, what looks like a descriptor counts.
 *
 * @param contentType - of the request; without one, the manifest's own word counts, then its members
 * @throws Refusal `MANIFEST_INVALID`
 */
export function readManifest(bytes: Buffer, contentType: string | undefined): ManifestDocument {
  const announced = baseMediaType(contentType);
  if (announced !== '' && !MEDIA_TYPE.test(announced)) throw invalid('the Content-Type is not a media type');
  const object = parseOrUndefined(bytes, announced);
  const own = object && textAt(object, 'mediaType');
  const mediaType = announced === '' ? (own ?? guessType(object)) : announced;
  if (isSchema1Type(mediaType)) throw invalid("manifests of Docker's schema 1 are not taken");
  if (!MEDIA_TYPE.test(mediaType)) throw invalid('its mediaType is not a media type');
  if (isManifestType(mediaType) || isIndexType(mediaType)) {
    if (!object) throw invalid('it is not a JSON object');
    return readKnown(object, mediaType, own);
  }
  return object ? readUnknown(object, mediaType) : { mediaType, references: [], required: [] };
}

function readKnown(object: JsonObject, mediaType: string, own: string | undefined): ManifestDocument {
  if (own !== undefined && own !== mediaType) throw invalid(`it says it is ${own}, but came as ${mediaType}`);
  if (object['schemaVersion'] !== 2) throw invalid('its schemaVersion is not 2');
  const index = isIndexType(mediaType);
  for (const foreign of index ? ['config', 'layers', 'fsLayers'] : ['manifests', 'fsLayers']) {
    if (Object.hasOwn(object, foreign))
      throw invalid(`it is ${index ? 'an index' : 'an image'} with ${foreign}`);
  }
  const common = readCommon(object, true);
  if (index) {
    const references = listAt(object, 'manifests').map((entry) => descriptor(entry, 'manifests'));
    return { mediaType, ...common, references, required: [] };
  }
  const config = descriptor(memberOf(object, 'config'), 'config');
  const layers = listAt(object, 'layers').map((entry) => descriptor(entry, 'layers'));
  const references = [config, ...layers];
  return {
    mediaType,
    ...common,
    // An image says what kind of artifact it is by its configuration, if by nothing else.
    ...(common.artifactType === undefined ? { artifactType: config.mediaType } : {}),
    references,
    required: references.filter((one) => !isForeignLayerType(one.mediaType)).map((one) => one.digest),
  };
}

function readUnknown(object: JsonObject, mediaType: string): ManifestDocument {
  const references: Described[] = [];
  for (const name of ['config', 'layers', 'blobs', 'manifests']) {
    const value = memberOf(object, name);
    for (const entry of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isDescriptor(entry)) references.push(entry);
    }
  }
  return { mediaType, ...readCommon(object, false), references, required: [] };
}

type Common = Pick<ManifestDocument, 'artifactType' | 'subject' | 'annotations'>;

function readCommon(object: JsonObject, strict: boolean): Common {
  const artifactType = textAt(object, 'artifactType');
  const subject = memberOf(object, 'subject');
  const annotations = memberOf(object, 'annotations');
  const map = annotations === undefined ? undefined : texts(annotations);
  if (strict && annotations !== undefined && !map) throw invalid('its annotations are not texts');
  if (strict && subject !== undefined) descriptor(subject, 'subject');
  return {
    ...(artifactType === undefined || artifactType === '' ? {} : { artifactType }),
    ...(isDescriptor(subject) ? { subject: subject.digest } : {}),
    ...(map ? { annotations: map } : {}),
  };
}

/** A reference with its media type. */
export interface Described extends RegistryReference {
  mediaType: string;
}

/** Whether a value of a document from outside is a descriptor. */
export function isDescriptor(value: unknown): value is Described {
  if (typeof value !== 'object' || value === null) return false;
  const { mediaType, digest, size } = value as Record<string, unknown>;
  return typeof mediaType === 'string' && isDigest(digest) && Number.isSafeInteger(size) && Number(size) >= 0;
}

function descriptor(value: unknown, where: string): Described {
  if (!isDescriptor(value)) throw invalid(`${where} has something that is no descriptor`);
  return value;
}

function texts(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([key, text]) => [key, (text as unknown) ?? ''] as const);
  if (!entries.every((entry): entry is readonly [string, string] => typeof entry[1] === 'string'))
    return undefined;
  return Object.fromEntries(entries);
}

/** A member; null counts as absent, as it does for the programs that write it. */
function memberOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

function textAt(object: JsonObject, name: string): string | undefined {
  const value = memberOf(object, name);
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`its ${name} is not a text`);
}

function listAt(object: JsonObject, name: string): unknown[] {
  const value = memberOf(object, name) ?? [];
  if (!Array.isArray(value)) throw invalid(`its ${name} is not a list`);
  return value as unknown[];
}

function guessType(object: JsonObject | undefined): string {
  if (object && memberOf(object, 'manifests') !== undefined) return MEDIA.ociIndex;
  return MEDIA.ociManifest;
}

/** The document as an object; undefined for one of an unknown type that is none. */
function parseOrUndefined(bytes: Buffer, announced: string): JsonObject | undefined {
  try {
    const value = parseStrictJson(bytes, 'the manifest', 'ERR_INVALID_IMAGE');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    if (announced === '' || isManifestType(announced) || isIndexType(announced)) throw invalid(error.message);
    return undefined;
  }
}

function invalid(why: string): Refusal {
  return new Refusal('MANIFEST_INVALID', `the manifest is invalid: ${why}`);
}
