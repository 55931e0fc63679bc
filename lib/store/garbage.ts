import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreParts } from './parts.js';

/** What keeps a blob: an image, a manifest list, or a repository of the registry that has it as a blob or as a manifest. */
const UNREFERENCED = `digest NOT IN (SELECT digest FROM image_blobs)
  AND digest NOT IN (SELECT digest FROM list_blobs)
  AND digest NOT IN (SELECT digest FROM registry_blobs)
  AND digest NOT IN (SELECT digest FROM registry_manifests)`;

/**
 * Removes what no image, no manifest list and no repository of the registry refers to: rows first, then files, so that no
 * row is ever without its file. Files without a row are left over from a process that was killed in between, and go as
 * well.
 *
 * The caller holds the lock of transfers, exclusively.
 *
 * @returns trees that are out of the way and remain to be removed
 */
export function sweepUnreferenced(parts: StoreParts): string[] {
  const { database, paths, session, native } = parts;
  const unreferenced = database.get(
    `SELECT 1 FROM layers WHERE chain_id NOT IN (SELECT chain_id FROM image_layers)
     UNION ALL SELECT 1 FROM blobs WHERE ${UNREFERENCED}`,
  );
  if (unreferenced) {
    database.transaction(() => {
      database.run('DELETE FROM layers WHERE chain_id NOT IN (SELECT chain_id FROM image_layers)');
      database.run(`DELETE FROM blobs WHERE ${UNREFERENCED}`);
    }, true);
  }
  const layers = new Set(database.all('SELECT chain_id FROM layers').map((row) => row['chain_id'] as string));
  const trees: string[] = [];
  for (const name of readdirSync(paths.layers)) {
    if (layers.has(name)) continue;
    const away = session.takeAway(join(paths.layers, name));
    if (away !== undefined) trees.push(away);
  }
  const blobs = new Set(database.all('SELECT digest FROM blobs').map((row) => row['digest'] as string));
  for (const algorithm of ['sha256', 'sha512']) {
    const directory = join(paths.images, 'blobs', algorithm);
    let removed = false;
    for (const name of readdirSync(directory)) {
      if (blobs.has(`${algorithm}:${name}`)) continue;
      unlinkSync(join(directory, name));
      removed = true;
    }
    if (removed) native.fsync(directory);
  }
  return trees;
}
