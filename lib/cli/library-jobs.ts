import type { ImageStoreTransport } from '../transports/index.js';
import type { LibraryRegistries, Progress } from './library.js';

/** How to reach a registry, a daemon or a layout. */
export interface End {
  credentials?: { username: string; password: string };
  anonymous?: boolean;
  registryToken?: string;
  authFile?: string;
  certDir?: string;
  tlsVerify?: boolean;
  tries?: number;
  retryDelay?: number;
  daemonHost?: string;
  sharedBlobDirectory?: string;
}

/** The images of an engine as jobs take them. */
export type LibraryImageStore = ImageStoreTransport;

/** Options of all jobs. */
export interface Job {
  store?: LibraryImageStore;
  tmpDir?: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Options of what copies by names with transports. */
export interface CopyJob extends Job {
  platform?: string;
  multiArch?: 'system' | 'all' | 'index-only';
  format?: 'oci' | 'v2s2';
  compression?: { format: 'gzip' | 'zstd'; level?: number; force?: boolean };
  decompress?: boolean;
  preserveDigests?: boolean;
  removeSignatures?: boolean;
  signBy?: string;
  signBySigstorePrivateKey?: string;
  signPassphrase?: string;
  signIdentity?: string;
  policy?: string;
  insecurePolicy?: boolean;
  registriesDir?: string;
  concurrency?: number;
  source?: End;
  destination?: End;
  onProgress?: (event: Progress) => void;
  onStage?: (stage: 'signatures' | 'manifest' | 'stored') => void;
}

/** Options of one copy. */
export interface CopyOneJob extends CopyJob {
  additionalTags?: string[];
  acceptUncompressedLayers?: boolean;
}

/** Options of a sync. */
export interface SyncJob extends CopyJob {
  scoped?: boolean;
  appendSuffix?: string;
  dryRun?: boolean;
  keepGoing?: boolean;
  onImage?: (event: SyncedOne) => void;
  onWarning?: (message: string) => void;
}

/** One image of a sync. */
export interface SyncedOne {
  phase: 'start' | 'done' | 'failed';
  source: string;
  destination: string;
  number: number;
  of: number;
  error?: unknown;
}

/** Options of an inspection by a name with a transport. */
export interface InspectJob extends Job, End {
  platform?: string;
  tags?: boolean;
  onWarning?: (message: string) => void;
}

/** What {@link LibraryJobs.syncImages} did. */
export interface Synced {
  sources: number;
  images: readonly { source: string; destination: string; copy?: { digest: string } }[];
  failed: readonly { source: string; destination: string; error: unknown }[];
}

/** Which files say what is trusted. */
export interface TrustFiles {
  policyPath?: string;
  registriesDir?: string;
}

/** What an image of a place must be like. */
export type TrustType = 'accept' | 'reject' | 'signedBy' | 'sigstoreSigned';

/** A trust policy. */
export interface Trust {
  path?: string;
  text: string;
  rows: readonly TrustRow[];
}

/** One requirement of it. */
export interface TrustRow {
  transport?: string;
  scope: string;
  type: string;
  keyIds: readonly string[];
  lookaside?: string;
}

/** What the library does without an engine. */
export interface LibraryJobs extends LibraryRegistries {
  copyImage(source: string, destination: string, options: CopyOneJob): Promise<{ digest: string }>;
  inspectImage(name: string, options: InspectJob & { raw: true; config: boolean }): Promise<Uint8Array>;
  inspectImage(name: string, options: InspectJob & { raw?: false; config: true }): Promise<object>;
  inspectImage(name: string, options: InspectJob & { raw?: false; config?: false }): Promise<object>;
  listTags(name: string, options: Job & End): Promise<{ repository?: string; tags: string[] }>;
  deleteImage(name: string, options: Job & End): Promise<void>;
  syncImages(
    from: { transport: 'docker' | 'dir' | 'yaml'; place: string },
    to: { transport: 'docker' | 'dir'; place: string },
    options: SyncJob,
  ): Promise<Synced>;
  manifestDigest(manifest: Uint8Array): string;
  standaloneSign(
    manifest: Uint8Array,
    reference: string,
    key: { fingerprint: string; passphrase?: string },
  ): Promise<{ kind: 'simple'; bytes: Uint8Array } | { kind: 'sigstore' }>;
  standaloneVerify(
    manifest: Uint8Array,
    reference: string,
    key: { fingerprints: readonly string[] | 'any'; publicKeys?: Uint8Array },
    signature: Uint8Array,
  ): Promise<{ digest: string; signer: string }>;
  generateSigstoreKey(passphrase?: string): Promise<{ privateKey: string; publicKey: string }>;
  signImage(
    name: string,
    options: Job & End & { signBy: string; all?: boolean; directory?: string; registriesDir?: string },
  ): Promise<{ digest: string; path: string }[]>;
  showTrust(options: TrustFiles & { onWarning?: (message: string) => void }): Promise<Trust>;
  setTrust(
    scope: string,
    options: Omit<TrustFiles, 'registriesDir'> & { type?: TrustType; publicKeyFiles?: readonly string[] },
  ): Promise<string>;
}
