import { readFileSync } from 'node:fs';
import { VainaError } from '../../errors.js';
import { parseImageConfig } from '../../oci/config.js';
import { algorithmOf, digestOf, isDigest, type DigestAlgorithm } from '../../oci/digest.js';
import { parseManifest } from '../../oci/manifest.js';
import { isIndexType } from '../../oci/mediatypes.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import type { Digest, Manifest } from '../../oci/types.js';
import { chainIds } from '../chain.js';
import type { SqlRow } from '../database.js';
import { layoutManifest } from '../layout.js';
import type { StoreParts } from '../parts.js';
import type { Findings } from './problem.js';

/** Holds the rows of the catalogue against each other, and parses the documents in them. */
export function checkCatalogue(parts: StoreParts, findings: Findings, quick: boolean): void {
  const { database } = parts;
  for (const row of database.all(quick ? 'PRAGMA quick_check' : 'PRAGMA integrity_check')) {
    const text = String(Object.values(row)[0]);
    if (text !== 'ok') findings.add('catalogue-damaged', parts.paths.database, `the catalogue: ${text}`);
  }
  for (const row of database.all('PRAGMA foreign_key_check')) {
    const what = `the catalogue: a row of ${String(row['table'])} refers to one of ${String(row['parent'])} that is missing`;
    findings.add('catalogue-damaged', parts.paths.database, what);
  }
  // Read in one go, so that all of it is of one moment.
  database.transaction(() => {
    for (const image of database.all('SELECT id, digest, config FROM images'))
      checkImage(parts, findings, image);
    for (const manifest of database.all('SELECT * FROM manifests')) checkManifest(parts, findings, manifest);
    for (const name of database.all('SELECT * FROM image_names')) checkName(parts, findings, name);
    for (const list of database.all('SELECT id, digest, content FROM lists')) checkList(findings, list);
    for (const { digest } of database.all('SELECT DISTINCT digest FROM signatures'))
      checkSignatures(parts, findings, digest as Digest);
  });
}

function checkImage({ database }: StoreParts, findings: Findings, row: SqlRow): void {
  const id = row['id'] as string;
  const images = [id];
  const text = row['config'] as string;
  const algorithm: DigestAlgorithm = id.length === 128 ? 'sha512' : 'sha256';
  const digest = digestOf(Buffer.from(text), algorithm);
  if (digest !== `${algorithm}:${id}`) {
    findings.add(
      'config-damaged',
      id,
      `the configuration of the image ${id} has the digest ${digest}`,
      images,
    );
    return;
  }
  const manifests = database.all('SELECT digest FROM manifests WHERE image_id = ?', id);
  if (!manifests.some((manifest) => manifest['digest'] === row['digest'])) {
    const what = `the image ${id} has no manifest ${String(row['digest'])}`;
    findings.add('image-inconsistent', id, what, images);
  }
  try {
    const config = parseImageConfig(Buffer.from(text), 'image configuration');
    const layers = database
      .all('SELECT position, chain_id FROM image_layers WHERE image_id = ? ORDER BY position', id)
      .map((layer) => `${String(layer['position'])} ${String(layer['chain_id'])}`);
    const wanted = chainIds(config.rootfs.diff_ids).map((chain, index) => `${index} ${chain}`);
    if (layers.join() !== wanted.join()) {
      const what = `the image ${id} has ${layers.length} layers that are not the ${wanted.length} of its configuration`;
      findings.add('image-layers', id, what, images);
    }
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    findings.add('config-damaged', id, `the configuration of the image ${id}: ${error.message}`, images);
  }
}

function checkManifest({ database, content }: StoreParts, findings: Findings, row: SqlRow): void {
  const [id, digest] = [row['image_id'] as string, row['digest'] as string];
  const images = [id];
  const report = (what: string): void =>
    findings.add('manifest-damaged', digest, `the manifest ${digest} of the image ${id} ${what}`, images);
  const bytes = Buffer.from(row['content'] as string);
  if (!hasDigest(bytes, digest)) return report('is not the one that its row names');
  if (bytes.length !== row['size']) return report(`has ${bytes.length} bytes, not ${String(row['size'])}`);
  let manifest: Manifest;
  try {
    const parsed = parseManifest(bytes, row['media_type'] as string, 'manifest');
    if (parsed.kind !== 'manifest') return report('is an index');
    manifest = parsed.manifest;
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    return report(`cannot be read: ${error.message}`);
  }
  if (!manifest.config.digest.endsWith(`:${id}`))
    return report(`is of the configuration ${manifest.config.digest}`);
  const layout = layoutManifest({ bytes, mediaType: row['media_type'] as string, digest });
  if (layout.digest !== row['layout_digest'] || layout.bytes.length !== row['layout_size'])
    return report('is another one in the layout');
  const needed = [
    digest,
    layout.digest,
    manifest.config.digest,
    ...manifest.layers.map((layer) => layer.digest),
  ];
  if (row['index_digest'] !== null) needed.push(row['index_digest'] as Digest);
  const kept = new Set(
    database.all('SELECT digest FROM image_blobs WHERE image_id = ?', id).map((blob) => blob['digest']),
  );
  const lost = needed.filter((one) => !kept.has(one));
  if (lost.length > 0) return report(`needs ${lost.join(', ')}, which the image does not keep`);
  if (row['index_digest'] !== null)
    checkIndex(content.pathOf(row['index_digest'] as Digest), findings, row, images);
}

/** That its file is there and is what its name says, is told where blobs are looked at. */
function checkIndex(path: string, findings: Findings, row: SqlRow, images: string[]): void {
  const [digest, member] = [row['index_digest'] as string, row['digest'] as string];
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return;
  }
  if (!hasDigest(bytes, digest)) return;
  try {
    const parsed = parseManifest(bytes, '', 'index');
    if (parsed.kind === 'index' && parsed.index.manifests.some((one) => one.digest === member)) return;
    // An index may lead to another index that leads to the manifest.
    if (parsed.kind === 'index' && parsed.index.manifests.some((one) => isIndexType(one.mediaType))) return;
    findings.add(
      'index-damaged',
      digest,
      `the index ${digest} does not lead to the manifest ${member}`,
      images,
    );
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    findings.add('index-damaged', digest, `the index ${digest} cannot be read: ${error.message}`, images);
  }
}

function checkList(findings: Findings, row: SqlRow): void {
  const [id, digest] = [row['id'] as string, row['digest'] as string];
  const bytes = Buffer.from(row['content'] as string);
  const report = (what: string): void => findings.add('list-damaged', id, `the manifest list ${id} ${what}`);
  if (!hasDigest(bytes, digest)) return report('is not the one that its row names');
  try {
    if (parseManifest(bytes, '', 'manifest list').kind !== 'index') report('is an image');
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    report(`cannot be read: ${error.message}`);
  }
}

function checkSignatures({ content }: StoreParts, findings: Findings, digest: Digest): void {
  try {
    content.signaturesOf(digest);
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    findings.add('signature-damaged', digest, error.message, findings.usersOfBlob(digest));
  }
}

function checkName({ database }: StoreParts, findings: Findings, row: SqlRow): void {
  const [name, id, digest] = [row['name'] as string, row['image_id'] as string, row['digest'] as string];
  const report = (what: string): void => findings.add('name-damaged', name, what, [id]);
  try {
    if (formatReference(parseReference(name)) !== name) return report(`the name ${name} is not a full one`);
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    return report(`the name ${name} is none: ${error.message}`);
  }
  if (!database.get('SELECT 1 FROM manifests WHERE image_id = ? AND digest = ?', id, digest))
    report(`the name ${name} is of the manifest ${digest}, which the image ${id} does not have`);
}

/** Whether this is the digest of the bytes; false for what is no digest at all. */
function hasDigest(bytes: Buffer, digest: string): digest is Digest {
  return isDigest(digest) && digestOf(bytes, algorithmOf(digest)) === digest;
}
