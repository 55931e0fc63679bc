import type { Reference } from './reference.js';
import { VainaError } from '../errors.js';
import type { Platform, RawManifest, Signature, TransferOptions } from './types.js';

/** A manifest or index whose signatures have not been looked at. */
export interface UnverifiedImage {
  /** Where it was read from, for messages. */
  readonly name: string;
  /** The name that the place knows the image by. */
  readonly reference?: Reference;
  /** Its bytes, held against their digest and nothing else. */
  readonly raw: RawManifest;
  /** Asks the source for the signatures of it; once, however often it is called. */
  readonly signatures: () => Promise<readonly Signature[]>;
}

/** Options of {@link copy}. */
export interface CopyOptions extends TransferOptions {
  /**
   * What to take of an index: the image for `platform` (`system`), the index with all that is below it (`all`), or the
   * index without it (`index-only`), which a destination may refuse. Without effect on an image that is no index.
   * Default `system`.
   */
  images?: 'system' | 'all' | 'index-only';
  /**
   * Which image of an index to take. When it is given, an image for another platform is refused even where there is
   * no index. Default: what this host is, and an image without an index as it is.
   */
  platform?: Platform;
  /** Format of manifests and indexes at the destination. Default: the source's, where the destination takes it. */
  format?: 'oci' | 'v2s2';
  /**
   * How layers are to be compressed that are not compressed so. A layer that the destination has already stays as it is
   * there unless `force` is set. Default: as they come, where the destination takes it.
   */
  compression?: {
    /** What layers are compressed with. */
    format: 'gzip' | 'zstd';
    /** From 1, to 9 for gzip (default 6) and to 19 for zstd (default 3). */
    level?: number;
    /** Move also what the destination has in another form. Default false. */
    force?: boolean;
  };
  /** Write layers uncompressed. Default false. */
  decompress?: boolean;
  /** Fail with `ERR_UNSUPPORTED` rather than change a digest. Default false. */
  preserveDigests?: boolean;
  /** Leave signatures behind. Default false: they are copied, and a destination that has no place for them is refused. */
  removeSignatures?: boolean;
  /** How many blobs to move at the same time, over all images. Default 6, as at podman. */
  concurrency?: number;
  /** Directory of temporary files, for layers that are compressed anew. Default: `TMPDIR`, else `/var/tmp`. */
  tmpDir?: string;
  /**
   * Called for each manifest and index that is to be copied, before anything else is believed of it and before
   * anything is put; when it rejects, nothing is copied. For the one image of an index (`system`) it is called for that image alone,
   * as at skopeo.
   */
  verify?: (image: UnverifiedImage) => Promise<void>;
  /** Called for each manifest and index as it is at the destination; gives the signatures that are added to it. */
  sign?: (raw: RawManifest) => Promise<readonly Signature[]>;
}

/** Highest levels of compression; the lowest is 1. */
const MAX_LEVELS = { gzip: 9, zstd: 19 } as const;

/**
 * Refuses options that are malformed or contradict each other.
 *
 * @throws VainaError `ERR_INVALID_OPTION`; `ERR_UNSUPPORTED` for zstd in Docker's format, and for the chunked form of zstd
 */
export function checkCopyOptions(options: CopyOptions): void {
  const { concurrency = 6, images = 'system', format, compression, decompress } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw invalid(`concurrency must be a whole number from 1, not ${concurrency}`);
  if (!['system', 'all', 'index-only'].includes(images))
    throw invalid(`images must be system, all or index-only, not ${String(images)}`);
  if (format !== undefined && !['oci', 'v2s2'].includes(format)) {
    if ((format as string) === 'v2s1') throw unsupported("manifests in Docker's schema 1 are not written");
    throw invalid(`format must be oci or v2s2, not ${String(format)}`);
  }
  if (images === 'index-only' && (compression !== undefined || decompress === true))
    throw invalid('with images: index-only no layer is copied that could be compressed or decompressed');
  if (compression === undefined) return;
  if (decompress === true) throw invalid('compression and decompress contradict each other');
  const { format: how, level } = compression;
  if ((how as string) === 'zstd:chunked')
    throw unsupported('layers in the form zstd:chunked are read but not written');
  if (!Object.hasOwn(MAX_LEVELS, how)) throw invalid(`compression must be gzip or zstd, not ${String(how)}`);
  if (level !== undefined && (!Number.isInteger(level) || level < 1 || level > MAX_LEVELS[how]))
    throw invalid(`the level of ${how} is from 1 to ${MAX_LEVELS[how]}, not ${level}`);
  if (how === 'zstd' && format === 'v2s2') throw unsupported("Docker's format has no layers in zstd");
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}

function unsupported(message: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', message);
}
