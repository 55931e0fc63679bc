import { VainaError } from '../errors.js';
import { digestOf, type DigestAlgorithm } from '../oci/digest.js';

/**
 * The digest that a manifest is known by: of its bytes as they are. Of one in Docker's schema 1 with its signatures, which
 * do not count, it is not made.
 *
 * @param manifest - its bytes
 * @param algorithm - default sha256
 * @throws VainaError `ERR_UNSUPPORTED` for a signed manifest of schema 1
 */
export function manifestDigest(manifest: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): string {
  if (isSigned(manifest)) {
    throw new VainaError('ERR_UNSUPPORTED', "the manifest is in Docker's schema 1 with signatures");
  }
  return digestOf(manifest, algorithm);
}

function isSigned(manifest: Uint8Array): boolean {
  try {
    const value = JSON.parse(Buffer.from(manifest).toString()) as {
      signatures?: unknown;
      schemaVersion?: unknown;
    } | null;
    return value?.schemaVersion === 1 && Array.isArray(value.signatures);
  } catch {
    // Any bytes have a digest.
    return false;
  }
}
