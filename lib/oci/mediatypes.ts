/** Media types of the OCI image-spec and of Docker's image format that means the same. */
export const MEDIA = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

const LAYER_COMPRESSION: ReadonlyMap<string, 'none' | 'gzip' | 'zstd'> = new Map([
  [MEDIA.ociLayer, 'none'],
  [MEDIA.ociLayerGzip, 'gzip'],
  [MEDIA.ociLayerZstd, 'zstd'],
  [MEDIA.dockerLayer, 'none'],
  [MEDIA.dockerLayerGzip, 'gzip'],
  [MEDIA.dockerLayerZstd, 'zstd'],
]);

/** The media type of a layer, by format and compression. */
export const LAYER_TYPES = {
  oci: { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd },
  // There is no media type of Docker's for zstd that its programs read.
  v2s2: { none: MEDIA.dockerLayer, gzip: MEDIA.dockerLayerGzip, zstd: undefined },
} as const;

/** Layers that a registry may not give out, in both formats. */
const FOREIGN_TYPES: readonly (readonly [oci: string, v2s2: string])[] = [
  [
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
  ],
  [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ],
];

/** A layer's media type in another format; undefined where that has none for it. */
export function layerTypeIn(format: 'oci' | 'v2s2', mediaType: string): string | undefined {
  const compression = layerCompression(mediaType);
  if (compression !== undefined) return LAYER_TYPES[format][compression];
  return FOREIGN_TYPES.find((pair) => pair.includes(mediaType))?.[format === 'oci' ? 0 : 1];
}

/** What to ask a registry for: the manifests the engine reads, best first. */
export const ACCEPT_MANIFESTS = [
  MEDIA.ociIndex,
  MEDIA.ociManifest,
  MEDIA.dockerList,
  MEDIA.dockerManifest,
] as const;

/** The media type of a Content-Type header: no parameters, lower case; empty when there is none. */
export function baseMediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether the type is that of an index or manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerList;
}

/** Whether the type is that of an image manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA.ociManifest || mediaType === MEDIA.dockerManifest;
}

/** Whether the type is Docker's first schema, which the engine refuses. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType === MEDIA.dockerSchema1 || mediaType === MEDIA.dockerSchema1Signed;
}

/** Whether the type is that of an image configuration. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA.ociConfig || mediaType === MEDIA.dockerConfig;
}

/** How a layer of this type says it is compressed; undefined for what is no layer of a container image. */
export function layerCompression(mediaType: string): 'none' | 'gzip' | 'zstd' | undefined {
  return LAYER_COMPRESSION.get(mediaType);
}

/** Whether the type is that of a layer which a registry may not give out (a *foreign* layer). */
export function isForeignLayerType(mediaType: string): boolean {
  return /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/.test(
    mediaType,
  );
}
