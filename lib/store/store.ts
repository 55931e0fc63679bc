import { mkdirSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { VainaError } from '../errors.js';
import type { Native } from '../native/types.js';
import type { DigestAlgorithm } from '../oci/digest.js';
import type { ImageSource } from '../oci/types.js';
import type { CheckOptions, Problem } from './check/problem.js';
import type { Repair, RepairOptions } from './check/repair.js';
import { Containers } from './containers.js';
import { Content } from './content.js';
import { Database, sqlFailure } from './database.js';
import { sweepUnreferenced } from './garbage.js';
import { Images } from './images.js';
import { ioFailure } from './io-failure.js';
import { jobs } from './jobs.js';
import { Layers } from './layers.js';
import { deleteList, Lists, type NewList, writeList } from './lists.js';
import { type Lock, Locks } from './locks.js';
import type { PackedLayer, PackLayerOptions } from './pack-layer.js';
import type { StoreParts } from './parts.js';
import { StorePaths } from './paths.js';
import { migrate } from './schema.js';
import { Reserve } from './reserve.js';
import { Session } from './session.js';
import { RegistryCatalogue } from './registry-catalogue.js';
import type { SinkOptions, StoreSink } from './sink.js';
import type { Upload } from './upload.js';
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
  readonly lists: Lists;
  readonly containers: Containers;
  readonly content: Content;
  readonly layers: Layers;
  /** What the registry's repositories have. */
  readonly registry: RegistryCatalogue;
  /** Locks on objects. */
  readonly locks: Locks;
  readonly #paths: StorePaths;
  readonly #database: Database;
  readonly #session: Session;
  readonly #reserve: Reserve;
  readonly #maps: StorageMaps | undefined;
  /** Locks on the store itself, which must be beside it: other processes may have another runroot. */
  readonly #storeLocks: Locks;
  readonly #parts: StoreParts;
  #closed = false;

  private constructor(options: StoreOptions, paths: StorePaths, database: Database, reserve: Reserve) {
    const { native, maps } = options;
    this.root = options.root;
    this.runroot = options.runroot;
    this.native = native;
    this.rootless = maps !== undefined;
    this.#maps = maps;
    this.#paths = paths;
    this.#database = database;
    this.#session = new Session(paths.temporary, native);
    this.#reserve = reserve;
    database.beforeDurable(() => this.#session.begin());
    this.locks = new Locks(join(options.runroot, 'locks'), native);
    this.#storeLocks = new Locks(paths.root, native);
    this.content = new Content(database, paths, this.#session);
    this.layers = new Layers(database, paths);
    this.containers = new Containers(database);
    this.registry = new RegistryCatalogue(database);
    this.images = new Images(database, () => this.#writeLayout());
    this.lists = new Lists(database, () => this.#writeLayout());
    this.#parts = {
      native,
      paths,
      database,
      session: this.#session,
      content: this.content,
      layers: this.layers,
      lockTransfers: (signal) =>
        this.#storeLocks.acquire(TRANSFERS, { shared: true, ...(signal ? { signal } : {}) }),
      tryStopTransfers: () => this.#storeLocks.tryAcquire(TRANSFERS),
      withWorker: (work, signal) => this.worker(work, signal),
      // What cannot be removed now is removed by the next opener; the error that led here matters more.
      removeTemporary: (directory) => this.#removeAll([directory]).catch(() => undefined),
      collectGarbage: () => this.collectGarbage(),
      writeLayout: () => this.#writeLayout(),
      relative: (path) => this.#relative(path),
    };
  }

  /**
   * Opens a store, which is made when it is missing, and brings to an end what processes that were killed have left half
   * made.
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
    const reserve = new Reserve(paths.reserve);
    const database = await reserve.lend(() => openDatabase(paths.database));
    const store = new Store(options, paths, database, reserve);
    // What cannot be removed is in nobody's way; `sweep` would tell why.
    await store.#tidy().catch(() => undefined);
    reserve.refill();
    return store;
  }

  /** Whether {@link Store.close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes an image in. The sink is for one image and must be closed. */
  sink(options: SinkOptions = {}): StoreSink {
    return new jobs.StoreSink(this.#parts, options);
  }

  /** Begins to take in a blob of which nothing is known yet. It must be committed or closed. */
  async upload(algorithm: DigestAlgorithm = 'sha256'): Promise<Upload> {
    return jobs.Upload.open(this.#parts, algorithm);
  }

  /** Keeps garbage from being collected: what is here stays until somebody refers to it. */
  async hold(signal?: AbortSignal): Promise<Lock> {
    return this.#parts.lockTransfers(signal);
  }

  /**
   * Gives an image out.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`
   */
  source(imageId: string): ImageSource {
    return new jobs.StoreSource(this.images.require(imageId), this.content);
  }

  /**
   * Packs a tree of the store into a layer: the upper directory of a container, or the tree of a layer. The same tree
   * gives the same archive. The blob stays as long as nobody collects garbage: hold that off by {@link Store.hold} until
   * an image has it.
   *
   * @param directory - absolute, below the root; nobody may write to it meanwhile
   * @returns undefined when nothing but its root directory is to be told of it: that is no layer
   * @throws VainaError `ERR_UNSUPPORTED` for what no layer can say (a name that begins with `.wh.`, a path of more than
   * 4095 bytes, what overlay keeps elsewhere), `ERR_IO` when something changes meanwhile, `ERR_NO_SPACE`,
   * `ERR_HOST_UNSUPPORTED` when this host cannot write zstd
   */
  async packLayer(directory: string, options: PackLayerOptions = {}): Promise<PackedLayer | undefined> {
    return jobs.packLayer(this.#parts, directory, this.rootless, options);
  }

  /**
   * Removes an image with its names, and what only it needed.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_IN_USE` when a container is made of it
   */
  async deleteImage(id: string): Promise<void> {
    if (!this.images.isKnown(id))
      throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with id ${id}`, { subject: id });
    const remove = (): void => {
      // A list that it did not come with does without it.
      this.#database.run('DELETE FROM list_images WHERE image_id = ? AND brought = 0', id);
      this.#database.run('DELETE FROM images WHERE id = ?', id);
    };
    try {
      await this.#reserve.lend(() => this.#database.transaction(remove, true));
    } catch (error) {
      if (sqlFailure(error) !== 'foreign-key') throw error;
      const list = this.#database.get('SELECT list_id FROM list_images WHERE image_id = ?', id)?.['list_id'];
      if (typeof list === 'string') {
        const called = this.lists.get(list)?.names[0] ?? list;
        throw new VainaError('ERR_IN_USE', `the image ${id} is one of the manifest list ${called}`, {
          subject: id,
          hint: 'remove the list, and the image goes with it',
          cause: error,
        });
      }
      const users = this.containers.ofImage(id).map((container) => container.name);
      const name = this.images.get(id)?.names[0] ?? id;
      throw new VainaError('ERR_IN_USE', `the image ${name} is used by ${users.join(', ')}`, {
        subject: id,
        hint: 'remove the container first',
        cause: error,
      });
    }
    await this.#afterRemoval();
  }

  /** Writes a manifest list, a new one or another content of a known one. Its blobs and images are here. */
  async saveList(list: NewList, id?: string): Promise<string> {
    await using _lock = await this.#parts.lockTransfers();
    await this.content.ingestBytes(list.raw.bytes, list.raw.mediaType, list.raw.digest);
    const saved = this.#database.transaction(() => writeList(this.#database, list, id), true);
    await this.#writeLayout();
    return saved;
  }

  /** Removes a manifest list with its names, and the images that came with it and have no name of their own. */
  async deleteList(id: string): Promise<void> {
    await this.#reserve.lend(() => this.#database.transaction(() => deleteList(this.#database, id), true));
    await this.#afterRemoval();
  }

  /** Gives out a manifest list with all that the store has of it. */
  listSource(id: string): ImageSource {
    const list = this.lists.require(id);
    return new jobs.StoreSource({ id, digest: list.digest, names: list.names }, this.content);
  }

  /**
   * Removes what nothing refers to. While an image is on its way into the store, nothing is: whoever ends last does
   * it.
   *
   * @returns whether it could be done
   */
  async collectGarbage(): Promise<boolean> {
    const lock = this.#storeLocks.tryAcquire(TRANSFERS);
    if (!lock) return false;
    let trees: string[];
    try {
      trees = sweepUnreferenced(this.#parts);
    } finally {
      lock.release();
    }
    await this.#removeAll(trees);
    return true;
  }

  /** Removes all that was left over: half-made things of killed processes, and what nobody refers to. */
  async sweep(): Promise<void> {
    await this.#removeDead();
    await this.collectGarbage();
    await this.#writeLayout();
  }

  /** Looks for damage; see {@link checkStore}. */
  async check(options: CheckOptions = {}): Promise<Problem[]> {
    return jobs.checkStore(this.#parts, options);
  }

  /** Mends what {@link Store.check} has found; see {@link repairStore}. */
  async repair(problems: readonly Problem[], options: RepairOptions = {}): Promise<Repair[]> {
    return jobs.repairStore(this.#parts, problems, options);
  }

  /** Runs a function with a storage worker: a process that may write trees with the ids of the user's namespace. */
  async worker<T>(work: (worker: StorageWorker) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return jobs.withWorker(this.native, this.root, this.#maps, work, signal);
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

  /** What has no row any more is removed, on a full disk above all. */
  async #afterRemoval(): Promise<void> {
    try {
      await this.#reserve.lend(() => this.#writeLayout());
    } finally {
      await this.#reserve.lend(() => this.collectGarbage());
      this.#reserve.refill();
    }
  }

  /** Removes what was left half made; tells whether there was anything. */
  async #removeDead(): Promise<boolean> {
    let found = false;
    for (const { name, release } of this.#session.dead()) {
      // Should we be killed as well, the next one is to know.
      if (!found) this.#session.begin();
      found = true;
      try {
        await this.#removeAll([join(this.#paths.temporary, name)]);
        release();
      } catch (error) {
        release();
        throw error;
      }
    }
    return found;
  }

  /** Who was killed may have changed rows without the files that follow them. */
  async #tidy(): Promise<void> {
    if (!(await this.#removeDead())) return;
    await this.#writeLayout();
    await this.collectGarbage();
  }

  async #writeLayout(): Promise<void> {
    await using _lock = await this.#storeLocks.acquire(LAYOUT);
    jobs.writeLayout(this.#database, this.#paths, this.#session, this.native);
  }
}

function openDatabase(path: string): Database {
  const database = Database.open(path);
  try {
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
