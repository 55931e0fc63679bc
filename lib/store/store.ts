import { mkdirSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { Native } from '../native/types.js';
import type { ImageSource } from '../oci/types.js';
import { Containers } from './containers.js';
import { Content } from './content.js';
import { Database, sqlFailure } from './database.js';
import { sweepUnreferenced } from './garbage.js';
import { type ImageRow, Images } from './images.js';
import { importArchive, type ImportOptions } from './import.js';
import { ioFailure } from './io-failure.js';
import { Layers } from './layers.js';
import { writeLayout } from './layout.js';
import { Locks } from './locks.js';
import type { StoreParts } from './parts.js';
import { StorePaths } from './paths.js';
import { migrate } from './schema.js';
import { Session } from './session.js';
import { type SinkOptions, StoreSink } from './sink.js';
import { StoreSource } from './source.js';
import { withWorker } from './with-worker.js';
import type { StorageMaps } from './worker-plan.js';
import type { StorageWorker } from './worker.js';

/** Where a store is, and what it works with. */
export interface StoreOptions {
  /** Absolute path of what survives a reboot. */
  root: string;
  /** Absolute path of what does not. */
  runroot: string;
  native: Native;
  /** For an ordinary user: the ids of the namespace in which layers are written. */
  maps?: StorageMaps;
}

const TRANSFERS = 'transfers';
const LAYOUT = 'layout';

/**
 * Images, layers and the catalogue, on disk. Any number of processes may have the same store open; there is no
 * coordinator among them.
 */
export class Store implements AsyncDisposable {
  readonly root: string;
  readonly runroot: string;
  readonly native: Native;
  /** Whether layers belong to a user namespace, so that overlay's marks are `user.overlay.*`. */
  readonly rootless: boolean;
  readonly images: Images;
  readonly containers: Containers;
  readonly content: Content;
  readonly layers: Layers;
  /** Locks on objects. */
  readonly locks: Locks;
  readonly #paths: StorePaths;
  readonly #database: Database;
  readonly #session: Session;
  readonly #maps: StorageMaps | undefined;
  /** Locks on the store itself, which must be beside it: other processes may have another runroot. */
  readonly #storeLocks: Locks;
  readonly #parts: StoreParts;
  #closed = false;

  private constructor(options: StoreOptions, paths: StorePaths, database: Database) {
    const { native, maps } = options;
    this.root = options.root;
    this.runroot = options.runroot;
    this.native = native;
    this.rootless = maps !== undefined;
    this.#maps = maps;
    this.#paths = paths;
    this.#database = database;
    this.#session = new Session(paths.temporary, native);
    this.locks = new Locks(join(options.runroot, 'locks'), native);
    this.#storeLocks = new Locks(paths.root, native);
    this.content = new Content(database, paths, this.#session);
    this.layers = new Layers(database, paths);
    this.containers = new Containers(database);
    this.images = new Images(database, () => this.#writeLayout());
    this.#parts = {
      native,
      paths,
      database,
      session: this.#session,
      content: this.content,
      layers: this.layers,
      lockTransfers: (signal) =>
        this.#storeLocks.acquire(TRANSFERS, { shared: true, ...(signal ? { signal } : {}) }),
      withWorker: (work, signal) => this.worker(work, signal),
      // What cannot be removed now is removed by the next opener; the error that led here matters more.
      removeTemporary: (directory) => this.#removeAll([directory]).catch(() => undefined),
      collectGarbage: () => this.collectGarbage(),
      writeLayout: () => this.#writeLayout(),
      relative: (path) => this.#relative(path),
    };
  }

  /**
   * Opens a store, which is made when it is missing, and removes what processes that were killed have left half made.
   *
   * @throws VainaError `ERR_STORE_VERSION`, `ERR_STORE_DAMAGED`, `ERR_HOST_UNSUPPORTED`, `ERR_PERMISSION`,
   * `ERR_NO_SPACE`
   */
  static async open(options: StoreOptions): Promise<Store> {
    const { root, runroot } = options;
    for (const path of [root, runroot]) {
      if (!isAbsolute(path))
        throw new VainaError('ERR_INVALID_OPTION', `the path ${path} is not absolute`, { path });
    }
    const paths = new StorePaths(root);
    try {
      paths.make();
      for (const name of ['locks', 'containers'])
        mkdirSync(join(runroot, name), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw ioFailure(error, root);
    }
    const database = Database.open(paths.database);
    try {
      migrate(database, paths.database);
      const store = new Store(options, paths, database);
      // What cannot be removed is in nobody's way; `sweep` would tell why.
      await store.#removeDead().catch(() => undefined);
      return store;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Whether {@link Store.close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes an image in. The sink is for one image and must be closed. */
  sink(options: SinkOptions = {}): StoreSink {
    return new StoreSink(this.#parts, options);
  }

  /**
   * Gives an image out.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`
   */
  source(imageId: string): ImageSource {
    return new StoreSource(this.#image(imageId), this.content);
  }

  /** Makes an image of one layer out of an archive of a root file system. */
  async import(content: Readable, options: ImportOptions = {}): Promise<ImageRow> {
    const { name, signal } = options;
    const sink = this.sink({
      ...(name === undefined ? {} : { names: [name] }),
      ...(signal ? { signal } : {}),
    });
    return this.#image(await importArchive(sink, content, options));
  }

  /**
   * Removes an image with its names, and what only it needed.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_IN_USE` when a container is made of it
   */
  async deleteImage(id: string): Promise<void> {
    const image = this.#image(id);
    try {
      this.#database.transaction(() => this.#database.run('DELETE FROM images WHERE id = ?', id), true);
    } catch (error) {
      if (sqlFailure(error) !== 'foreign-key') throw error;
      const users = this.containers.ofImage(id).map((container) => container.name);
      throw new VainaError('ERR_IN_USE', `the image ${image.names[0] ?? id} is used by ${users.join(', ')}`, {
        subject: id,
        hint: 'remove the container first',
        cause: error,
      });
    }
    await this.#writeLayout();
    await this.collectGarbage();
  }

  /**
   * Removes what no image refers to. While an image is on its way into the store, nothing is: whoever ends last does
   * it.
   */
  async collectGarbage(): Promise<void> {
    const lock = this.#storeLocks.tryAcquire(TRANSFERS);
    if (!lock) return;
    let trees: string[];
    try {
      trees = sweepUnreferenced(this.#parts);
    } finally {
      lock.release();
    }
    await this.#removeAll(trees);
  }

  /** Removes all that was left over: half-made things of killed processes, and what nobody refers to. */
  async sweep(): Promise<void> {
    await this.#removeDead();
    await this.collectGarbage();
    await this.#writeLayout();
  }

  /** Runs a function with a storage worker: a process that may write trees with the ids of the user's namespace. */
  async worker<T>(work: (worker: StorageWorker) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withWorker(this.native, this.root, this.#maps, work, signal);
  }

  /**
   * Removes a tree of the store, such as the files of a container. It is out of the way at once.
   *
   * @param path - absolute, below the root
   */
  async removeTree(path: string): Promise<void> {
    this.#relative(path);
    const away = this.#session.takeAway(path);
    if (away !== undefined) await this.#removeAll([away]);
  }

  /** Closes the store. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#session.close();
    this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #image(id: string): ImageRow {
    const image = this.images.get(id);
    if (!image) throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with id ${id}`, { subject: id });
    return image;
  }

  #relative(path: string): string {
    const below = relative(this.root, path);
    if (below === '' || below.startsWith('..') || isAbsolute(below)) {
      throw new VainaError('ERR_INTERNAL', `${path} is not below ${this.root}`, { path });
    }
    return below;
  }

  async #removeAll(trees: readonly string[]): Promise<void> {
    if (trees.length === 0) return;
    await this.worker(async (worker) => {
      for (const tree of trees) await worker.remove(this.#relative(tree));
    });
  }

  async #removeDead(): Promise<void> {
    for (const { name, release } of this.#session.dead()) {
      try {
        await this.#removeAll([join(this.#paths.temporary, name)]);
        release();
      } catch (error) {
        release();
        throw error;
      }
    }
  }

  async #writeLayout(): Promise<void> {
    await using _lock = await this.#storeLocks.acquire(LAYOUT);
    writeLayout(this.#database, this.#paths, this.#session, this.native);
  }
}
