import type { Flag } from './flags.js';
import type { Host, StoreOptions } from './host.js';
import type { Library, LibraryJobs } from './library.js';

/** What a verb is given. */
export interface Session {
  readonly host: Host;
  readonly store: StoreOptions;
  /** The command as it was called, e.g. `vaina container ls`. */
  readonly path: string;
  /** Opens the engine at the first call. */
  engine(): Promise<Library>;
  /** What the library does without an engine. */
  readonly jobs: LibraryJobs;
  /** Writes a line to stdout. */
  print(line: string): void;
  /** Writes text to stdout as it is. */
  out(text: string | Uint8Array): void;
  /** Writes text to stderr as it is. */
  err(text: string | Uint8Array): void;
  /** Reports what is no failure, but worth knowing. */
  readonly warn: (message: string) => void;
  /** Reports a failure of one of several objects; returns the exit code that it stands for. */
  complain(error: unknown): number;
  /** Runs work that SIGINT and SIGTERM abort. */
  abortable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

/** The flags as they were given: named as in help, in camel case. */
export type Given = Record<string, unknown>;

/** One command. */
export interface Verb<G extends object = Given> {
  /** What follows the flags: `CONTAINER [CONTAINER...]`. */
  usage: string;
  flags: readonly Flag[];
  /** Flags end at the first argument: what follows belongs to the container. */
  stopsAtArgument?: boolean;
  /** The exit code of a failure that has no other. Default 125, podman's. */
  failure?: number;
  /**
   * Does it.
   * @returns the exit code
   */
  run(session: Session, args: string[], given: G): Promise<number>;
}

/** Keeps the types of a verb's flags together. */
export function verb<G extends object>(definition: Verb<G>): Verb {
  return definition as unknown as Verb;
}
