import type { HistoryEntry, ImageRuntimeConfig } from '../oci/types.js';
import type { Context } from './context.js';

/** What `Image.inspect()` tells: podman's field names and meaning. */
export interface ImageInspect {
  /** 64 hexadecimal digits: of the digest of its configuration. */
  Id: string;
  /** Digest of the manifest. */
  Digest: string;
  /** Names with a tag. */
  RepoTags: string[];
  /** `repository@digest` for each repository that it has a name in. */
  RepoDigests: string[];
  /** Comment of the newest entry of its history; empty for none. */
  Comment: string;
  /** When it was made, RFC 3339; when it came into the store, if its configuration does not say. */
  Created: string;
  /** What containers of it run, unless they are told otherwise. */
  Config: ImageRuntimeConfig;
  /** Who made it; empty where its configuration does not say. */
  Author: string;
  /** Processor architecture in Go's words, as in `amd64`. */
  Architecture: string;
  /** Operating system in Go's words, as in `linux`. */
  Os: string;
  /** Variant of the architecture, as in `v8`; absent for none. */
  Variant?: string;
  /** Bytes of the layers, decompressed, and of the configuration. */
  Size: number;
  /** The same as `Size`. */
  VirtualSize: number;
  /** Where its layers are unpacked. */
  GraphDriver: {
    /** Always `overlay`. */
    Name: 'overlay';
    /** Directories of an overlay mount. */
    Data: {
      /** The lower layers, uppermost first, with colons between them; absent where there is only one layer. */
      LowerDir?: string;
      /** The top layer; absent for an image without layers. */
      UpperDir?: string;
    };
  };
  /** Its layers by content. */
  RootFS: {
    /** Always `layers`. */
    Type: 'layers';
    /** Digests of the decompressed layers (diffIDs), lowest first. */
    Layers: string[];
  };
  /** Labels of its configuration; null for none. */
  Labels: Record<string, string> | null;
  /** Annotations of its manifest. */
  Annotations: Record<string, string>;
  /** Media type of its manifest. */
  ManifestType: string;
  /** User that containers of it run as: a name or number, with `:group` or without; empty for root. */
  User: string;
  /** How it came to be, oldest entry first. */
  History: HistoryEntry[];
}

/** All that is known of an image. */
export function inspectImage(context: Context, id: string): ImageInspect {
  const row = context.store.images.require(id);
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
