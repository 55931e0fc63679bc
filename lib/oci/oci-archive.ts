import type { Readable, Writable } from 'node:stream';
import { algorithmOf, hexOf } from './digest.js';
import { addEntry, allManifests, checkRefName, layoutTakes, type LayoutSinkOptions } from './layout-sink.js';
import { INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, openLayoutImage } from './oci-layout.js';
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
  return new OciArchiveSink(target, checkRefName(name), options);
}

class OciArchiveSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes;
  readonly #file: ArchiveFile;
  readonly #ref: string | undefined;
  /** Blobs that are in the archive. */
  readonly #blobs = new Set<Digest>();

  constructor(target: string | Writable, ref: string | undefined, options: OciArchiveOptions) {
    const place = typeof target === 'string' ? `oci-archive:${target}` : 'oci-archive';
    this.name = ref === undefined ? place : `${place}:${ref}`;
    this.takes = { ...layoutTakes(options), serial: isStream(target) };
    this.#file = new ArchiveFile(target, { mode: 0o644, replace: true });
    this.#ref = ref;
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    await this.#file.begin();
    return this.#blobs.has(digest);
  }

  async putBlob(
    { digest, size }: Descriptor,
    content: Readable,
    _about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    await this.#file.file(pathOf(digest), content, size, options.signal);
    this.#blobs.add(digest);
  }

  async commit(image: CommittedImage): Promise<void> {
    for (const { bytes, digest } of allManifests(image)) {
      if (!this.#blobs.has(digest)) await this.#file.file(pathOf(digest), bytes);
    }
    const index = addEntry({ schemaVersion: 2, manifests: [] }, image.top, this.#ref);
    await this.#file.file(INDEX_FILE, Buffer.from(JSON.stringify(index)));
    await this.#file.file(LAYOUT_FILE, Buffer.from(LAYOUT_TEXT));
    await this.#file.finish();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function pathOf(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
