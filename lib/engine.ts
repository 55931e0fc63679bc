import { mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { Containers, type CreateOptions } from './containers.js';
import { VainaError } from './errors.js';
import type { Image } from './image.js';
import { Images } from './images.js';
import type { CheckOptions, Problem } from './lifecycle/check.js';
import { checkOptions, splitOptions } from './lifecycle/check-options.js';
import { closeContainers } from './lifecycle/close.js';
import type { CollectOptions, CommandResult } from './lifecycle/collect.js';
import { filesOf, stagingDirectory, type Context } from './lifecycle/context.js';
import type { DiskUsage } from './lifecycle/disk-usage.js';
import type { DoctorReport } from './lifecycle/doctor.js';
import { trustFor, type ImageTrust } from './lifecycle/image-trust.js';
import { hostFacts } from './lifecycle/host-facts.js';
import type { EngineInfo } from './lifecycle/info.js';
import { jobs } from './lifecycle/jobs.js';
import { recover } from './lifecycle/recover.js';
import type { EngineRepairOptions, RepairReport } from './lifecycle/repair.js';
import { Manifests } from './manifests.js';
import { native } from './native/index.js';
import type { RegistryServer, RegistryServerOptions } from './registry-server/index.js';
import type { ContainerOptions } from './spec/options.js';
import { Store } from './store/store.js';
import type { CopyImageOptions, CopyResult } from './transports/copy-image.js';
import type { ImageStoreTransport } from './transports/store.js';

/** Where an engine keeps its things, and which images it lets in. */
export interface EngineOptions extends ImageTrust {
  /** What survives a reboot. Default `/var/lib/vaina`, or `$XDG_DATA_HOME/vaina` (`~/.local/share/vaina`) for an ordinary user. */
  root?: string;
  /** What does not: a directory on a tmpfs. Default `/run/vaina`, or `$XDG_RUNTIME_DIR/vaina` for an ordinary user. */
  runroot?: string;
}

/** Options of {@link Engine.run}. */
export interface RunOptions
  extends Omit<CreateOptions, 'command' | 'autoRemove' | 'detach'>, CollectOptions {}

/**
 * A store of images and containers, opened. Any number of engines, in any number of processes, may share one.
 *
 * @example
 * ```ts
 * await using engine = await Engine.open();
 * const { stdout } = await engine.run('debian:13', ['cat', '/etc/debian_version']);
 * ```
 */
export class Engine implements AsyncDisposable {
  /** The images of the store. */
  readonly images: Images;
  /** The manifest lists of the store. */
  readonly manifests: Manifests;
  /** The containers of the store. */
  readonly containers: Containers;
  readonly #context: Context;
  readonly #registries = new Set<RegistryServer>();

  private constructor(context: Context) {
    this.#context = context;
    this.images = new Images(context);
    this.manifests = new Manifests(context);
    this.containers = new Containers(context, this.images);
  }

  /**
   * Opens a store, which is made when it is missing, and finishes what crashed processes left half done.
   * @throws ERR_INVALID_OPTION for a path that is not absolute; ERR_HOST_UNSUPPORTED without the addon or SQLite;
   * ERR_STORE_VERSION for a store of a newer engine; ERR_PERMISSION, ERR_NO_SPACE
   */
  static async open(options: EngineOptions = {}): Promise<Engine> {
    const { root, runroot } = locations(options);
    const { trustPolicy, insecurePolicy, registriesDir } = options;
    const trust: ImageTrust = {
      ...(trustPolicy !== undefined && { trustPolicy }),
      ...(insecurePolicy !== undefined && { insecurePolicy }),
      ...(registriesDir !== undefined && { registriesDir }),
    };
    trustFor({ trust }, {});
    const addon = native();
    const host = hostFacts();
    const store = await Store.open({
      root,
      runroot,
      native: addon,
      ...(host.rootless ? { maps: host.rootless } : {}),
    });
    const context: Context = {
      root,
      runroot,
      native: addon,
      store,
      trust,
      host,
      cgroupsPrepared: false,
      owned: new Map(),
      specs: new Map(),
      execs: new Map(),
      seccomp: new Map(),
      filters: new WeakMap(),
      users: new Map(),
      trees: new Map(),
    };
    try {
      makeDirectory(stagingDirectory(context));
      makeDirectory(join(filesOf(context, '.').directory));
      makeDirectory(join(filesOf(context, '.').runDirectory));
      await recover(context);
    } catch (error) {
      await store.close();
      throw error;
    }
    return new Engine(context);
  }

  /** The directory that survives a reboot. */
  get root(): string {
    return this.#context.root;
  }

  /** The directory that does not. */
  get runroot(): string {
    return this.#context.runroot;
  }

  /**
   * Runs one command in a container of its own, collects what it writes, and removes the container. A status other than
   * zero is a result, not an error. No log is kept.
   * @param image - a name, an id, an {@link Image}; null with the option `rootfs`
   * @param argv - the command; empty for the image's own
   * @throws as {@link Containers.create} and {@link Container.start}; the reason of `signal`
   */
  async run(
    image: string | Image | null,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<CommandResult> {
    const { pull, pullOptions, ...others } = options;
    const [how, container] = splitOptions<CollectOptions, ContainerOptions>('collect', others);
    checkOptions('collect', how);
    how.signal?.throwIfAborted();
    const chosen =
      image === null ? undefined : await this.images.choose(image, pull ?? 'missing', pullOptions);
    return jobs.runOnce(
      this.#context,
      chosen,
      { ...container, ...(argv.length > 0 ? { command: argv } : {}) },
      how,
    );
  }

  /**
   * Its images for the jobs that take names with transports: with this as their `store`, `vaina:NAME` means an image of
   * this engine.
   */
  get imageStore(): ImageStoreTransport {
    return jobs.imageTransport(this.#context);
  }

  /**
   * Copies an image from one place to another: `copyImage` of `vaina/transports`, with `vaina:NAME` for an image of this engine, and with its trust
   * policy unless the options say another. Podman's store is only read.
   * @throws as `copyImage` of `vaina/transports`
   */
  async copy(source: string, destination: string, options: CopyImageOptions = {}): Promise<CopyResult> {
    const { policy, insecurePolicy, registriesDir } = options;
    const trust = trustFor(this.#context, {
      ...(policy !== undefined && { trustPolicy: policy }),
      ...(insecurePolicy !== undefined && { insecurePolicy }),
      ...(registriesDir !== undefined && { registriesDir }),
    });
    return jobs.copyImage(source, destination, { ...options, ...trust, store: this.imageStore });
  }

  /** The host, the store, and the version of the engine. */
  async info(): Promise<EngineInfo> {
    return jobs.engineInfo(this.#context);
  }

  /** Looks at all that the engine needs of the host, and says what would mend what is missing. Changes nothing. */
  async doctor(): Promise<DoctorReport> {
    return jobs.doctor(this.#context);
  }

  /**
   * A registry over this store, by the OCI distribution-spec 1.1: a handler for any `node:http` server. It is closed
   * with the engine.
   * @throws ERR_INVALID_OPTION, ERR_CLOSED
   */
  registry(options: RegistryServerOptions = {}): RegistryServer {
    const { store } = this.#context;
    if (store.closed) throw new VainaError('ERR_CLOSED', 'the engine was closed');
    const registry: RegistryServer = new jobs.registry.RegistryServer(store, options, () =>
      this.#registries.delete(registry),
    );
    this.#registries.add(registry);
    return registry;
  }

  /** What images and containers take on disk. */
  async df(): Promise<DiskUsage> {
    return jobs.diskUsage(this.#context);
  }

  /**
   * Looks at all of the store and tells what is wrong with it: the catalogue, every image's documents, every blob by its
   * digest, every unpacked layer, the OCI layout, what containers need, and files that nothing refers to. Changes nothing;
   * others may use the store meanwhile.
   * @returns what is wrong; nothing where all is well
   * @throws ERR_INVALID_OPTION; the reason of `signal`
   */
  async check(options: CheckOptions = {}): Promise<Problem[]> {
    checkOptions('check', options);
    return jobs.checkEngine(this.#context, options);
  }

  /**
   * Mends what {@link Engine.check} finds: what is damaged is moved to `quarantine` below the root, documents are written
   * from the catalogue or taken from blobs, layers are unpacked again, blobs are fetched again from the registry that a
   * name of their image is of, strays are removed, `index.json` is written anew. What cannot be mended stays, or goes with
   * `force`: images with their containers.
   * @throws ERR_INVALID_OPTION, ERR_NO_SPACE; the reason of `signal`
   */
  async repair(options: EngineRepairOptions = {}): Promise<RepairReport> {
    const { fetch: _fetch, ...checked } = options;
    checkOptions('repair', checked);
    return jobs.repairEngine(this.#context, options);
  }

  /** Ends the containers that this engine started, but for detached ones, and closes the store. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#registries].map((registry) => registry.close()));
    await closeContainers(this.#context);
    await this.#context.store.close();
  }

  /** As {@link Engine.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function locations(options: EngineOptions): { root: string; runroot: string } {
  checkOptions('engine', options);
  const uid = process.getuid?.() ?? 0;
  const data = process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share');
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `vaina-run-${uid}`);
  const root = options.root ?? (uid === 0 ? '/var/lib/vaina' : join(data, 'vaina'));
  const runroot = options.runroot ?? (uid === 0 ? '/run/vaina' : join(runtime, 'vaina'));
  for (const path of [root, runroot]) {
    if (!isAbsolute(path))
      throw new VainaError('ERR_INVALID_OPTION', `${path} is not an absolute path`, { path });
  }
  return { root, runroot };
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
