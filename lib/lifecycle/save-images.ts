import type { Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import { copy } from '../oci/copy.js';
import { dirSink } from '../oci/dir-sink.js';
import { dockerArchiveWriter } from '../oci/docker-archive-sink.js';
import { layoutSink } from '../oci/layout-sink.js';
import { MEDIA } from '../oci/mediatypes.js';
import { ociArchiveSink } from '../oci/oci-archive.js';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.js';
import type { ImageSink, TransferOptions } from '../oci/types.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';

/** Options of a save. */
export interface SaveOptions extends TransferOptions {
  /**
   * What is written: one file as `docker save` writes it, which may hold several images; one file or one directory that is an OCI
   * layout; or a directory as of the transport `dir:` with a manifest in Docker's format. Default `docker-archive`.
   */
  format?: 'docker-archive' | 'oci-archive' | 'oci-dir' | 'docker-dir';
  /** Compress layers with gzip that are not compressed so; only for `docker-dir`. Default false: they stay as they are. */
  compress?: boolean;
  /** Keep layers uncompressed that are so; only for `oci-archive` and `oci-dir`. Default false: they are compressed. */
  uncompressed?: boolean;
  /** Called for what is left behind: signatures of an image, which only a `docker-dir` can hold. */
  onWarning?: (message: string) => void;
  /** Further names of the image in a `docker-archive` of one. */
  additionalTags?: readonly string[];
}

/** An image of the store, with the full names that it is to have where it is saved. */
export interface SavedImage {
  id: string;
  names: readonly string[];
}

/**
 * Writes images of the store to one archive or directory.
 *
 * @param target - a path, or for an archive a stream, which is ended
 */
export async function saveImages(
  context: Context,
  images: readonly SavedImage[],
  target: string | Writable,
  options: SaveOptions = {},
): Promise<void> {
  checkOptions('save', options);
  const { format = 'docker-archive', compress = false, uncompressed = false } = options;
  if (compress && format !== 'docker-dir') throw invalid('compress is for the format docker-dir');
  if (uncompressed && !format.startsWith('oci-'))
    throw invalid('uncompressed is for the formats oci-archive and oci-dir');
  const [first, ...others] = images;
  if (first === undefined) throw invalid('there is no image to save');
  if (format === 'docker-archive') return saveDockerArchive(context, images, target, options);
  if (others.length > 0) throw invalid('several images are for the format docker-archive');
  if (options.additionalTags) throw invalid('additionalTags are for the format docker-archive');
  const kept = { acceptUncompressedLayers: uncompressed };
  if (format === 'oci-archive')
    return writeOne(context, first, ociArchiveSink(target, first.names[0], kept), options);
  if (typeof target !== 'string') throw invalid(`the format ${format} is a directory: it needs a path`);
  const sink = format === 'oci-dir' ? layoutSink(target, first.names[0], kept) : dirSink(target);
  return writeOne(context, first, sink, options);
}

async function saveDockerArchive(
  context: Context,
  images: readonly SavedImage[],
  target: string | Writable,
  options: SaveOptions,
): Promise<void> {
  const { additionalTags = [] } = options;
  if (additionalTags.length > 0 && images.length > 1)
    throw invalid('additionalTags are for an archive of one image');
  const more = additionalTags.map((tag) => formatReference(withDefaultTag(parseReference(tag))));
  const writer = dockerArchiveWriter(target);
  try {
    for (const { id, names } of images) {
      // A name with a digest is none in this format.
      const tags = [...names.filter((name) => !name.includes('@')), ...more];
      await writeOne(context, { id, names: tags }, writer.sink(tags), options);
    }
    options.signal?.throwIfAborted();
    await writer.finish();
  } finally {
    await writer.close();
  }
}

async function writeOne(
  { store }: Context,
  { id, names }: SavedImage,
  sink: ImageSink,
  options: SaveOptions,
): Promise<void> {
  const { format = 'docker-archive', compress, signal, onProgress, onWarning } = options;
  const source = store.source(id);
  const { digest, mediaType } = store.images.find(id).image;
  // As with podman's save, what a format cannot hold is left behind; so is what would forbid to convert the manifest.
  const keeps = format === 'docker-dir' && !compress && mediaType === MEDIA.dockerManifest;
  try {
    if (!keeps && store.content.signaturesOf(digest).length > 0) {
      const changes = format === 'docker-dir';
      const why = changes ? 'its manifest changes' : `the format ${format} has no place for them`;
      onWarning?.(`the signatures of ${names[0] ?? id} are left behind: ${why}`);
    }
    await copy(source, sink, {
      removeSignatures: !keeps,
      ...(format === 'docker-dir' && { format: 'v2s2' as const }),
      ...(format === 'docker-dir' && compress && { compression: { format: 'gzip' as const } }),
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    publishImage('save', id, { name: names[0] });
  } finally {
    await source.close();
  }
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}
