import { VainaError } from '../errors.js';
import { digestOf } from './digest.js';
import { isConfigType, isIndexType, layerTypeIn, MEDIA } from './mediatypes.js';
import type { Descriptor, Index, Manifest, RawManifest } from './types.js';

/** A format of manifests: OCI, or Docker's version 2, schema 2. */
export type ManifestFormat = 'oci' | 'v2s2';

/** Annotations that speak of the bytes of a compressed layer: of zstd:chunked, and of eStargz. */
const OF_COMPRESSED =
  /^(?:io\.github\.containers\.zstd-chunked\.|containerd\.io\/snapshot\/stargz\/|io\.containers\.estargz\.)/;

/** The format of a media type of manifests or indexes. */
export function formatOf(mediaType: string): ManifestFormat {
  return mediaType === MEDIA.dockerManifest || mediaType === MEDIA.dockerList ? 'v2s2' : 'oci';
}

/**
 * Refuses a manifest that the other format cannot hold: an artifact, a subject, a layer of a type that it does not know.
 *
 * @throws VainaError `ERR_UNSUPPORTED`
 */
export function checkConvertible(
  manifest: Manifest,
  layers: readonly string[],
  format: ManifestFormat,
): void {
  if (format === 'v2s2') {
    if (!isConfigType(manifest.config.mediaType) || manifest.artifactType !== undefined)
      throw unsupported("an artifact has no form in Docker's format");
    if (manifest.subject !== undefined) throw unsupported("a subject has no place in Docker's format");
  }
  const unknown = layers.find((mediaType) => layerTypeIn(format, mediaType) === undefined);
  if (unknown !== undefined) {
    throw unsupported(`a layer of the media type ${unknown} has no form in ${nameOf(format)}`);
  }
}

/**
 * A manifest in a format, with other layers.
 *
 * @param layers - what the layers have become: as they were, or compressed otherwise
 */
export function convertManifest(
  manifest: Manifest,
  layers: readonly Descriptor[],
  from: ManifestFormat,
  to: ManifestFormat,
): Manifest {
  if (from === to) return { ...manifest, layers: [...layers] };
  const converted = layers.map((layer) => ({ ...layer, mediaType: layerTypeIn(to, layer.mediaType) ?? '' }));
  if (to === 'oci') {
    const config = { ...manifest.config, mediaType: MEDIA.ociConfig };
    return { ...manifest, mediaType: MEDIA.ociManifest, config, layers: converted };
  }
  // Docker's format has no annotations; its members have this order at all who write it.
  return {
    schemaVersion: 2,
    mediaType: MEDIA.dockerManifest,
    config: dockerDescriptor({ ...manifest.config, mediaType: MEDIA.dockerConfig }),
    layers: converted.map(dockerDescriptor),
  };
}

/** The descriptor of a layer that has been compressed anew. What was said of its old bytes is left out. */
export function recompressedLayer(
  layer: Descriptor,
  mediaType: string,
  bytes: { digest: Descriptor['digest']; size: number },
): Descriptor {
  const { annotations, urls: _urls, data: _data, ...rest } = layer;
  const kept = Object.entries(annotations ?? {}).filter(([key]) => !OF_COMPRESSED.test(key));
  return {
    ...rest,
    mediaType,
    ...bytes,
    ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
  };
}

/**
 * An index in a format, with what the images it names have become.
 *
 * @throws VainaError `ERR_UNSUPPORTED` for what a manifest list cannot hold
 */
export function convertIndex(
  index: Index,
  from: ManifestFormat,
  to: ManifestFormat,
  become: (entry: Descriptor) => RawManifest | undefined,
): Index {
  const manifests = index.manifests.map((entry): Descriptor => {
    const now = become(entry);
    if (now === undefined || now.digest === entry.digest) return entry;
    const { data: _, ...rest } = entry;
    return { ...rest, mediaType: now.mediaType, digest: now.digest, size: now.bytes.length };
  });
  if (from === to) return { ...index, manifests };
  if (to === 'oci') return { ...index, mediaType: MEDIA.ociIndex, manifests };
  checkIndexConvertible(index, to);
  return {
    schemaVersion: 2,
    mediaType: MEDIA.dockerList,
    manifests: manifests.map((entry) => ({
      ...dockerDescriptor(entry),
      platform: entry.platform ?? { architecture: '', os: '' },
    })),
  };
}

/** Refuses an index that the other format cannot hold. */
export function checkIndexConvertible(index: Index, format: ManifestFormat): void {
  if (format !== 'v2s2') return;
  if (index.artifactType !== undefined || index.subject !== undefined)
    throw unsupported("an index of artifacts has no form in Docker's format");
  if (index.manifests.some(({ mediaType }) => isIndexType(mediaType)))
    throw unsupported("an index that contains indexes has no form in Docker's format");
}

/** A document as its bytes. */
export function rawOf(document: Manifest | Index, mediaType: string): RawManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, mediaType, digest: digestOf(bytes) };
}

function dockerDescriptor({ mediaType, size, digest, urls }: Descriptor): Descriptor {
  return { mediaType, size, digest, ...(urls !== undefined && urls.length > 0 && { urls }) };
}

function nameOf(format: ManifestFormat): string {
  return format === 'oci' ? "OCI's format" : "Docker's format";
}

function unsupported(message: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', message);
}
