import type { Readable, Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { JsonObject } from '../util/strict-json.js';
import { algorithmOf, hexOf } from './digest.js';
import type { ArchiveWriter } from './docker-archive-sink.js';
import { addEntry, allManifests, checkRefName, layoutTakes, type LayoutSinkOptions } from './layout-sink.js';
import { INDEX_FILE, LAYOUT_FILE, openLayoutImage } from './oci-layout.js';
import type { SpoolOptions } from './spool.js';
import { TarTree } from './tar-tree.js';
import { ArchiveFile, isStream } from './tar-writer.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  Digest,
  ImageSink,
  ImageSource,
  SinkTakes,
  TransferOptions,
} from './types.js';

/** Options of an oci-archive that is written. */
export type OciArchiveOptions = Pick<LayoutSinkOptions, 'acceptUncompressedLayers'>;

/**
 * One image of an oci-archive: a tar of an OCI layout, plain or compressed with gzip or zstd.
 *
 * @param input - a path, or the bytes; a stream, or a compressed file, is kept in a nameless temporary file until the source is closed
 * @param name - as for {@link openLayout}. Default: the only image
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`, `ERR_INVALID_IMAGE`, `ERR_NO_SPACE`
 */
export async function openOciArchive(
  input: string | Readable,
  name?: string,
  options: SpoolOptions = {},
): Promise<ImageSource> {
  const tree = await TarTree.open(input, options);
  try {
    return await openLayoutImage(tree, name, `oci-archive:${tree.name}`);
  } catch (error) {
    await tree.close();
    throw error;
  }
}

/**
 * Writes an image to an oci-archive. A file that is there is replaced when the new one is whole.
 *
 * @param target - a path, or a stream, which is ended
 * @param name - the reference name of the image. Default: none
 * @throws VainaError `ERR_INVALID_REFERENCE`. The sink itself: `ERR_PERMISSION`, `ERR_NO_SPACE`, `ERR_IO`
 */
export function ociArchiveSink(
  target: string | Writable,
  name?: string,
  options: OciArchiveOptions = {},
): ImageSink {
  return new OciArchive(target, options).only(name);
}

/** Writes several images to one oci-archive; see {@link ociArchiveSink}. */
export function ociArchiveWriter(target: string | Writable, options: OciArchiveOptions = {}): ArchiveWriter {
  return new OciArchive(target, options);
}

class OciArchive implements ArchiveWriter {
  readonly name: string;
  readonly takes: SinkTakes;
  readonly file: ArchiveFile;
  /** Blobs that are in the archive. */
  readonly blobs = new Set<Digest>();
  #index: JsonObject = { schemaVersion: 2, manifests: [] };

  constructor(target: string | Writable, options: OciArchiveOptions) {
    this.name = typeof target === 'string' ? `oci-archive:${target}` : 'oci-archive';
    this.takes = { ...layoutTakes(options), serial: isStream(target) };
    this.file = new ArchiveFile(target, { mode: 0o644, replace: true });
  }

  sink(names: readonly string[] = []): ImageSink {
    return new OciArchiveSink(
      this,
      names.map((name) => checkRefName(name)),
    );
  }

  only(name: string | undefined): ImageSink {
    const sink = new OciArchiveSink(this, [checkRefName(name)]);
    sink.last = this;
    return sink;
  }

  async put(descriptor: Descriptor, content: Readable, signal?: AbortSignal): Promise<void> {
    await this.file.file(pathOf(descriptor.digest), content, descriptor.size, signal);
    this.blobs.add(descriptor.digest);
  }

  async add(image: CommittedImage, names: readonly (string | undefined)[]): Promise<void> {
    for (const { bytes, digest } of allManifests(image)) {
      if (this.blobs.has(digest)) continue;
      await this.file.file(pathOf(digest), bytes);
      this.blobs.add(digest);
    }
    for (const name of names.length === 0 ? [undefined] : names)
      this.#index = addEntry(this.#index, image.top, name);
  }

  async finish(): Promise<void> {
    await this.file.file(INDEX_FILE, Buffer.from(JSON.stringify(this.#index)));
    await this.file.file(LAYOUT_FILE, Buffer.from('{"imageLayoutVersion": "1.0.0"}'));
    await this.file.finish();
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

class OciArchiveSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes;
  /** The archive, where this is its only image. */
  last: ArchiveWriter | undefined;
  readonly #archive: OciArchive;
  readonly #names: readonly (string | undefined)[];

  constructor(archive: OciArchive, names: readonly (string | undefined)[]) {
    this.#archive = archive;
    this.#names = names;
    this.name = names[0] === undefined ? archive.name : `${archive.name}:${names[0]}`;
    this.takes = archive.takes;
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    await this.#archive.file.begin();
    return this.#archive.blobs.has(digest);
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    _about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    await this.#archive.put(descriptor, content, options.signal);
  }

  async commit(image: CommittedImage): Promise<void> {
    if (image.signatures.size > 0)
      throw new VainaError('ERR_UNSUPPORTED', `${this.name} has no place for signatures`);
    await this.#archive.add(image, this.#names);
    await this.last?.finish();
  }

  async close(): Promise<void> {
    await this.last?.close();
  }
}

function pathOf(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
