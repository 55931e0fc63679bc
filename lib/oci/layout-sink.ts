import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { JsonObject } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import { algorithmOf, hexOf } from './digest.js';
import { fileFailure } from './failure.js';
import { arrayAt, asObject, malformed, member, optionalMap, parseObject, readString } from './guards.js';
import { MAX_DESCRIPTORS, MAX_MANIFEST_BYTES } from './limits.js';
import { MEDIA } from './mediatypes.js';
import { INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, REF_NAME, type LayoutOptions } from './oci-layout.js';
import { exclusively, Staging } from './staging.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  Digest,
  ImageSink,
  RawManifest,
  SinkTakes,
  TransferOptions,
} from './types.js';

/** Options of a layout that is written. */
export interface LayoutSinkOptions extends LayoutOptions {
  /** Keep layers uncompressed that come so. Default false: they are compressed with gzip, as at skopeo. */
  acceptUncompressedLayers?: boolean;
}

/** What annotations.md of the image-spec lets a reference name be. */
const NAME_PART = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*$/;

/** What a layout can hold, on disk or in an archive. */
export function layoutTakes(options: LayoutSinkOptions): SinkTakes {
  return {
    manifests: [MEDIA.ociManifest, MEDIA.ociIndex],
    foreignLayers: true,
    ...(options.acceptUncompressedLayers !== true && { compress: 'gzip' }),
  };
}

/**
 * Writes an image to the directory of an OCI image layout, which is made unless it is there. Images that are in it stay;
 * one with the same reference name loses the name. What the layout has is not written again. Docker's manifests are
 * converted, and an index is kept with all that was copied of it.
 *
 * @param name - the reference name (`org.opencontainers.image.ref.name`) of the image. Default: none
 * @throws VainaError `ERR_INVALID_REFERENCE`. The sink itself: `ERR_INVALID_IMAGE` for what is no layout,
 * `ERR_PERMISSION`, `ERR_NO_SPACE`, `ERR_IO`, `ERR_HOST_UNSUPPORTED` without flock(1)
 */
export function layoutSink(path: string, name?: string, options: LayoutSinkOptions = {}): ImageSink {
  return new LayoutSink(path, checkRefName(name), options);
}

/** The name, if it is one that an image of a layout may have. */
export function checkRefName(name: string | undefined): string | undefined {
  if (name === undefined || (name.length <= 1024 && name.split('/').every((part) => NAME_PART.test(part)))) {
    return name;
  }
  throw new VainaError('ERR_INVALID_REFERENCE', `${quote(name)} is not a reference name of an OCI layout`);
}

/** Where a sink writes: the layout, and the directory of the blobs, which may be the same. */
interface Places {
  layout: Staging;
  blobs: Staging;
}

class LayoutSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes;
  readonly #path: string;
  readonly #ref: string | undefined;
  readonly #shared: string | undefined;
  /** Blobs that are on their way. */
  readonly #staged = new Map<Digest, number>();
  /** Blobs that the layout had when it was asked. */
  readonly #relied = new Map<Digest, Descriptor>();
  #places: Promise<Places> | undefined;
  #closed = false;

  constructor(path: string, ref: string | undefined, options: LayoutSinkOptions) {
    this.name = `oci:${path}${ref === undefined ? '' : `:${ref}`}`;
    this.takes = layoutTakes(options);
    this.#path = path;
    this.#ref = ref;
    this.#shared = options.sharedBlobDirectory;
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    const { blobs } = await this.#begin();
    if (this.#staged.has(descriptor.digest)) return true;
    if (!(await this.#isThere(blobs, descriptor))) return false;
    this.#relied.set(descriptor.digest, descriptor);
    return true;
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    _about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    const { blobs } = await this.#begin();
    await blobs.write(hexOf(descriptor.digest), content, options.signal);
    this.#staged.set(descriptor.digest, descriptor.size);
  }

  async commit(image: CommittedImage, options: TransferOptions = {}): Promise<void> {
    const { blobs, layout } = await this.#begin();
    for (const { bytes, digest, mediaType } of allManifests(image)) {
      if (await this.hasBlob({ mediaType, digest, size: bytes.length })) continue;
      await blobs.write(hexOf(digest), bytes, options.signal);
      this.#staged.set(digest, bytes.length);
    }
    await exclusively(this.#path, options.signal, async () => {
      for (const descriptor of this.#relied.values()) {
        if (await this.#isThere(blobs, descriptor)) continue;
        throw new VainaError('ERR_IO', `${this.name}: the blob ${descriptor.digest} was removed meanwhile`);
      }
      const index = addEntry(await readIndex(this.#path), image.top, this.#ref);
      await layout.write(INDEX_FILE, Buffer.from(JSON.stringify(index)));
      await layout.write(LAYOUT_FILE, Buffer.from(LAYOUT_TEXT));
      for (const [digest, size] of this.#staged) await this.#place(blobs, digest, size);
      // Without its index a layout is none: the index comes last.
      if (!(await isFile(join(this.#path, LAYOUT_FILE)))) await layout.move(LAYOUT_FILE, LAYOUT_FILE);
      await layout.move(INDEX_FILE, INDEX_FILE);
      await layout.keep();
      await blobs.keep();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const places = await this.#places?.catch(() => undefined);
    if (places === undefined) return;
    await places.blobs.undo();
    await places.layout.undo();
  }

  #begin(): Promise<Places> {
    if (this.#closed) throw new VainaError('ERR_CLOSED', `${this.name}: the transfer has ended`);
    return (this.#places ??= this.#open());
  }

  async #open(): Promise<Places> {
    // What is there must be a layout: this fails before anything is moved.
    await readIndex(this.#path);
    const layout = await Staging.open(this.#path);
    try {
      if (this.#shared !== undefined) return { layout, blobs: await Staging.open(this.#shared) };
      await layout.directory('blobs');
      return { layout, blobs: layout };
    } catch (error) {
      await layout.undo();
      throw error;
    }
  }

  async #isThere(blobs: Staging, { digest, size }: Descriptor): Promise<boolean> {
    return isFile(join(blobs.target, this.#directoryOf(digest), hexOf(digest)), size);
  }

  async #place(blobs: Staging, digest: Digest, size: number): Promise<void> {
    const directory = this.#directoryOf(digest);
    await blobs.directory(directory);
    const path = join(directory, hexOf(digest));
    // Another transfer was faster; its blob is the same.
    if (!(await isFile(join(blobs.target, path), size))) await blobs.move(hexOf(digest), path);
  }

  #directoryOf(digest: Digest): string {
    return join(this.#shared === undefined ? 'blobs' : '', algorithmOf(digest));
  }
}

/** Every manifest and index of an image, each once. */
export function allManifests(image: CommittedImage): RawManifest[] {
  const all = [image.top, ...image.indexes, ...image.manifests.map(({ raw }) => raw)];
  return [...new Map(all.map((raw) => [raw.digest, raw])).values()];
}

/** An index of a layout with one more image. The name that the image gets is taken from what had it. */
export function addEntry(index: JsonObject, top: RawManifest, name?: string): JsonObject {
  const entry: JsonObject = {
    mediaType: top.mediaType,
    digest: top.digest,
    size: top.bytes.length,
    ...(name !== undefined && { annotations: { [REF_NAME]: name } }),
  };
  const kept = (index['manifests'] as JsonObject[]).flatMap((other): JsonObject[] => {
    const had = nameOf(other);
    if (other['digest'] === entry['digest'] && (had === name || had === undefined)) return [];
    return [had === undefined || had !== name ? other : withoutName(other)];
  });
  if (kept.length >= MAX_DESCRIPTORS) {
    throw new VainaError('ERR_UNSUPPORTED', `a layout holds at most ${MAX_DESCRIPTORS} images`);
  }
  return { ...index, manifests: [...kept, entry] };
}

function nameOf(entry: JsonObject): string | undefined {
  const annotations = member(entry, 'annotations') as JsonObject | undefined;
  return annotations && (member(annotations, REF_NAME) as string | undefined);
}

function withoutName(entry: JsonObject): JsonObject {
  const { [REF_NAME]: _, ...rest } = entry['annotations'] as JsonObject;
  const { annotations: __, ...others } = entry;
  return Object.keys(rest).length === 0 ? others : { ...others, annotations: rest };
}

/** The index of a layout as it is, or an empty one where nothing is yet. */
async function readIndex(path: string): Promise<JsonObject> {
  const file = join(path, INDEX_FILE);
  if (!(await isFile(file))) return { schemaVersion: 2, manifests: [] };
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileFailure(error, file);
  });
  const index = parseObject(bytes, MAX_MANIFEST_BYTES, file);
  if (member(index, 'schemaVersion') !== 2) throw malformed(`${file}.schemaVersion`, 'must be 2');
  const manifests = arrayAt(index, 'manifests', MAX_DESCRIPTORS, file);
  for (const [i, entry] of manifests.entries()) {
    const where = `${file}.manifests[${i}]`;
    optionalMap(asObject(entry, where), 'annotations', where, readString);
  }
  return index;
}

/** Whether there is a file, of this size. Anything else in its place, such as a link, is refused. */
async function isFile(path: string, size?: number): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (!found.isFile()) throw new VainaError('ERR_INVALID_IMAGE', `${path} is not a regular file`, { path });
    return size === undefined || found.size === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fileFailure(error, path);
  }
}
