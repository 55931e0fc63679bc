import { VainaError } from '../errors.js';
import { checkConvertible, checkIndexConvertible, formatOf, type ManifestFormat } from './convert.js';
import type { CopyOptions } from './copy-options.js';
import {
  isForeignLayerType,
  isIndexType,
  isManifestType,
  LAYER_TYPES,
  layerCompression,
  MEDIA,
} from './mediatypes.js';
import type { Survey } from './survey.js';
import type { CommittedManifest, Descriptor, Digest, LayerCompression, SinkTakes } from './types.js';

/** What becomes of a layer: it is moved as it is, compressed otherwise, or not moved at all because its URLs are enough. */
export type LayerFate =
  | { kind: 'keep' }
  | { kind: 'skip' }
  | {
      kind: 'recompress';
      to: LayerCompression;
      /** The media type that it gets. */
      mediaType: string;
    };

/** What becomes of a manifest. */
export interface ImageFate {
  format: ManifestFormat;
  layers: readonly LayerFate[];
}

/** What becomes of everything that is copied, by digest. */
export interface Decisions {
  images: ReadonlyMap<Digest, ImageFate>;
  indexes: ReadonlyMap<Digest, ManifestFormat>;
}

/**
 * Decides what must be converted so that the destination can hold it, and what is to be because it was asked for. Nothing else is.
 *
 * @throws VainaError `ERR_UNSUPPORTED` for what cannot be converted, or must not because its digest is to stay
 */
export function decide(found: Survey, takes: SinkTakes, options: CopyOptions): Decisions {
  const images = new Map<Digest, ImageFate>();
  const indexes = new Map<Digest, ManifestFormat>();
  const indexIsSigned = [...found.indexes.keys()].some((digest) => found.signatures.has(digest));
  const frozen = (digest: Digest): string | undefined => {
    if (options.preserveDigests === true) return 'its digest is to be preserved';
    const signed = indexIsSigned || found.signatures.has(digest);
    return signed ? 'that would invalidate its signatures; use removeSignatures' : undefined;
  };
  let changes = false;
  for (const [digest, image] of found.images) {
    const fate = new ImageDecision(image, takes, options, frozen(digest)).run();
    images.set(digest, fate);
    changes ||=
      fate.format !== formatOf(image.raw.mediaType) || fate.layers.some(({ kind }) => kind === 'recompress');
  }
  for (const [digest, { raw, index }] of found.indexes) {
    const from = formatOf(raw.mediaType);
    const format = wantedFormat(raw.mediaType, takes, options);
    if (format !== from) {
      refuseFrozen(`index ${digest}`, 'converted', frozen(digest));
      checkIndexConvertible(index, format);
    }
    // A list in Docker's format lists images in it.
    if (changes) refuseFrozen(`index ${digest}`, 'changed', frozen(digest));
    indexes.set(digest, format);
  }
  return { images, indexes };
}

/** The format of a manifest or index at the destination. */
function wantedFormat(mediaType: string, takes: SinkTakes, options: CopyOptions): ManifestFormat {
  const kind = isIndexType(mediaType) ? isIndexType : isManifestType;
  const allowed = takes.manifests?.filter(kind);
  if (allowed?.length === 0) {
    const what = isIndexType(mediaType) ? 'indexes' : 'image manifests';
    throw new VainaError('ERR_UNSUPPORTED', `the destination takes no ${what}`);
  }
  const formats = allowed?.map(formatOf);
  const { format, compression } = options;
  if (format !== undefined) {
    if (formats?.includes(format) === false)
      throw new VainaError('ERR_UNSUPPORTED', `the destination takes no manifests in the format ${format}`);
    return format;
  }
  const own = formatOf(mediaType);
  // Docker's format has no layers in zstd.
  if (own === 'v2s2' && compression?.format === 'zstd' && formats?.includes('oci') !== false) return 'oci';
  return formats === undefined || formats.includes(own) ? own : (formats[0] as ManifestFormat);
}

/** What becomes of one image. */
class ImageDecision {
  readonly #image: CommittedManifest;
  readonly #takes: SinkTakes;
  readonly #options: CopyOptions;
  readonly #frozen: string | undefined;

  constructor(image: CommittedManifest, takes: SinkTakes, options: CopyOptions, frozen: string | undefined) {
    this.#image = image;
    this.#takes = takes;
    this.#options = options;
    this.#frozen = frozen;
  }

  run(): ImageFate {
    const { raw, manifest, config } = this.#image;
    const from = formatOf(raw.mediaType);
    const format = wantedFormat(raw.mediaType, this.#takes, this.#options);
    const what = `manifest ${raw.digest}`;
    // What is no layer of a root file system stays as it is.
    const layers = manifest.layers.map((layer): LayerFate =>
      config === undefined ? { kind: 'keep' } : this.#layer(layer, format),
    );
    if (format !== from) {
      refuseFrozen(
        what,
        `converted to ${format === 'oci' ? MEDIA.ociManifest : MEDIA.dockerManifest}`,
        this.#frozen,
      );
      const types = manifest.layers.map(({ mediaType }, i) => {
        const fate = layers[i];
        return fate?.kind === 'recompress' ? fate.mediaType : mediaType;
      });
      checkConvertible(manifest, types, format);
    }
    return { format, layers };
  }

  #layer(layer: Descriptor, format: ManifestFormat): LayerFate {
    const { mediaType, urls, digest } = layer;
    if (urls !== undefined && urls.length > 0 && this.#takes.foreignLayers === true) return { kind: 'skip' };
    const now = layerCompression(mediaType);
    const allowed = this.#takes.layers;
    if (now === undefined) {
      // A foreign layer is never compressed otherwise, and nobody knows how an encrypted one could be.
      const known = isForeignLayerType(mediaType) ? foreignCompression(mediaType) : undefined;
      if (allowed === undefined || (known && allowed.includes(known))) return { kind: 'keep' };
      throw unsupported(`layer ${digest} has the media type ${mediaType}, which cannot be converted`);
    }
    const { compression, decompress = false } = this.#options;
    const asked = compression?.format ?? (decompress ? 'none' : undefined);
    const to = asked ?? (allowed?.includes(now) === false ? (allowed[0] ?? now) : now);
    if (allowed?.includes(to) === false)
      throw unsupported(`the destination takes layers in ${allowed.join(', ')}, not in ${to}`);
    if (to !== now) {
      refuseFrozen(`layer ${digest}`, to === 'none' ? 'decompressed' : `compressed with ${to}`, this.#frozen);
      return recompressed(to, format);
    }
    // A wish of the destination, which gives way.
    const wish = this.#takes.compress;
    if (now === 'none' && asked === undefined && wish !== undefined && this.#frozen === undefined)
      return recompressed(wish, format);
    return { kind: 'keep' };
  }
}

function recompressed(to: LayerCompression, format: ManifestFormat): LayerFate {
  const mediaType = LAYER_TYPES[format][to];
  if (mediaType === undefined) throw unsupported(`Docker's format has no layers in ${to}`);
  return { kind: 'recompress', to, mediaType };
}

function unsupported(message: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', message);
}

function foreignCompression(mediaType: string): LayerCompression {
  return /[.+]gzip$/.test(mediaType) ? 'gzip' : mediaType.endsWith('+zstd') ? 'zstd' : 'none';
}

function refuseFrozen(what: string, change: string, frozen: string | undefined): void {
  if (frozen === undefined) return;
  throw new VainaError('ERR_UNSUPPORTED', `${what} would have to be ${change}, but ${frozen}`);
}
