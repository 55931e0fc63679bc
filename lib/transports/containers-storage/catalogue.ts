import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VainaError } from '../../errors.js';
import { isDigest, parseDigest } from '../../oci/digest.js';
import { fileFailure } from '../../oci/failure.js';
import {
  asObject,
  member,
  optionalMap,
  optionalString,
  optionalStrings,
  stringAt,
} from '../../oci/guards.js';
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.js';
import type { Digest } from '../../oci/types.js';
import { readAll } from '../../util/read-all.js';
import { parseStrictJson, type JsonObject } from '../../util/strict-json.js';
import { quote } from '../../util/text.js';

/** An image as `overlay-images/images.json` has it. */
export interface StoredImage {
  id: string;
  digest?: string;
  names: readonly string[];
  /** The topmost layer; absent in an image without any. */
  layer?: string;
  bigData: readonly string[];
  bigDataDigests: Readonly<Record<string, string>>;
  /** JSON that containers/image keeps with it. */
  metadata: string;
  /** The graph root it was found in. */
  root: string;
}

/** A layer as `overlay-layers/layers.json` has it. */
export interface StoredLayer {
  id: string;
  parent?: string;
  /** The diffID: of the plain tar. */
  diffId?: Digest;
  /** Of the plain tar, in bytes. */
  size?: number;
  /** The graph root it was found in. */
  root: string;
}

const MAX_CATALOGUE = 512 * 1024 * 1024;
const MAX_CHAIN = 1000;
const ID = /^[0-9a-f]{64}$/;

/** The images of some graph roots, the first of which is the main one. */
export async function readImages(roots: readonly string[]): Promise<StoredImage[]> {
  const lists = await Promise.all(roots.map((root) => readList(root, 'overlay-images/images.json', toImage)));
  return lists.flat();
}

/** The layers of some graph roots by id. */
export async function readLayers(roots: readonly string[]): Promise<Map<string, StoredLayer>> {
  const layers = new Map<string, StoredLayer>();
  for (const root of roots) {
    for (const file of ['overlay-layers/layers.json', 'overlay-layers/volatile-layers.json']) {
      for (const layer of await readList(root, file, toLayer)) {
        if (!layers.has(layer.id)) layers.set(layer.id, layer);
      }
    }
  }
  return layers;
}

/**
 * The image that a text means: `NAME[:TAG]`, `NAME@sha256:DIGEST`, `NAME@ID`, `@ID`, an id or the beginning of one, as
 * containers/image reads it.
 *
 * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_INVALID_REFERENCE`, `ERR_AMBIGUOUS_ID`
 */
export function findImage(images: readonly StoredImage[], text: string, where: string): StoredImage {
  const missing = (name: string): VainaError =>
    new VainaError(
      'ERR_NO_SUCH_IMAGE',
      `reference "[${where}]${name}" does not resolve to an image ID: identifier is not an image`,
      { subject: text },
    );
  const byId =
    text.length >= 3 && /^[0-9a-f]+$/.test(text) ? images.filter(({ id }) => id.startsWith(text)) : [];
  if (byId.length > 1)
    throw new VainaError('ERR_AMBIGUOUS_ID', `${text} is the beginning of several image ids`);
  if (byId[0]) return byId[0];
  const at = text.lastIndexOf('@');
  const tail = at === -1 ? '' : text.slice(at + 1);
  if (at !== -1 && !isDigest(tail)) {
    if (!ID.test(tail)) {
      throw new VainaError(
        'ERR_INVALID_REFERENCE',
        `"${tail}" does not look like an image ID or digest: invalid reference`,
      );
    }
    const found = images.find(({ id }) => id === tail);
    if (!found) throw missing(text);
    const name = text.slice(0, at);
    if (name !== '' && !found.names.includes(fullName(name))) throw missing(text);
    return found;
  }
  const reference = withDefaultTag(parseReference(text));
  const name = formatReference(reference);
  const { digest } = reference;
  const found =
    images.find(({ names }) => names.includes(name)) ??
    (digest === undefined
      ? undefined
      : images.find(
          (image) =>
            (image.digest === digest || Object.values(image.bigDataDigests).includes(digest)) &&
            image.names.some((known) => known.startsWith(`${reference.domain}/${reference.path}`)),
        ));
  if (!found) throw missing(name);
  return found;
}

/** The layers of an image, lowest first. */
export function chainOf(image: StoredImage, layers: ReadonlyMap<string, StoredLayer>): StoredLayer[] {
  const chain: StoredLayer[] = [];
  for (let id = image.layer; id !== undefined;) {
    const layer = layers.get(id);
    if (!layer || chain.length === MAX_CHAIN) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `${image.root}: the layer ${id} of the image ${image.id} is missing`,
      );
    }
    chain.unshift(layer);
    id = layer.parent;
  }
  return chain;
}

/**
 * The bytes that are kept with an image under a key.
 *
 * @param limit - most bytes of it
 */
export async function readBigData(image: StoredImage, key: string, limit: number): Promise<Buffer> {
  const path = join(image.root, 'overlay-images', image.id, bigDataName(key));
  try {
    const file = await open(path, 'r');
    return await readAll(file.createReadStream(), limit, () => {
      return new VainaError('ERR_INVALID_IMAGE', `${path} is larger than ${limit} bytes`, { path });
    });
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** The file name of a key: itself where it is plain, else in base64. */
function bigDataName(key: string): string {
  const name = /^[.0-9a-z]*$/.test(key) ? key : `=${Buffer.from(key).toString('base64')}`;
  if (!name.includes('/') && name !== '' && name !== '.' && name !== '..') return name;
  throw new VainaError('ERR_INVALID_IMAGE', `${quote(key)} is not a key of an image's data`);
}

function fullName(name: string): string {
  return formatReference(withDefaultTag(parseReference(name)));
}

async function readList<T>(
  root: string,
  file: string,
  read: (value: JsonObject, where: string, root: string) => T,
): Promise<T[]> {
  const path = join(root, file);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileFailure(error, path);
  }
  if (bytes.length > MAX_CATALOGUE)
    throw new VainaError('ERR_INVALID_IMAGE', `${path} is too large`, { path });
  const list = parseStrictJson(bytes, path, 'ERR_INVALID_IMAGE');
  if (list === null) return [];
  if (!Array.isArray(list)) throw new VainaError('ERR_INVALID_IMAGE', `${path} is not a list`, { path });
  return list.map((value, i) => read(asObject(value, `${path}[${i}]`), `${path}[${i}]`, root));
}

function toImage(value: JsonObject, where: string, root: string): StoredImage {
  const layer = optionalId(value, 'layer', where);
  const digest = optionalString(value, 'digest', where);
  return {
    id: idAt(value, 'id', where),
    names: optionalStrings(value, 'names', where) ?? [],
    bigData: optionalStrings(value, 'big-data-names', where) ?? [],
    bigDataDigests: optionalMap(value, 'big-data-digests', where, String) ?? {},
    metadata: optionalString(value, 'metadata', where) ?? '',
    root,
    ...(layer !== undefined && { layer }),
    ...(digest !== undefined && { digest }),
  };
}

function toLayer(value: JsonObject, where: string, root: string): StoredLayer {
  const parent = optionalId(value, 'parent', where);
  const diffId = optionalString(value, 'diff-digest', where);
  const size = member(value, 'diff-size');
  return {
    id: idAt(value, 'id', where),
    root,
    ...(parent !== undefined && { parent }),
    ...(diffId !== undefined && diffId !== '' && { diffId: parseDigest(diffId, `${where}.diff-digest`) }),
    ...(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && { size }),
  };
}

/** An id becomes a part of a path: nothing but its digits may be in it. */
function idAt(value: JsonObject, name: string, where: string): string {
  return checkId(stringAt(value, name, where), `${where}.${name}`);
}

function optionalId(value: JsonObject, name: string, where: string): string | undefined {
  const id = optionalString(value, name, where);
  return id === undefined || id === '' ? undefined : checkId(id, `${where}.${name}`);
}

function checkId(id: string, where: string): string {
  if (ID.test(id)) return id;
  throw new VainaError('ERR_INVALID_IMAGE', `${where} is not an id of 64 digits`);
}
