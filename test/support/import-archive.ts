import type { Readable } from 'node:stream';
import { takeImage } from '../../lib/lifecycle/take-image.js';
import { rootfsSource, type RootfsOptions } from '../../lib/oci/rootfs-source.js';
import type { ImageRow } from '../../lib/store/images.js';
import type { Store } from '../../lib/store/store.js';

/** Takes an archive of a root file system into a store, as an image of one layer. The same archive is the same image. */
export async function importArchive(
  store: Store,
  archive: string | Readable,
  options: RootfsOptions & { names?: readonly string[] } = {},
): Promise<ImageRow> {
  const { names = [], ...rest } = options;
  const source = rootfsSource(archive, { created: new Date(0), ...rest });
  try {
    return await takeImage({ store }, source, names, {});
  } finally {
    await source.close();
  }
}
