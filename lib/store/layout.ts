import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from '../native/types.js';
import { digestOf } from '../oci/digest.js';
import { LAYER_TYPES, layerCompression, MEDIA } from '../oci/mediatypes.js';
import type { Manifest, RawManifest } from '../oci/types.js';
import type { Database } from './database.js';
import { ioFailure } from './io-failure.js';
import type { StorePaths } from './paths.js';
import type { Session } from './session.js';

/**
 * Writes `oci-layout` and `index.json` (OCI image-spec, image-layout.md), so that other programs can read the store's
 * images. The catalogue is the truth; these files follow it.
 *
 * Call it with the layout's lock held: who reads first must write first.
 */
export function writeLayout(database: Database, paths: StorePaths, session: Session, native: Native): void {
  for (const { path, text } of layoutFiles(database, paths)) writeLayoutFile(path, text, session);
  native.fsync(paths.images);
}

/** What `oci-layout` and `index.json` have to be. */
export function layoutFiles(database: Database, paths: StorePaths): { path: string; text: string }[] {
  const manifests = database
    .all(
      `SELECT image_names.name, layout_digest, layout_size
       FROM manifests LEFT JOIN image_names USING (image_id, digest)
       ORDER BY image_names.name, manifests.digest`,
    )
    .map((row) => ({
      mediaType: MEDIA.ociManifest,
      digest: row['layout_digest'],
      size: Number(row['layout_size']),
      ...(row['name'] === null ? {} : { annotations: { 'org.opencontainers.image.ref.name': row['name'] } }),
    }));
  // Docker's lists lead to manifests that programs which read layouts do not look for.
  const lists = database
    .all(
      `SELECT name, digest, length(CAST(content AS BLOB)) AS size FROM lists LEFT JOIN list_names ON list_id = id
       WHERE media_type = ? ORDER BY name, digest`,
      MEDIA.ociIndex,
    )
    .map((row) => ({
      mediaType: MEDIA.ociIndex,
      digest: row['digest'],
      size: Number(row['size']),
      ...(row['name'] === null ? {} : { annotations: { 'org.opencontainers.image.ref.name': row['name'] } }),
    }));
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [...manifests, ...lists] };
  return [
    { path: join(paths.images, 'index.json'), text: JSON.stringify(index) },
    { path: join(paths.images, 'oci-layout'), text: '{"imageLayoutVersion":"1.0.0"}' },
  ];
}

function writeLayoutFile(path: string, text: string, session: Session): void {
  try {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
    const temporary = session.path();
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, path);
  } catch (error) {
    throw ioFailure(error, path);
  }
}

/**
 * A manifest as the layout has it: programs that read layouts look for OCI's media types, and Docker's manifests are
 * the same under other names.
 */
export function layoutManifest(manifest: RawManifest): RawManifest {
  if (manifest.mediaType !== MEDIA.dockerManifest) return manifest;
  const parsed = JSON.parse(manifest.bytes.toString('utf8')) as Manifest;
  const translated: Manifest = {
    ...parsed,
    mediaType: MEDIA.ociManifest,
    config: { ...parsed.config, mediaType: MEDIA.ociConfig },
    layers: parsed.layers.map((layer) => {
      const compression = layerCompression(layer.mediaType);
      return compression === undefined ? layer : { ...layer, mediaType: LAYER_TYPES.oci[compression] };
    }),
  };
  const bytes = Buffer.from(JSON.stringify(translated));
  return { bytes, mediaType: MEDIA.ociManifest, digest: digestOf(bytes) };
}
