import { readFileSync } from 'node:fs';
import { isDigest, verifyBytes } from '../../oci/digest.js';
import { parseManifest } from '../../oci/manifest.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import type { Digest } from '../../oci/types.js';
import { VainaError } from '../../errors.js';
import { recordBlob } from '../content.js';
import type { SqlRow } from '../database.js';
import { layoutManifest } from '../layout.js';
import type { StoreParts } from '../parts.js';
import type { Problem } from './problem.js';
import { unmendable } from './repair.js';

/** Tables whose rows mean nothing without what they refer to. */
const DEPENDENT = new Set([
  'image_names',
  'image_blobs',
  'image_layers',
  'manifests',
  'list_names',
  'list_blobs',
  'list_images',
  'signatures',
]);

/** Makes indexes anew, and removes rows that refer to nothing. */
export function mendCatalogue({ database }: StoreParts): string {
  database.exec('REINDEX');
  let removed = 0;
  database.transaction(() => {
    for (const row of database.all('PRAGMA foreign_key_check')) {
      const table = String(row['table']);
      if (DEPENDENT.has(table))
        removed += database.run(`DELETE FROM ${table} WHERE rowid = ?`, row['rowid'] ?? null);
    }
  }, true);
  const still = [...database.all('PRAGMA integrity_check'), ...database.all('PRAGMA foreign_key_check')];
  const wrong = still.find((row) => !Object.values(row).includes('ok'));
  if (wrong) throw unmendable('the catalogue cannot be mended: restore it from a copy');
  return `its indexes were made anew, and ${removed} rows that referred to nothing were removed`;
}

/** Takes the configuration of an image from its blob. */
export function mendConfig(parts: StoreParts, id: string): string {
  const digest = `${id.length === 128 ? 'sha512' : 'sha256'}:${id}`;
  if (!isDigest(digest)) throw unmendable(`${id} is no id of an image`);
  const bytes = readBlob(parts, digest);
  parts.database.run('UPDATE images SET config = ? WHERE id = ?', bytes.toString('utf8'), id);
  return 'it was taken from its blob';
}

/** Takes the content of a manifest list from its blob. */
export function mendList(parts: StoreParts, id: string): string {
  const digest = parts.database.get('SELECT digest FROM lists WHERE id = ?', id)?.['digest'];
  if (!isDigest(digest)) throw unmendable(`the manifest list ${id} has no digest`);
  const bytes = readBlob(parts, digest);
  parts.database.run('UPDATE lists SET content = ? WHERE id = ?', bytes.toString('utf8'), id);
  return 'it was taken from its blob';
}

/** Takes a manifest of the catalogue from its blob. */
export function mendManifest(parts: StoreParts, problem: Problem): string {
  const { database } = parts;
  const [imageId = ''] = problem.imageIds;
  if (!isDigest(problem.id)) {
    database.run('DELETE FROM manifests WHERE image_id = ? AND digest = ?', imageId, problem.id);
    return 'its row was removed';
  }
  const bytes = readBlob(parts, problem.id);
  enterManifest(parts, imageId, problem.id, bytes);
  return 'it was taken from its blob';
}

/** Writes the row of a manifest, and all that it keeps. */
function enterManifest(parts: StoreParts, imageId: string, digest: Digest, bytes: Buffer): void {
  const { database } = parts;
  const parsed = parseManifest(bytes, '', `manifest ${digest}`);
  if (parsed.kind !== 'manifest' || !parsed.manifest.config.digest.endsWith(`:${imageId}`))
    throw unmendable(`${digest} is no manifest of the image ${imageId}`);
  const { mediaType, manifest } = parsed;
  const layout = layoutManifest({ bytes, mediaType, digest });
  const needed = [
    { digest, mediaType, size: bytes.length },
    { digest: layout.digest, mediaType: layout.mediaType, size: layout.bytes.length },
    manifest.config,
    ...manifest.layers,
  ];
  database.transaction(() => {
    database.run(
      `INSERT INTO manifests (image_id, digest, media_type, size, content, layout_digest, layout_size)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (image_id, digest) DO UPDATE SET media_type = excluded.media_type, size = excluded.size,
         content = excluded.content, layout_digest = excluded.layout_digest, layout_size = excluded.layout_size`,
      ...[
        imageId,
        digest,
        mediaType,
        bytes.length,
        bytes.toString('utf8'),
        layout.digest,
        layout.bytes.length,
      ],
    );
    const index = database.get('SELECT index_digest FROM manifests WHERE digest = ?', digest)?.[
      'index_digest'
    ];
    for (const blob of needed) recordBlob(database, blob);
    for (const one of [...needed.map((blob) => blob.digest), ...(typeof index === 'string' ? [index] : [])])
      database.run(
        'INSERT INTO image_blobs (image_id, digest) VALUES (?, ?) ON CONFLICT DO NOTHING',
        imageId,
        one,
      );
  }, true);
}

/** Gives an image a manifest that it has, or whose blob is here. */
export function mendImage(parts: StoreParts, id: string): string {
  const { database } = parts;
  const known = database.get('SELECT digest FROM manifests WHERE image_id = ? ORDER BY digest', id);
  let digest = known?.['digest'] as Digest | undefined;
  if (digest === undefined) {
    const blobs = database.all(
      `SELECT digest FROM image_blobs JOIN blobs USING (digest)
       WHERE image_id = ? AND media_type LIKE '%manifest%' ORDER BY digest`,
      id,
    );
    digest = blobs.map((row: SqlRow) => row['digest'] as Digest).find((one) => isManifestOf(parts, id, one));
  }
  if (digest === undefined) throw unmendable(`no manifest of the image ${id} is left`);
  database.run('UPDATE images SET digest = ? WHERE id = ?', digest, id);
  return `it has the manifest ${digest}`;
}

function isManifestOf(parts: StoreParts, id: string, digest: Digest): boolean {
  try {
    enterManifest(parts, id, digest, readBlob(parts, digest));
    return true;
  } catch (error) {
    if (VainaError.is(error)) return false;
    throw error;
  }
}

/** Gives a name the manifest of its image; removes one that is none. */
export function mendName({ database }: StoreParts, name: string): string {
  let full: string | undefined;
  try {
    full = formatReference(parseReference(name));
  } catch (error) {
    if (!VainaError.is(error)) throw error;
  }
  if (full !== name) {
    database.run('DELETE FROM image_names WHERE name = ?', name);
    return 'the name was removed';
  }
  database.run(
    'UPDATE image_names SET digest = (SELECT digest FROM images WHERE id = image_id) WHERE name = ?',
    name,
  );
  return 'the name is of the manifest that its image has';
}

function readBlob(parts: StoreParts, digest: Digest): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(parts.content.pathOf(digest));
  } catch {
    throw unmendable(`the blob ${digest} is missing`);
  }
  verifyBytes(bytes, { digest }, `the blob ${digest}`);
  return bytes;
}
