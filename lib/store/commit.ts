import type { CommittedManifest, Descriptor, Digest, RawManifest } from '../oci/types.js';
import { recordBlob } from './content.js';
import type { Database } from './database.js';
import { setName } from './images.js';
import type { BuiltLayer } from './sink.js';

/** What a commit writes to the catalogue. */
export interface Commit {
  id: string;
  raw: RawManifest;
  config: NonNullable<CommittedManifest['config']>;
  /** The index that led to the manifest. */
  origin?: Digest;
  /** Manifests, the index, the configuration, the layers: what the image keeps from being removed. */
  blobs: readonly Descriptor[];
  layers: readonly BuiltLayer[];
  names: readonly string[];
  /** The manifest as the layout has it. */
  layout: RawManifest;
  userFiles: { passwd?: string; group?: string };
}

/** Writes an image to the catalogue, in one transaction that survives a power loss. */
export function writeCommit(database: Database, commit: Commit): void {
  const { id, raw, config, origin, blobs, layers, names, layout, userFiles } = commit;
  const now = Date.now();
  const size = layers.reduce((sum, layer) => sum + layer.size, config.bytes.length);
  database.transaction(() => {
    for (const blob of blobs) recordBlob(database, blob);
    for (const layer of layers) {
      database.run(
        `INSERT INTO layers (chain_id, diff_id, parent, size, created_at, tree_files, tree_size, tree_mark)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET tree_files = coalesce(tree_files, excluded.tree_files),
           tree_size = coalesce(tree_size, excluded.tree_size), tree_mark = coalesce(tree_mark, excluded.tree_mark)`,
        ...[layer.chainId, layer.diffId, layer.parent ?? null, layer.size, now],
        ...[layer.record?.files ?? null, layer.record?.size ?? null, layer.record?.mark ?? null],
      );
    }
    database.run(
      `INSERT INTO images (id, digest, created, stored_at, size, config, passwd, "group") VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET digest = excluded.digest`,
      ...[id, raw.digest, config.parsed.created ?? null, now, size, config.bytes.toString('utf8')],
      ...[userFiles.passwd ?? null, userFiles.group ?? null],
    );
    database.run(
      `INSERT INTO manifests (image_id, digest, media_type, size, index_digest, content, layout_digest, layout_size)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (image_id, digest) DO UPDATE SET index_digest = coalesce(excluded.index_digest, index_digest)`,
      ...[id, raw.digest, raw.mediaType, raw.bytes.length],
      ...[origin ?? null, raw.bytes.toString('utf8'), layout.digest, layout.bytes.length],
    );
    for (const { digest } of blobs) {
      database.run(
        'INSERT INTO image_blobs (image_id, digest) VALUES (?, ?) ON CONFLICT DO NOTHING',
        id,
        digest,
      );
    }
    for (const [position, layer] of layers.entries()) {
      database.run(
        'INSERT INTO image_layers (image_id, position, chain_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        ...[id, position, layer.chainId],
      );
    }
    for (const name of names) setName(database, name, id, raw.digest);
  }, true);
}
