import type { Readable, Writable } from 'node:stream';
import type { LibraryContainers } from './library-containers.js';
import type { LibraryImageStore, CopyJob } from './library-jobs.js';

export type * from './library-containers.js';
export type * from './library-jobs.js';

/**
 * The part of the library that the command line calls, as interfaces: {@link Engine} of the library fits them, and so
 * does a test's recording fake.
 */
export interface Library {
  readonly images: LibraryImages;
  readonly containers: LibraryContainers;
  /** Its images, for jobs that are given names starting with `vaina:`. */
  readonly imageStore: LibraryImageStore;
  readonly manifests: LibraryManifests;
  info(): Promise<object>;
  df(): Promise<Usage>;
  check(options?: CheckGiven): Promise<Damage[]>;
  repair(options?: CheckGiven & { force?: boolean }): Promise<Repaired>;
  close(): Promise<void>;
}

/** What an entry of a manifest list says of its image. */
export interface ListEntry {
  os?: string;
  arch?: string;
  variant?: string;
  osVersion?: string;
  osFeatures?: string[];
  features?: string[];
  annotations?: Record<string, string>;
}

export interface LibraryManifests {
  create(
    name: string,
    images?: readonly string[],
    options?: Access & { all?: boolean; amend?: boolean; annotations?: Record<string, string> },
  ): Promise<LibraryList>;
  get(nameOrId: string): Promise<LibraryList>;
  exists(nameOrId: string): Promise<boolean>;
}

export interface LibraryList {
  readonly id: string;
  readonly names: readonly string[];
  add(image: string, options?: ListEntry & Access & { all?: boolean }): Promise<string[]>;
  remove(digest: string): Promise<void>;
  annotate(digest: string | undefined, options: ListEntry): Promise<void>;
  inspect(): Promise<object>;
  push(destination: string | undefined, options: ListPush): Promise<{ digest: string }>;
  tag(name: string): Promise<void>;
  untag(name?: string): Promise<void>;
  delete(): Promise<{ untagged: string[]; deleted: string[] }>;
}

/** Options of the push of a manifest list. */
export interface ListPush extends Omit<CopyJob, 'store' | 'source' | 'platform' | 'multiArch' | 'onStage'> {
  all?: boolean;
}

/** How a store is looked at. */
export interface CheckGiven {
  quick?: boolean;
  maxAge?: number;
  signal?: AbortSignal;
}

/** One thing that is wrong with a store. */
export interface Damage {
  kind: string;
  id: string;
  what: string;
  imageIds: readonly string[];
}

/** What a repair did. */
export interface Repaired {
  found: readonly Damage[];
  removedImages: readonly string[];
  removedContainers: readonly string[];
  left: readonly Damage[];
}

/** What a store takes. */
export interface Usage {
  images: readonly {
    id: string;
    names: readonly string[];
    created: Date;
    size: number;
    sharedSize: number;
    uniqueSize: number;
    containers: number;
  }[];
  containers: readonly {
    id: string;
    name: string;
    imageId?: string;
    command: readonly string[];
    created: Date;
    status: string;
    size: number;
  }[];
  imagesSize: number;
  imagesReclaimable: number;
}

/** How far a transfer is. */
export interface Progress {
  phase: 'download' | 'unpack' | 'done' | 'exists';
  id: string;
  current: number;
  total: number;
}

/** Options of all that copies images. */
export interface Transfer {
  signal?: AbortSignal;
  onProgress?: (event: Progress) => void;
}

/** How a registry is reached. */
export interface Access {
  tlsVerify?: boolean;
  creds?: { username: string; password: string };
  authFile?: string;
  certDir?: string;
  retry?: number;
  retryDelay?: number;
}

/** Options of what pulls. */
export interface Pull extends Transfer, Access {
  platform?: string;
  trustPolicy?: string;
  chooseShortName?: (candidates: readonly string[]) => string | Promise<string>;
  onTry?: (reference: string, why?: string) => void;
}

/** Options of `pull`. */
export interface PullOne extends Pull {
  policy?: PullPolicy;
}

/** Options of `push`. */
export interface Push extends Transfer {
  all?: boolean;
  format?: 'oci' | 'v2s2';
  compression?: { format: 'gzip' | 'zstd'; level?: number; force?: boolean };
  removeSignatures?: boolean;
  signBy?: string;
  signBySigstorePrivateKey?: string;
  signPassphrase?: string;
  tlsVerify?: boolean;
  creds?: { username: string; password: string };
  authFile?: string;
  certDir?: string;
  retry?: number;
  retryDelay?: number;
}

/** Options of `load`. */
export interface Load extends Transfer {
  trustPolicy?: string;
}

/** The formats of `save`. */
export type SaveFormat = 'docker-archive' | 'oci-archive' | 'oci-dir' | 'docker-dir';

/** Options of `save`. */
export interface Save extends Transfer {
  format?: SaveFormat;
  compress?: boolean;
  uncompressed?: boolean;
  additionalTags?: string[];
}

/** What the library can do of registries without a store. */
export interface LibraryRegistries {
  login(registry: string, options: Login): Promise<{ key: string; store: string }>;
  logout(registry: string, options?: AuthFiles): Promise<void>;
  logoutAll(options?: AuthFiles): Promise<void>;
  getLogin(registry: string, options?: AuthFiles): Promise<string | undefined>;
  /** Whether the registry takes what is kept for it. */
  verifyLogin(registry: string, options?: Omit<Login, 'username' | 'password'>): Promise<boolean>;
  search(term: string, options?: Search): Promise<SearchRow[]>;
  /** Those that complete a name without one, as they are configured; none where nothing is. */
  searchRegistries(): Promise<readonly string[]>;
}

/** Which file of credentials is meant. */
export interface AuthFiles {
  authFile?: string;
  compatAuthFile?: string;
}

/** Options of `login`. */
export interface Login extends AuthFiles {
  username: string;
  password: string;
  tlsVerify?: boolean;
  certDir?: string;
  signal?: AbortSignal;
}

/** Filters of `search`; all must match. */
export interface SearchFilters {
  stars?: number;
  isOfficial?: boolean;
  isAutomated?: boolean;
}

/** Options of `search`. */
export interface Search {
  limit?: number;
  listTags?: boolean;
  filter?: SearchFilters;
  tlsVerify?: boolean;
  authFile?: string;
  certDir?: string;
  signal?: AbortSignal;
  onFailure?: (registry: string, error: unknown) => void;
}

/** One image that a registry knows. */
export interface SearchRow {
  index: string;
  name: string;
  description: string;
  stars: number;
  official: boolean;
  automated: boolean;
  tag?: string;
}

/** Options of `import`. */
export interface Import extends Transfer {
  reference?: string;
  changes?: string[];
  message?: string;
  os?: string;
  arch?: string;
  variant?: string;
}

export interface LibraryImages {
  pull(reference: string, options: PullOne & { allTags: true }): Promise<LibraryImage[]>;
  pull(reference: string, options?: PullOne): Promise<LibraryImage>;
  push(image: string, destination?: string, options?: Push): Promise<{ digest: string }>;
  save(images: readonly string[], target: string | Writable, options?: Save): Promise<void>;
  load(source: string | Readable, options?: Load): Promise<LibraryImage[]>;
  import(source: string | Readable, options?: Import): Promise<LibraryImage>;
  scp(
    source: string,
    destination?: string,
    options?: Transfer & { engine?: 'vaina' | 'podman' },
  ): Promise<string[]>;
  get(nameOrId: string): Promise<LibraryImage>;
  list(filter?: ImageFilters): Promise<ImageRow[]>;
  exists(nameOrId: string): Promise<boolean>;
  prune(options?: { all?: boolean; filters?: PruneFilters }): Promise<{ id: string; size: number }[]>;
  mounted(): Promise<Mounted[]>;
}

/** Which images `image prune` takes. */
export interface PruneFilters {
  until?: Date;
  label?: string[];
  labelNot?: string[];
  dangling?: boolean;
}

/** A mounted image. */
export interface Mounted {
  id: string;
  names: readonly string[];
  path: string;
}

/** Filters of `images`; several values of one key mean any, of several keys all; every label must match. */
export interface ImageFilters {
  all?: boolean;
  reference?: string[];
  label?: string[];
  before?: string;
  since?: string;
  dangling?: boolean;
  id?: string[];
  digest?: string[];
  until?: Date;
  containers?: boolean;
  intermediate?: boolean;
  manifest?: boolean;
  readonly?: boolean;
}

export interface LibraryImage {
  readonly id: string;
  readonly digest: string;
  readonly names: readonly string[];
  inspect(): Promise<object>;
  tag(name: string): Promise<void>;
  untag(name?: string): Promise<void>;
  history(): Promise<HistoryStep[]>;
  tree(options?: { whatRequires?: boolean }): Promise<Tree>;
  diff(base?: string): Promise<{ kind: 'A' | 'C' | 'D'; path: Uint8Array }[]>;
  mount(): Promise<string>;
  unmount(options?: { force?: boolean }): Promise<boolean>;
  remove(options?: { force?: boolean }): Promise<{ untagged: string[]; deleted: string[] }>;
}

/** One step of how an image came to be. */
export interface HistoryStep {
  id: string;
  created: Date;
  createdBy: string;
  size: number;
  comment: string;
  tags: readonly string[];
}

/** The layers of an image. */
export interface Tree {
  id: string;
  names: readonly string[];
  size: number;
  layers: readonly { id: string; size: number; topOf: readonly string[] }[];
}

/** What a list of images knows of one. */
export interface ImageRow {
  id: string;
  names: readonly string[];
  digest: string;
  created: Date;
  size: number;
  labels: Readonly<Record<string, string>>;
  containers: number;
  dangling: boolean;
  manifestList?: boolean;
}

/** When an image is pulled. */
export type PullPolicy = 'missing' | 'always' | 'never' | 'newer';
