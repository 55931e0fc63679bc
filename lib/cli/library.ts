import type { Readable } from 'node:stream';
import type {
  Container,
  Containers,
  CreateOptions,
  Engine,
  EngineRepairOptions,
  ExecStartOptions,
  ExitStatus,
  Image,
  Images,
  ImportOptions,
  ListPushOptions,
  LoadOptions,
  LogEntry,
  LogsOptions,
  ManifestList,
  Manifests,
  Process,
  PullOptions,
  PushOptions,
  RepairReport,
  StartOptions,
} from '../index.js';
import type * as registry from '../registry/index.js';
import type * as signature from '../signature/index.js';
import type * as transports from '../transports/index.js';

/**
 * The part of the library that the command line calls: {@link Engine} of the library fits it, and so does a test's
 * recording fake. Where a type is not the library's own, it asks for less.
 */
export interface Library extends Pick<Engine, 'imageStore' | 'df' | 'check' | 'close'> {
  readonly images: LibraryImages;
  readonly containers: LibraryContainers;
  readonly manifests: LibraryManifests;
  info(): Promise<object>;
  repair(
    options?: EngineRepairOptions,
  ): Promise<Pick<RepairReport, 'found' | 'removedImages' | 'removedLists' | 'removedContainers' | 'left'>>;
}

export interface LibraryImages extends Pick<
  Images,
  'save' | 'scp' | 'list' | 'exists' | 'prune' | 'mounted'
> {
  pull(reference: string, options: PullOptions & { allTags: true }): Promise<LibraryImage[]>;
  pull(reference: string, options?: PullOptions): Promise<LibraryImage>;
  push(image: string, destination?: string, options?: PushOptions): Promise<Pushed>;
  load(source: string | Readable, options?: LoadOptions): Promise<LibraryImage[]>;
  import(source: string | Readable, options?: ImportOptions): Promise<LibraryImage>;
  get(nameOrId: string): Promise<LibraryImage>;
}

export interface LibraryImage extends Pick<
  Image,
  'id' | 'digest' | 'names' | 'tag' | 'untag' | 'history' | 'tree' | 'diff' | 'mount' | 'unmount' | 'remove'
> {
  inspect(): Promise<object>;
}

export interface LibraryManifests extends Pick<Manifests, 'exists'> {
  create(...args: Parameters<Manifests['create']>): Promise<LibraryList>;
  get(nameOrId: string): Promise<LibraryList>;
}

export interface LibraryList extends Pick<
  ManifestList,
  'id' | 'names' | 'add' | 'remove' | 'annotate' | 'tag' | 'untag' | 'delete'
> {
  inspect(): Promise<object>;
  push(destination?: string, options?: ListPushOptions): Promise<Pushed>;
}

type Pushed = Pick<transports.CopyResult, 'digest'>;

export interface LibraryContainers extends Pick<Containers, 'exists' | 'list'> {
  create(image: string | null, options?: CreateOptions): Promise<LibraryContainer>;
  get(idOrName: string): Promise<LibraryContainer>;
}

export interface LibraryContainer extends Pick<Container, 'id' | 'name' | 'stop' | 'kill' | 'remove'> {
  start(options?: StartOptions): Promise<LibraryProcess>;
  attach(options?: Pick<StartOptions, 'stdio'>): Promise<LibraryProcess>;
  wait(): Promise<Ended>;
  execStart(argv: readonly string[], options?: ExecStartOptions): Promise<LibraryProcess>;
  logs(options?: LogsOptions): AsyncIterable<LogRow>;
  inspect(): Promise<object>;
}

export interface LibraryProcess extends Pick<
  Process,
  'pid' | 'stdin' | 'stdout' | 'stderr' | 'kill' | 'resize'
> {
  wait(): Promise<Ended>;
}

/** How a process ended. */
export type Ended = Pick<ExitStatus, 'exitCode' | 'signal' | 'unknown'>;

/** One entry of a log. */
export type LogRow = Pick<LogEntry, 'time' | 'stream' | 'bytes' | 'partial'>;

/** What the library does without an engine. Each part is loaded when it is used first. */
export interface LibraryJobs {
  readonly registries: LibraryRegistries;
  readonly transports: Pick<
    typeof transports,
    'copyImage' | 'inspectImage' | 'listTags' | 'deleteImage' | 'syncImages' | 'manifestDigest' | 'signImage'
  >;
  readonly signatures: Pick<
    typeof signature,
    'standaloneSign' | 'standaloneVerify' | 'generateSigstoreKey' | 'showTrust' | 'setTrust'
  >;
}

/** What it can do of registries. */
export type LibraryRegistries = Pick<
  typeof registry,
  'login' | 'logout' | 'logoutAll' | 'getLogin' | 'verifyLogin' | 'search' | 'searchRegistries'
>;
