import { VainaError } from '../errors.js';
import { copy } from '../oci/copy.js';
import type { CopyOptions } from '../oci/copy-options.js';
import { formatReference, type Reference } from '../oci/reference.js';
import type { CommittedImage, ImageSink } from '../oci/types.js';
import { checkOptions } from './check-options.js';
import { parseImageName, type ImageName } from './name.js';
import { openSink, openSource } from './open.js';
import {
  transportOptions,
  wantedPlatform,
  withinTime,
  type EndOptions,
  type PlatformOptions,
  type TransportOptions,
} from './options.js';
import { signatureStorage } from './signature-storage.js';
import type { ImageStoreTransport } from './store.js';
import { trustOf, type TrustOptions } from './trust.js';

/** What {@link CopyImageOptions.onStage} is told. */
export type CopyStage = 'signatures' | 'manifest' | 'stored';

/** What {@link copyImage} and {@link syncImages} share. */
export interface CopyCommonOptions
  extends
    TransportOptions,
    PlatformOptions,
    TrustOptions,
    Pick<
      CopyOptions,
      'format' | 'compression' | 'decompress' | 'preserveDigests' | 'concurrency' | 'onProgress'
    > {
  /** The same as `multiArch: 'all'`. Default false. */
  all?: boolean;
  /**
   * What to copy of an image for several platforms: the image for one (`system`), all of them and the index (`all`), or
   * the index alone (`index-only`). Default `system`.
   */
  multiArch?: 'system' | 'all' | 'index-only';
  /** Called before signatures are read, before manifests are written, and when all is stored. */
  onStage?: (stage: CopyStage) => void;
  /** How to reach the source. */
  source?: EndOptions;
  /** How to reach the destination. */
  destination?: EndOptions;
}

/** Options of {@link copyImage}. */
export interface CopyImageOptions extends CopyCommonOptions {
  /** Further references that a `docker-archive:` gets. */
  additionalTags?: readonly string[];
  /** Keep layers of `oci:` and `oci-archive:` uncompressed that come so. Default false: they are compressed. */
  acceptUncompressedLayers?: boolean;
}

/** What was copied. */
export interface CopyResult {
  /** The digest that the image has at the destination: of the index, if one was copied. */
  digest: string;
  /** The manifest or index of this digest, as it was written. */
  manifest: Buffer;
  /** Its media type. */
  mediaType: string;
  /** Digests of all manifests of images that were written: one, or those of the index. */
  manifests: readonly string[];
}

/**
 * Copies an image from one place to another, without an engine (skopeo-copy(1)).
 *
 * The trust policy of the host is applied as skopeo does (containers-policy.json(5)); an image that it rejects is not copied.
 * When anything fails, nothing can be seen at the destination, other than blobs without a name in a registry.
 *
 * @param source - with its transport; see {@link parseImageName}
 * @param destination - the same
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_NO_SUCH_IMAGE`, `ERR_NO_SUCH_PATH`, `ERR_NO_MATCHING_PLATFORM`,
 * `ERR_UNSUPPORTED`, `ERR_INVALID_IMAGE`, `ERR_DIGEST_MISMATCH`, `ERR_UNAUTHORIZED`, `ERR_REGISTRY`,
 * `ERR_REGISTRY_UNREACHABLE`, `ERR_NO_SPACE`, `ERR_INVALID_OPTION`, `ERR_TIMEOUT`; what a policy rejects, see
 * {@link TrustOptions}; the reason of the signal
 *
 * @example
 * ```ts
 * await copyImage('docker://docker.io/library/debian:13', 'oci:/srv/images:debian');
 * ```
 */
export async function copyImage(
  source: string,
  destination: string,
  options: CopyImageOptions = {},
): Promise<CopyResult> {
  checkCopyOptions('copyImage', options);
  return copyNamed(parseImageName(source), parseImageName(destination), options);
}

/** Checks the options of a verb that copies, those of both ends included. */
export function checkCopyOptions(verb: 'copyImage' | 'syncImages', options: CopyCommonOptions): void {
  checkOptions(verb, options);
  checkOptions('source', options.source ?? {});
  checkOptions('destination', options.destination ?? {});
  const { all, multiArch = 'all' } = options;
  if (all && multiArch !== 'all') {
    throw new VainaError('ERR_INVALID_OPTION', 'cannot use both all and multiArch');
  }
  if (options.decompress && options.compression) {
    throw new VainaError('ERR_INVALID_OPTION', 'cannot use both decompress and compression');
  }
}

/** {@link copyImage} of names that have been parsed, with options that have been checked. */
export async function copyNamed(
  from: ImageName,
  to: ImageName,
  options: CopyImageOptions,
): Promise<CopyResult> {
  const trust = await trustOf(from, to, options);
  return withinTime(options, async (signal) => {
    const { store, additionalTags, acceptUncompressedLayers, onStage } = options;
    const both = transportOptions(options, signal);
    const source = await openSource(from, {
      ...(await signatureStorage(from, options.registriesDir, options.source)),
      ...options.source,
      ...both,
    });
    try {
      const sink = await openSink(to, {
        ...(await signatureStorage(to, options.registriesDir, options.destination)),
        ...options.destination,
        ...both,
        ...(additionalTags && { additionalTags }),
        ...(acceptUncompressedLayers !== undefined && { acceptUncompressedLayers }),
        // What the registry has in another repository need not travel.
        mountFrom: knownAs(from, store).map(formatReference),
      });
      onStage?.('signatures');
      const image = await copy(source, onStage ? staged(sink, onStage) : sink, {
        ...copyOptions(options),
        ...trust,
        ...(signal && { signal }),
      });
      onStage?.('stored');
      return resultOf(image);
    } finally {
      await source.close();
    }
  });
}

/** Where else the blobs of an image may be. */
function knownAs(from: ImageName, store: ImageStoreTransport | undefined): readonly Reference[] {
  if (from.transport === 'docker') return [from.reference];
  return (from.transport === 'vaina' && store?.references?.(from.image)) || [];
}

function copyOptions(options: CopyImageOptions): CopyOptions {
  const {
    all,
    multiArch,
    format,
    compression,
    decompress,
    preserveDigests,
    concurrency,
    tmpDir,
    onProgress,
  } = options;
  const platform = wantedPlatform(options);
  return {
    images: all ? 'all' : (multiArch ?? 'system'),
    ...(platform && { platform }),
    ...(format && { format }),
    ...(compression && { compression }),
    ...(decompress !== undefined && { decompress }),
    ...(preserveDigests !== undefined && { preserveDigests }),
    ...(concurrency !== undefined && { concurrency }),
    ...(tmpDir !== undefined && { tmpDir }),
    ...(onProgress && { onProgress }),
  };
}

/** The sink, but for a call when it is about to show the image. */
function staged(sink: ImageSink, onStage: (stage: CopyStage) => void): ImageSink {
  return {
    name: sink.name,
    ...(sink.takes && { takes: sink.takes }),
    hasBlob: (...args) => sink.hasBlob(...args),
    putBlob: (...args) => sink.putBlob(...args),
    close: () => sink.close(),
    async commit(...args) {
      onStage('manifest');
      await sink.commit(...args);
    },
  };
}

function resultOf({ top, manifests }: CommittedImage): CopyResult {
  return {
    digest: top.digest,
    manifest: top.bytes,
    mediaType: top.mediaType,
    manifests: manifests.map(({ raw }) => raw.digest),
  };
}
