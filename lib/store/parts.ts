import type { Native } from '../native/types.js';
import type { Content } from './content.js';
import type { Database } from './database.js';
import type { Layers } from './layers.js';
import type { Lock } from './locks.js';
import type { StorePaths } from './paths.js';
import type { Session } from './session.js';
import type { StorageWorker } from './worker.js';

/** What the parts of a store need of each other. */
export interface StoreParts {
  readonly native: Native;
  readonly paths: StorePaths;
  readonly database: Database;
  readonly session: Session;
  readonly content: Content;
  readonly layers: Layers;
  /** Keeps garbage from being collected. */
  lockTransfers(signal?: AbortSignal): Promise<Lock>;
  /** Takes that lock exclusively, if that is possible at once: then nothing is on its way in or out. */
  tryStopTransfers(): Lock | undefined;
  /** Runs a function with a storage worker of its own. */
  withWorker<T>(work: (worker: StorageWorker) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Removes a tree of the session. */
  removeTemporary(directory: string): Promise<void>;
  /** Removes blobs and layers that nobody refers to, unless a transfer is on its way. */
  collectGarbage(): Promise<unknown>;
  /** Brings the OCI layout up to date. */
  writeLayout(): Promise<void>;
  /** A path as the storage worker wants it. */
  relative(path: string): string;
}
