import { VainaError } from '../errors.js';
import { signatureFromBytes, signatureToBytes } from '../oci/signature-blob.js';
import type { CommittedImage, Digest, Signature } from '../oci/types.js';
import type { Database } from './database.js';

/**
 * The signatures that came with a manifest or index, in their order.
 *
 * @throws VainaError `ERR_STORE_DAMAGED` when one cannot be read
 */
export function readSignatures(database: Database, digest: Digest): Signature[] {
  return database
    .all('SELECT content FROM signatures WHERE digest = ? ORDER BY position', digest)
    .map((row, index) => {
      const where = `signature ${index + 1} of ${digest}`;
      try {
        return signatureFromBytes(Buffer.from(row['content'] as Uint8Array), where);
      } catch (error) {
        throw new VainaError('ERR_STORE_DAMAGED', (error as Error).message, {
          subject: digest,
          cause: error,
        });
      }
    });
}

/**
 * Makes the signatures of an image those of its manifests and indexes, whose blobs are here, in a transaction of the
 * caller. They go when the blob does.
 */
export function writeSignatures(
  database: Database,
  { top, indexes, manifests, signatures }: CommittedImage,
): void {
  for (const { digest } of [top, ...indexes, ...manifests.map(({ raw }) => raw)]) {
    database.run('DELETE FROM signatures WHERE digest = ?', digest);
    for (const [position, signature] of (signatures.get(digest) ?? []).entries())
      database.run(
        'INSERT INTO signatures (digest, position, content) VALUES (?, ?, ?)',
        ...[digest, position, signatureToBytes(signature)],
      );
  }
}
