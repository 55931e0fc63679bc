import type { ArchivedImage, ImageArchive } from '../../lib/oci/archive.js';
import { findNamed } from '../../lib/oci/docker-archive.js';
import { pickImage } from '../../lib/oci/pick.js';

/** The image of an archive that has a name; without a name, the only image. */
export function findArchived({ images }: ImageArchive, name?: string): ArchivedImage {
  return pickImage(images, name, 'the archive', (wanted) => findNamed(images, wanted));
}
