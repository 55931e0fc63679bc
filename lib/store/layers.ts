import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import type { Digest } from '../oci/types.js';
import type { Database } from './database.js';
import type { StorePaths } from './paths.js';
import type { Usage } from './worker.js';

/** An unpacked layer. */
export interface LayerRow {
  /** Hexadecimal part of the chain id: this layer on top of these others. */
  chainId: string;
  diffId: Digest;
  /** Chain id of the layer below. */
  parent?: string;
  /** Of its archive, decompressed: in bytes. */
  size: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** What its tree was when it was unpacked; absent for one of an older engine. */
  record?: TreeRecord;
}

/** What shows that a tree is as it was: a part of what the storage worker counts. */
export type TreeRecord = Pick<Usage, 'size' | 'files' | 'mark'>;

/** The unpacked layers of the store. */
export class Layers {
  readonly #database: Database;
  readonly #paths: StorePaths;

  /** @internal */
  constructor(database: Database, paths: StorePaths) {
    this.#database = database;
    this.#paths = paths;
  }

  /** The layer with this chain id. */
  get(chainId: string): LayerRow | undefined {
    const row = this.#database.get('SELECT * FROM layers WHERE chain_id = ?', chainId);
    return row && toRow(row);
  }

  /** All layers. */
  list(): LayerRow[] {
    return this.#database.all('SELECT * FROM layers ORDER BY created_at, chain_id').map(toRow);
  }

  /** Remembers what the tree of a layer is. */
  setRecord(chainId: string, { size, files, mark }: TreeRecord): void {
    this.#database.run(
      'UPDATE layers SET tree_files = ?, tree_size = ?, tree_mark = ? WHERE chain_id = ?',
      ...[files, size, mark, chainId],
    );
  }

  /** The tree of a layer. */
  treeOf(chainId: string): string {
    return join(this.#paths.layer(chainId), 'diff');
  }

  /**
   * The trees of an image, the top one first, as overlay wants its lower directories.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`
   */
  lowerDirectories(imageId: string): string[] {
    const rows = this.#database.all(
      'SELECT chain_id FROM image_layers WHERE image_id = ? ORDER BY position DESC',
      imageId,
    );
    if (rows.length === 0 && !this.#database.get('SELECT 1 FROM images WHERE id = ?', imageId)) {
      throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with id ${imageId}`, { subject: imageId });
    }
    return rows.map((row) => this.treeOf(row['chain_id'] as string));
  }
}

/** Makes the directory of a layer somewhere, and tells where in it its tree is to be written. */
export function makeLayerDirectory(directory: string): string {
  const tree = join(directory, 'diff');
  for (const path of [directory, tree]) mkdirSync(path, { mode: 0o700 });
  return tree;
}

function toRow(row: Record<string, unknown>): LayerRow {
  return {
    chainId: row['chain_id'] as string,
    diffId: row['diff_id'] as Digest,
    ...(row['parent'] === null ? {} : { parent: row['parent'] as string }),
    size: Number(row['size']),
    createdAt: Number(row['created_at']),
    ...(row['tree_mark'] === null
      ? {}
      : {
          record: {
            size: Number(row['tree_size']),
            files: Number(row['tree_files']),
            mark: row['tree_mark'] as string,
          },
        }),
  };
}
