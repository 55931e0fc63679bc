import { createReadStream, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import { algorithmOf, digestOf, finishDigest, hexOf, parseDigest } from '../../oci/digest.js';
import type { Descriptor, Digest } from '../../oci/types.js';
import { layoutManifest } from '../layout.js';
import type { StoreParts } from '../parts.js';
import type { Problem } from './problem.js';
import { unmendable, type Mending } from './repair.js';

/** Puts a blob in its place again: out of the catalogue if it is a document of it, else from elsewhere. */
export async function mendBlob(mending: Mending, problem: Problem): Promise<string> {
  const { parts } = mending;
  const digest = parseDigest(problem.id, 'blob', 'ERR_STORE_DAMAGED');
  const path = parts.content.pathOf(digest);
  if (problem.kind === 'blob-size' && (await digestOfPath(path, digest)) === digest) {
    parts.database.run('UPDATE blobs SET size = ? WHERE digest = ?', statSync(path).size, digest);
    return 'the catalogue had a wrong size of it';
  }
  const away = mending.quarantine(path);
  const kept = away === undefined ? '' : `; what was there is in ${away}`;
  const row = parts.database.get('SELECT size, media_type FROM blobs WHERE digest = ?', digest);
  const mediaType = (row?.['media_type'] as string | undefined) ?? 'application/octet-stream';
  const document = documentOf(parts, digest);
  if (document) {
    parts.database.run('UPDATE blobs SET size = ? WHERE digest = ?', document.length, digest);
    await parts.content.ingestBytes(document, mediaType, digest);
    return `it was written from the catalogue${kept}`;
  }
  const size = Number(row?.['size'] ?? 0);
  const descriptor: Descriptor = { mediaType, digest, size };
  try {
    const keep = (content: Readable): Promise<void> => parts.content.ingest(descriptor, content);
    if (await mending.fetch?.(descriptor, problem.images, keep)) return `it was fetched again${kept}`;
  } catch (error) {
    if (!VainaError.is(error) || error.code === 'ERR_NO_SPACE') throw error;
    throw unmendable(`${error.message}${kept}`);
  }
  throw unmendable(`the blob ${digest} is not to be had from anywhere${kept}`);
}

/** A configuration or manifest that the catalogue has a whole copy of. */
function documentOf({ database }: StoreParts, digest: Digest): Buffer | undefined {
  const config = database.get('SELECT config FROM images WHERE id = ?', hexOf(digest));
  const manifests = database.all(
    'SELECT digest, media_type, content FROM manifests WHERE digest = ? OR layout_digest = ?',
    ...[digest, digest],
  );
  const lists = database.all('SELECT content FROM lists WHERE digest = ?', digest);
  const candidates = [
    ...lists.map((row) => Buffer.from(row['content'] as string)),
    ...(config ? [Buffer.from(config['config'] as string)] : []),
    ...manifests.flatMap((row) => {
      const bytes = Buffer.from(row['content'] as string);
      const raw = { bytes, mediaType: row['media_type'] as string, digest: row['digest'] as Digest };
      return [bytes, translated(raw)];
    }),
  ];
  return candidates.find((bytes) => digestOf(bytes, algorithmOf(digest)) === digest);
}

function translated(raw: { bytes: Buffer; mediaType: string; digest: Digest }): Buffer {
  try {
    return layoutManifest(raw).bytes;
  } catch {
    // A copy that is damaged itself.
    return raw.bytes;
  }
}

async function digestOfPath(path: string, expected: Digest): Promise<Digest | undefined> {
  const hash = createHash(algorithmOf(expected));
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  } catch {
    return undefined;
  }
  return finishDigest(hash, algorithmOf(expected));
}
