import { VainaError } from '../errors.js';
import type { HistoryEntry, ImageRuntimeConfig } from '../oci/types.js';
import type { Context } from './context.js';

/** What `Image.inspect()` tells: podman's field names and meaning. */
export interface ImageInspect {
  Id: string;
  /** Of the manifest. */
  Digest: string;
  RepoTags: string[];
  RepoDigests: string[];
  Comment: string;
  /** RFC 3339. */
  Created: string;
  Config: ImageRuntimeConfig;
  Author: string;
  Architecture: string;
  Os: string;
  Variant?: string;
  /** Bytes of the layers, decompressed, and of the configuration. */
  Size: number;
  VirtualSize: number;
  GraphDriver: { Name: 'overlay'; Data: { LowerDir?: string; UpperDir?: string } };
  RootFS: { Type: 'layers'; Layers: string[] };
  Labels: Record<string, string> | null;
  Annotations: Record<string, string>;
  ManifestType: string;
  User: string;
  History: HistoryEntry[];
}

/** All that is known of an image. */
export function inspectImage(context: Context, id: string): ImageInspect {
  const row = context.store.images.get(id);
  if (!row) throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with id ${id}`, { subject: id });
  const { config, manifest } = row;
  const [top, ...lower] = context.store.layers.lowerDirectories(id);
  return {
    Id: id,
    Digest: row.digest,
    RepoTags: row.names.filter((name) => !name.includes('@')),
    RepoDigests: row.repoDigests,
    Comment: config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? new Date(row.storedAt).toISOString(),
    Config: config.config ?? {},
    Author: config.author ?? '',
    Architecture: config.architecture,
    Os: config.os,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Size: row.size,
    VirtualSize: row.size,
    GraphDriver: {
      Name: 'overlay',
      Data: {
        ...(lower.length > 0 ? { LowerDir: lower.join(':') } : {}),
        ...(top === undefined ? {} : { UpperDir: top }),
      },
    },
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Labels: config.config?.Labels ?? null,
    Annotations: manifest.annotations ?? {},
    ManifestType: row.mediaType,
    User: config.config?.User ?? '',
    History: config.history ?? [],
  };
}
