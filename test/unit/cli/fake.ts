import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VainaError } from '../../../lib/errors.js';
import type { Host, StoreOptions } from '../../../lib/cli/host.js';
import type {
  ContainerSummary,
  DiskUsage,
  HistoryRow,
  ImageSummary,
  Problem,
  PullOptions,
  StartOptions,
} from '../../../lib/index.js';
import type { SearchResult } from '../../../lib/registry/index.js';
import type { CopyCommonOptions, SyncEvent, SyncOptions } from '../../../lib/transports/index.js';
import type {
  Library,
  LibraryContainer,
  LibraryImage,
  LibraryImages,
  LibraryJobs,
  LibraryList,
  LibraryRegistries,
  LogRow,
} from '../../../lib/cli/library.js';
import { main } from '../../../lib/cli/program.js';
import { containerRow, FakeProcess, imageRow, NOW } from './fake-parts.js';

export * from './fake-parts.js';

/** The command line only hands it on. */
const never = (): never => {
  throw new Error('the store of a fake is called');
};

const STAGES = ['signatures', 'manifest', 'stored'] as const;

/** A world for the command line: a library that records its calls, and a terminal that is none. */
export class World {
  readonly calls: unknown[][] = [];
  out = '';
  err = '';
  env: Record<string, string> = {};
  containers: ContainerSummary[] = [];
  images: ImageSummary[] = [];
  /** Of the manifest list `list`. */
  listNames = ['localhost/list:latest'];
  logs: LogRow[] = [];
  /** User by registry. */
  loggedIn: Record<string, string> = {};
  loginIsValid = false;
  configured: string[] = [];
  found: SearchResult[] = [];
  searchFailures: [string, Error][] = [];
  steps: HistoryRow[] = [];
  damage: Problem[] = [];
  usage: DiskUsage = { images: [], containers: [], imagesSize: 0, imagesReclaimable: 0 };
  terminals = new Set<number>();
  size: { rows: number; columns: number } | undefined;
  input: Readable = Readable.from([]);
  opened: StoreOptions | undefined;
  closed = 0;
  raw: boolean[] = [];
  readonly signals = new EventEmitter();
  /** What each started process does, at once or later. */
  process: (child: FakeProcess) => void = (child) => child.end({ exitCode: 0, signal: null });
  /** What the jobs that need no engine give. */
  told: Record<string, unknown> = {};
  /** What a sync reports. */
  synced: SyncEvent[] = [];
  /** Errors to throw, by call: `container.stop`. */
  failures: Record<string, Error> = {};
  inspected: Record<string, object> = {};

  async run(...argv: string[]): Promise<number> {
    return main(argv, this.host());
  }

  /** Calls of the library with this name, without it. */
  called(name: string): unknown[][] {
    return this.calls.filter(([called]) => called === name).map((call) => call.slice(1));
  }

  host(): Host {
    return {
      env: this.env,
      now: () => NOW,
      open: async (options) => {
        this.opened = options;
        return this.#library();
      },
      jobs: this.#jobs(),
      write: (fd, data) => {
        const text = Buffer.from(data as Uint8Array).toString();
        if (fd === 1) this.out += text;
        else this.err += text;
      },
      isTerminal: (fd) => this.terminals.has(fd),
      stdin: () => this.input,
      setRaw: (on) => void this.raw.push(on),
      size: () => this.size,
      onResize: (listener) => this.#listen('resize', listener),
      onSignal: (signal, listener) => this.#listen(signal, listener),
    };
  }

  #listen(event: string, listener: () => void): () => void {
    this.signals.on(event, listener);
    return () => void this.signals.off(event, listener);
  }

  #record(name: string, ...args: unknown[]): void {
    this.calls.push([name, ...args.map(withoutFunctions)]);
    const failure = this.failures[name] ?? this.failures[`${name} ${String(args[0])}`];
    if (failure) throw failure;
  }

  #jobs(): LibraryJobs {
    const job =
      (name: string) =>
      async (...args: unknown[]): Promise<never> => {
        this.#record(name, ...args);
        const options = args.at(-1) as CopyCommonOptions & SyncOptions;
        if (name === 'copyImage') for (const stage of STAGES) options.onStage?.(stage);
        if (name === 'syncImages') for (const event of this.synced) options.onImage?.(event);
        return this.told[name] as never;
      };
    return {
      registries: this.#registries(),
      transports: {
        copyImage: job('copyImage'),
        inspectImage: job('inspectImage'),
        listTags: job('listTags'),
        deleteImage: job('deleteImage'),
        syncImages: job('syncImages'),
        manifestDigest: (manifest) => `sha256:${manifest.length}`,
        signImage: job('signImage'),
      },
      signatures: {
        standaloneSign: job('standaloneSign'),
        standaloneVerify: job('standaloneVerify'),
        generateSigstoreKey: job('generateSigstoreKey'),
        showTrust: job('showTrust'),
        setTrust: job('setTrust'),
      },
    };
  }

  #registries(): LibraryRegistries {
    return {
      login: async (registry, options) => {
        this.#record('login', registry, options);
        return { key: registry, store: '/run/auth.json' };
      },
      logout: async (registry, options) => this.#record('logout', registry, options),
      logoutAll: async (options) => this.#record('logoutAll', options),
      getLogin: async (registry, options) => {
        this.#record('getLogin', registry, options);
        return this.loggedIn[registry];
      },
      verifyLogin: async (registry, options) => {
        this.#record('verifyLogin', registry, options);
        return this.loginIsValid;
      },
      search: async (term, options) => {
        this.#record('search', term, options);
        for (const [registry, error] of this.searchFailures) options?.onFailure?.(registry, error);
        return this.found;
      },
      searchRegistries: async () => this.configured,
    };
  }

  #library(): Library {
    return {
      imageStore: { source: never, sink: never, remove: never },
      info: async () => ({
        host: { os: 'linux', cgroupVersion: 'v2', cpus: 2 },
        version: { Version: '0.1.0' },
      }),
      df: async () => this.usage,
      check: async (options) => {
        this.#record('check', options);
        return this.damage;
      },
      repair: async (options) => {
        this.#record('repair', options);
        return {
          ...{ found: this.damage, removedImages: ['f'.repeat(64)], left: [] },
          ...{ removedLists: ['e'.repeat(64)], removedContainers: ['d'.repeat(64)] },
        };
      },
      close: async () => void this.closed++,
      containers: {
        create: async (image, options) => {
          this.#record('containers.create', image, options);
          return this.#container(containerRow({ name: options?.name ?? 'made' }));
        },
        get: async (name) => this.#container(this.#findContainer(name)),
        exists: async (name) => this.containers.some((row) => row.name === name || row.id.startsWith(name)),
        list: async (filter) => {
          this.#record('containers.list', filter);
          return this.containers.filter((row) => filter?.all || row.status === 'running');
        },
      },
      manifests: {
        create: async (name, images, options) => {
          this.#record('manifests.create', name, images, options);
          return this.#list();
        },
        get: async (name) => {
          this.#record('manifests.get', name);
          return this.#list();
        },
        exists: async (name) => name === 'list',
      },
      images: {
        pull: (async (reference: string, options?: PullOptions & { allTags?: true }) => {
          this.#record('images.pull', reference, options);
          options?.onTry?.(reference);
          const image = this.#image(imageRow({ id: 'a1'.repeat(32), names: [reference] }));
          return options?.allTags ? [image, this.#image(imageRow({ id: 'b1'.repeat(32) }))] : image;
        }) as LibraryImages['pull'],
        push: async (image, destination, options) => {
          this.#record('images.push', image, destination, options);
          return { digest: `sha256:${'d'.repeat(64)}` };
        },
        save: async (images, target, options) => {
          const path = typeof target === 'string' ? target : 'a stream';
          this.#record('images.save', images, path, options);
          options?.onWarning?.('signatures are left behind');
          if (typeof target !== 'string') await pipeline(Readable.from(['archive']), target);
        },
        load: async (source, options) => {
          this.#record('images.load', source, options);
          return this.images.map((row) => this.#image(row));
        },
        scp: async (source, destination, options) => {
          this.#record('images.scp', source, destination, options);
          options?.onWarning?.('signatures are left behind');
          return ['localhost/app:1'];
        },
        import: async (source, options) => {
          this.#record('images.import', source, options);
          return this.#image(imageRow({ id: 'a2'.repeat(32) }));
        },
        get: async (name) => this.#image(this.#findImage(name)),
        exists: async (name) => this.images.some((row) => row.names.includes(name)),
        list: async (filter) => {
          this.#record('images.list', filter);
          return this.images;
        },
        prune: async (options) => {
          this.#record('images.prune', options);
          return [{ id: 'a3'.repeat(32), names: [], size: 1 }];
        },
        mounted: async () => [{ id: 'a3'.repeat(32), names: ['localhost/m:1'], path: '/m', count: 1 }],
      },
    };
  }

  #findContainer(name: string): ContainerSummary {
    const found = this.containers.find((row) => row.name === name || row.id.startsWith(name));
    if (!found) throw new VainaError('ERR_NO_SUCH_CONTAINER', `no container is named ${name}`);
    return found;
  }

  #findImage(name: string): ImageSummary {
    const found = this.images.find((row) => row.names.includes(name) || row.id.startsWith(name));
    if (!found) throw new VainaError('ERR_NO_SUCH_IMAGE', `no image is named ${name}`);
    return found;
  }

  #started(options?: StartOptions): FakeProcess {
    const child = new FakeProcess(this.calls, options);
    this.process(child);
    return child;
  }

  #container(row: ContainerSummary): LibraryContainer {
    const record = (name: string, ...args: unknown[]): void =>
      this.#record(`container.${name}`, row.name, ...args);
    const logs = this.logs;
    return {
      id: row.id,
      name: row.name,
      start: async (options) => {
        record('start', options);
        return this.#started(options);
      },
      attach: async (options) => {
        record('attach', options);
        return this.#started(options);
      },
      wait: async () => {
        record('wait');
        return { exitCode: row.exitCode ?? 0, signal: null };
      },
      execStart: async (argv, options) => {
        record('execStart', argv, options);
        return this.#started(options);
      },
      async *logs(options) {
        record('logs', options);
        yield* logs;
      },
      stop: async (options) => record('stop', options),
      kill: async (signal) => record('kill', signal),
      remove: async (options) => record('remove', options),
      inspect: async () => this.inspected[row.name] ?? { Id: row.id, Name: row.name },
    };
  }

  #list(): LibraryList {
    return {
      id: 'e'.repeat(64),
      names: this.listNames,
      add: async (image, options) => {
        this.#record('list.add', image, options);
        return [];
      },
      remove: async (digest) => this.#record('list.remove', digest),
      annotate: async (digest, options) => this.#record('list.annotate', digest, options),
      inspect: async () => ({ schemaVersion: 2 }),
      push: async (destination, options) => {
        this.#record('list.push', destination, options);
        return { digest: `sha256:${'d'.repeat(64)}` };
      },
      tag: async (name) => this.#record('list.tag', name),
      untag: async (name) => {
        this.#record('list.untag', name);
        this.listNames = this.listNames.filter((known) => known !== name);
      },
      delete: async () => {
        this.#record('list.delete');
        return { untagged: ['localhost/list:latest'], deleted: ['e'.repeat(64)] };
      },
    };
  }

  #image(row: ImageSummary): LibraryImage {
    const record = (name: string, ...args: unknown[]): void => this.#record(`image.${name}`, row.id, ...args);
    return {
      id: row.id,
      digest: row.digest,
      names: row.names,
      inspect: async () => this.inspected[row.id] ?? { Id: row.id, RepoTags: row.names },
      tag: async (name) => record('tag', name),
      untag: async (name) => {
        record('untag', name);
        row.names = row.names.filter((known) => known !== name);
      },
      history: async () => this.steps,
      tree: async (options) => {
        record('tree', options);
        return {
          ...{ id: row.id, names: row.names, size: row.size },
          layers: [
            { id: 'b'.repeat(64), size: 10_240, topOf: [] },
            { id: 'c'.repeat(64), size: 5_000_000, topOf: row.names },
          ],
        };
      },
      diff: async (base) => {
        record('diff', base);
        return [
          { kind: 'C', path: Buffer.from('etc') },
          { kind: 'A', path: Buffer.from('etc/a') },
          { kind: 'D', path: Buffer.from('b') },
        ];
      },
      mount: async () => {
        record('mount');
        return '/store/mounts/1';
      },
      unmount: async (options) => {
        record('unmount', options);
        return true;
      },
      remove: async (options) => {
        record('remove', options);
        this.images = this.images.filter((other) => other !== row);
        return { untagged: [...row.names], deleted: [row.id] };
      },
    };
  }
}

/** Callbacks and signals are there in each call: what they do has its own tests. */
function withoutFunctions(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value.constructor !== Object) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => typeof item !== 'function' && key !== 'signal')
      .map(([key, item]) => [key, withoutFunctions(item)]),
  );
}
