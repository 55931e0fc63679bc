import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from '../native/types.js';
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
  const manifests = database
    .all(
      `SELECT image_names.name, manifests.digest, manifests.media_type, manifests.size
       FROM manifests LEFT JOIN image_names USING (image_id, digest)
       ORDER BY image_names.name, manifests.digest`,
    )
    .map((row) => ({
      mediaType: row['media_type'],
      digest: row['digest'],
      size: Number(row['size']),
      ...(row['name'] === null ? {} : { annotations: { 'org.opencontainers.image.ref.name': row['name'] } }),
    }));
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };
  writeLayoutFile(join(paths.images, 'index.json'), JSON.stringify(index), session);
  const marker = join(paths.images, 'oci-layout');
  if (!existsSync(marker)) writeLayoutFile(marker, '{"imageLayoutVersion":"1.0.0"}', session);
  native.fsync(paths.images);
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
