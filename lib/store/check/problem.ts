import type { Digest } from '../../oci/types.js';
import type { StoreParts } from '../parts.js';

/**
 * What may be wrong with a store, one word for each way to mend it, in the order in which it is mended: first what others
 * are made from.
 */
export const PROBLEM_KINDS = [
  'catalogue-damaged',
  'blob-missing',
  'blob-size',
  'blob-digest',
  'blob-unreadable',
  'config-damaged',
  'manifest-damaged',
  'image-inconsistent',
  'index-damaged',
  'list-damaged',
  'signature-damaged',
  'name-damaged',
  'layer-inconsistent',
  'image-layers',
  'layer-missing',
  'layer-changed',
  'layer-differs',
  'stray-file',
  'stray-blob',
  'stray-layer',
  'layout-damaged',
  'container-damaged',
] as const;

/**
 * One kind of damage: `blob-*` of a file below `images/blobs`, `layer-*` of an unpacked tree or its row (`changed`: not
 * what was unpacked; `differs`: not what its archive holds), `stray-*` of files that nothing refers to.
 */
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

/** One thing that is wrong with a store. */
export interface Problem {
  /** What kind of thing. */
  kind: ProblemKind;
  /** Which one: a digest, the id of a layer, image or container, a name, a path. */
  id: string;
  /** One sentence with what was found. */
  what: string;
  /** Names of the images and manifest lists that it affects; `sha256:` and the id of images without a name. */
  images: string[];
  /** Ids of the same images. */
  imageIds: string[];
}

/** How a store is looked at. */
export interface CheckOptions {
  /** Blobs are not read: only that they are there with their size. Default false. */
  quick?: boolean;
  /**
   * Every tree is held against its layer's archive, content and all; takes as long as unpacking all images again. Default
   * false: what was counted at unpacking is held against what is there now, which finds all but a change of content that
   * leaves size and time as they were.
   */
  trees?: boolean;
  /** Stray blobs and layers are reported only from this age on, in milliseconds. Default 0. */
  maxAge?: number;
  /** Stops it. */
  signal?: AbortSignal;
}

/** Collects problems, and knows which images each affects. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  add(kind: ProblemKind, id: string, what: string, imageIds: readonly string[] = []): void {
    const lists = this.#parts.database
      .all(
        `SELECT DISTINCT name FROM list_names LEFT JOIN list_blobs USING (list_id)
         WHERE digest = ? OR list_id = ?`,
        ...[id, id],
      )
      .map((row) => row['name'] as string);
    const images = new Set([...imageIds.flatMap((image) => this.#namesOf(image)), ...lists]);
    this.problems.push({ kind, id, what, images: [...images].sort(), imageIds: [...imageIds] });
  }

  /** Images that need a blob. */
  usersOfBlob(digest: Digest): string[] {
    return this.#ids('SELECT image_id FROM image_blobs WHERE digest = ?', digest);
  }

  /** Images that are made of a layer. */
  usersOfLayer(chainId: string): string[] {
    return this.#ids('SELECT DISTINCT image_id FROM image_layers WHERE chain_id = ?', chainId);
  }

  #namesOf(imageId: string): string[] {
    const names = this.#parts.database
      .all(
        `SELECT name FROM image_names WHERE image_id = ?
         UNION SELECT name FROM list_names JOIN list_images USING (list_id) WHERE image_id = ? ORDER BY name`,
        ...[imageId, imageId],
      )
      .map((row) => row['name'] as string);
    return names.length > 0 ? names : [`sha256:${imageId}`];
  }

  #ids(sql: string, value: string): string[] {
    return this.#parts.database.all(sql, value).map((row) => row['image_id'] as string);
  }
}
