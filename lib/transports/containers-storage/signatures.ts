import { VainaError } from '../../errors.js';
import { asObject, optionalMap } from '../../oci/guards.js';
import { digestOf, hexOf } from '../../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../../oci/limits.js';
import { signatureFromBytes } from '../../oci/signature-blob.js';
import type { Digest, Signature } from '../../oci/types.js';
import { parseStrictJson } from '../../util/strict-json.js';
import { readBigData, type StoredImage } from './catalogue.js';

/** Most bytes of all signatures of a manifest. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The signatures that podman keeps with an image: all of a manifest in one piece, their lengths in the metadata.
 *
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export async function storedSignatures(image: StoredImage, digest: Digest): Promise<Signature[]> {
  const where = `signatures of the image ${image.id}`;
  if (image.metadata === '') return [];
  const metadata = asObject(parseStrictJson(Buffer.from(image.metadata), where, 'ERR_INVALID_IMAGE'), where);
  const byManifest = optionalMap(metadata, 'signatures-sizes', where, numbers) ?? {};
  const own = byManifest[digest];
  let key = `signature-${hexOf(digest)}`;
  let sizes = own ?? [];
  if (own === undefined) {
    const raw = metadata['signature-sizes'];
    sizes = raw === undefined || raw === null ? [] : numbers(raw, where);
    key = 'signatures';
    // Without a manifest's name they belong to the one that the image was pulled by.
    if (sizes.length > 0 && !(await isOf(image, digest))) return [];
  }
  if (sizes.length === 0 || !image.bigData.includes(key)) return [];
  const bytes = await readBigData(image, key, MAX_BYTES);
  if (sizes.reduce((sum, size) => sum + size, 0) !== bytes.length) {
    throw new VainaError('ERR_INVALID_IMAGE', `${where} are not of the lengths that were noted`);
  }
  let at = 0;
  return sizes.map((size) => signatureFromBytes(bytes.subarray(at, (at += size)), where));
}

async function isOf(image: StoredImage, digest: Digest): Promise<boolean> {
  if (image.digest === digest) return true;
  if (!image.bigData.includes('manifest')) return false;
  return digestOf(await readBigData(image, 'manifest', MAX_MANIFEST_BYTES)) === digest;
}

function numbers(value: unknown, where: string): number[] {
  if (!Array.isArray(value) || !value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw new VainaError('ERR_INVALID_IMAGE', `${where}: the lengths are no list of numbers`);
  }
  return value as number[];
}
