import { createReadStream, lstatSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { VerifyingStream } from '../../oci/digest.js';
import { VainaError } from '../../errors.js';
import type { BlobRow } from '../content.js';
import type { StoreParts } from '../parts.js';
import type { CheckOptions, Findings } from './problem.js';

/** Holds every blob of the catalogue against its file: there, of its size, and of its digest. */
export async function checkBlobs(
  parts: StoreParts,
  findings: Findings,
  options: CheckOptions,
): Promise<void> {
  for (const blob of parts.content.list()) {
    options.signal?.throwIfAborted();
    await checkBlob(parts, findings, blob, options);
  }
}

async function checkBlob(
  parts: StoreParts,
  findings: Findings,
  blob: BlobRow,
  { quick = false, signal }: CheckOptions,
): Promise<void> {
  const path = parts.content.pathOf(blob.digest);
  const report = (
    kind: 'blob-missing' | 'blob-size' | 'blob-digest' | 'blob-unreadable',
    what: string,
  ): void => {
    // Somebody may have deleted its image meanwhile.
    if (!parts.database.get('SELECT 1 FROM blobs WHERE digest = ?', blob.digest)) return;
    findings.add(kind, blob.digest, `the blob ${path} ${what}`, findings.usersOfBlob(blob.digest));
  };
  let size: number;
  try {
    const status = lstatSync(path);
    if (!status.isFile()) return report('blob-missing', 'is no file');
    size = status.size;
  } catch (error) {
    return report('blob-missing', `is missing (${(error as NodeJS.ErrnoException).code})`);
  }
  if (size !== blob.size) return report('blob-size', `has ${size} bytes, not ${blob.size}`);
  if (quick) return;
  try {
    const verified = new VerifyingStream(blob, `the blob ${path}`);
    verified.resume();
    await pipeline(createReadStream(path, { highWaterMark: 256 * 1024 }), verified, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    if (VainaError.is(error, 'ERR_DIGEST_MISMATCH'))
      return report('blob-digest', 'does not have the digest of its name');
    return report('blob-unreadable', `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
