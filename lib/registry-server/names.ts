import { isDigest } from '../oci/digest.js';
import { isRepositoryPath } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import { Refusal } from './refusal.js';

/** Longest repository name that clients can use: most count the registry's host among these 255. */
const MAX_NAME = 255;

/** Whether this is a repository name by the grammar of distribution-spec 1.1, "Pulling manifests". */
export function isRepositoryName(name: string): boolean {
  return name.length <= MAX_NAME && isRepositoryPath(name);
}

/**
 * The digest that a request names.
 *
 * @throws Refusal `DIGEST_INVALID`
 */
export function readDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refusal('DIGEST_INVALID', 'this is not a sha256 or sha512 digest');
}
