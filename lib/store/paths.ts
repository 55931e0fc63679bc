import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../oci/types.js';
import { algorithmOf, hexOf } from '../oci/digest.js';

/** Where things are below the root of a store. */
export class StorePaths {
  readonly root: string;
  readonly database: string;
  /** The OCI image layout. */
  readonly images: string;
  readonly layers: string;
  /** Half-made things, by session. */
  readonly temporary: string;
  /** What was damaged and is kept, by repairs. Made when it is needed. */
  readonly quarantine: string;
  /** Room for what makes room. */
  readonly reserve: string;

  constructor(root: string) {
    this.root = root;
    this.database = join(root, 'vaina.db');
    this.images = join(root, 'images');
    this.layers = join(root, 'layers');
    this.temporary = join(root, 'tmp');
    this.quarantine = join(root, 'quarantine');
    this.reserve = join(root, 'reserve');
  }

  /** The file of a blob. */
  blob(digest: Digest): string {
    return join(this.images, 'blobs', algorithmOf(digest), hexOf(digest));
  }

  /** The directory of a layer. */
  layer(chainId: string): string {
    return join(this.layers, chainId);
  }

  /** Makes the directories, for nobody else to enter: the store has set-user-id files of many images. */
  make(): void {
    const { root, layers, temporary, images } = this;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const path of [
      layers,
      temporary,
      images,
      join(root, 'containers'),
      join(images, 'blobs', 'sha256'),
      join(images, 'blobs', 'sha512'),
    ]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
  }
}
