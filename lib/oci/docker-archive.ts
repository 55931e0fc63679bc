import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { parseStrictJson } from '../util/strict-json.js';
import type { ArchivedImage } from './archive.js';
import { detectCompression, MAGIC_BYTES, type Compression } from './compression.js';
import { parseImageConfig } from './config.js';
import { rawOf } from './convert.js';
import { digestOf, finishDigest } from './digest.js';
import { arrayAt, asObject, malformed, optionalStrings, stringAt } from './guards.js';
import { MAX_CONFIG_BYTES, MAX_DESCRIPTORS, MAX_LAYERS, MAX_MANIFEST_BYTES } from './limits.js';
import { LAYER_TYPES, MEDIA } from './mediatypes.js';
import { pickImage } from './pick.js';
import {
  formatReference,
  parseReference,
  referenceCandidates,
  withDefaultTag,
  type Reference,
} from './reference.js';
import type { SpoolOptions } from './spool.js';
import { TarTree } from './tar-tree.js';
import { missing, readSmall, type Tree } from './tree.js';
import type { Descriptor, Digest, ImageSource, Manifest, RawManifest } from './types.js';

const MANIFEST_FILE = 'manifest.json';

const TYPES: Partial<Record<Compression, string>> = LAYER_TYPES.oci;

/**
 * One image of a docker-archive, as `docker save` and `podman save` write it.
 *
 * @param input - a path, or the bytes; a stream, or a compressed file, is kept in a nameless temporary file until the
 * source is closed
 * @param name - a reference with a tag, or `@INDEX`, the place in the archive from 0. Default: the only image
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`, `ERR_INVALID_IMAGE`,
 * `ERR_INVALID_REFERENCE`, `ERR_NO_SPACE`
 */
export async function openDockerArchive(
  input: string | Readable,
  name?: string,
  options: SpoolOptions = {},
): Promise<ImageSource> {
  const tree = await TarTree.open(input, options);
  try {
    const entries = await readEntries(tree);
    const entry = pickImage(entries, name, tree.name, (wanted) => findNamed(entries, wanted));
    const title = `docker-archive:${tree.name}${name === undefined ? '' : `:${name}`}`;
    const named = name !== undefined && !name.startsWith('@') ? name : entry.names[0];
    return new DockerArchiveSource(tree, entry, {
      name: title,
      ...(named !== undefined && { reference: withDefaultTag(parseReference(named)) }),
    });
  } catch (error) {
    await tree.close();
    throw error;
  }
}

/** The first of some images that has a name, as the archive has it or short. */
export function findNamed<T extends { names: readonly string[] }>(
  images: readonly T[],
  name: string,
): T | undefined {
  const wanted = referenceCandidates(name).map(formatReference);
  return images.find(({ names }) => names.some((has) => wanted.includes(has)));
}

/** One element of `manifest.json`. */
interface Entry {
  config: string;
  layers: string[];
  names: string[];
}

/**
 * The images of a docker-archive: what `docker save` and `podman save` write. It has no manifests, so each image gets
 * one in the OCI format; its layers stay as they are.
 *
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export async function openDockerTree(tree: Tree): Promise<ArchivedImage[]> {
  return (await readEntries(tree)).map((entry) => ({
    names: entry.names,
    source: new DockerArchiveSource(tree, entry),
  }));
}

async function readEntries(tree: Tree): Promise<Entry[]> {
  const where = `${tree.name}: ${MANIFEST_FILE}`;
  const value = parseStrictJson(
    await readSmall(tree, MANIFEST_FILE, MAX_MANIFEST_BYTES),
    where,
    'ERR_INVALID_IMAGE',
  );
  if (!Array.isArray(value) || value.length > MAX_DESCRIPTORS) throw malformed(where, 'is no list of images');
  return value.map((element, i) => parseEntry(element, `${where}[${i}]`));
}

function parseEntry(value: unknown, where: string): Entry {
  const object = asObject(value, where);
  const layers = arrayAt(object, 'Layers', MAX_LAYERS, where).map((path, i) => {
    if (typeof path !== 'string' || path === '') throw malformed(`${where}.Layers[${i}]`, 'must be a path');
    return path;
  });
  const names = (optionalStrings(object, 'RepoTags', where) ?? []).map((name) => {
    try {
      return formatReference(withDefaultTag(parseReference(name)));
    } catch (cause) {
      throw new VainaError('ERR_INVALID_IMAGE', `${where}.RepoTags: ${(cause as Error).message}`, { cause });
    }
  });
  return { config: stringAt(object, 'Config', where), layers, names };
}

class DockerArchiveSource implements ImageSource {
  readonly name: string;
  readonly reference?: Reference;
  readonly #tree: Tree;
  readonly #owns: boolean;
  readonly #entry: Entry;
  readonly #paths = new Map<Digest, string>();
  #raw: Promise<RawManifest> | undefined;

  /** @param about - where the source is to close the tree: how it is called */
  constructor(tree: Tree, entry: Entry, about?: { name: string; reference?: Reference }) {
    this.name = about?.name ?? tree.name;
    if (about?.reference) this.reference = about.reference;
    this.#tree = tree;
    this.#owns = about !== undefined;
    this.#entry = entry;
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    const raw = await (this.#raw ??= this.#describe());
    if (digest === undefined || digest === raw.digest) return raw;
    throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.name} has no manifest ${digest}`);
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    await (this.#raw ??= this.#describe());
    const path = this.#paths.get(descriptor.digest);
    if (path === undefined) throw missing(this.#tree, descriptor.digest);
    return this.#tree.stream(path);
  }

  async close(): Promise<void> {
    // Otherwise the tree belongs to the archive.
    if (this.#owns) await this.#tree.close();
  }

  async #describe(): Promise<RawManifest> {
    const { config: path, layers } = this.#entry;
    const bytes = await readSmall(this.#tree, path, MAX_CONFIG_BYTES);
    const diffIds = parseImageConfig(bytes, `${this.name}: ${path}`).rootfs.diff_ids;
    if (diffIds.length !== layers.length) {
      const counts = `lists ${layers.length} layers but its configuration has ${diffIds.length} diff_ids`;
      throw malformed(`${this.name}: ${MANIFEST_FILE}`, counts);
    }
    const config: Descriptor = { mediaType: MEDIA.ociConfig, digest: digestOf(bytes), size: bytes.length };
    this.#paths.set(config.digest, path);
    const described: Descriptor[] = [];
    for (const [i, layer] of layers.entries()) described.push(await this.#layer(layer, diffIds[i] as Digest));
    const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: described };
    return rawOf(manifest, MEDIA.ociManifest);
  }

  async #layer(path: string, diffId: Digest): Promise<Descriptor> {
    const size = await this.#tree.size(path);
    if (size === undefined) throw missing(this.#tree, path);
    const compression = detectCompression(await readHead(await this.#tree.stream(path)));
    const mediaType = TYPES[compression];
    if (mediaType === undefined) {
      throw new VainaError('ERR_UNSUPPORTED', `${this.name}: ${path} is compressed with ${compression}`);
    }
    // A plain layer's digest is its diffID; it is held against the bytes when they are read.
    const digest = compression === 'none' ? diffId : await hashStream(await this.#tree.stream(path));
    this.#paths.set(digest, path);
    return { mediaType, digest, size };
  }
}

async function readHead(stream: Readable): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= MAGIC_BYTES) break;
  }
  return head;
}

async function hashStream(stream: Readable): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  return finishDigest(hash);
}
