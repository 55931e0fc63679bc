import type { Readable, Writable } from 'node:stream';
import type { ContainerOptions, ExecOptions, Stdio } from '../index.js';
import type { Pull, PullPolicy } from './library.js';

/** Options of `run` and `create`. */
export interface Create extends ContainerOptions {
  pull?: PullPolicy;
  pullOptions?: Pull;
}

export interface LibraryContainers {
  create(image: string | null, options?: Create): Promise<LibraryContainer>;
  get(idOrName: string): Promise<LibraryContainer>;
  exists(idOrName: string): Promise<boolean>;
  list(filter?: ContainerFilters): Promise<ContainerRow[]>;
}

/** Filters of `ps`; several values of one key mean any, of several keys all; every label must match. */
export interface ContainerFilters {
  all?: boolean;
  id?: string[];
  name?: string[];
  label?: string[];
  status?: string[];
  exited?: number[];
  ancestor?: string[];
  before?: string[];
  since?: string[];
}

/** What a list of containers knows of one. */
export interface ContainerRow {
  id: string;
  name: string;
  image: string;
  imageId: string;
  command: readonly string[];
  created: Date;
  status: string;
  exitCode?: number;
  startedAt?: Date;
  finishedAt?: Date;
  pid: number;
  labels: Readonly<Record<string, string>>;
  autoRemove: boolean;
}

/** Where a process's standard streams go, and the size of its terminal. */
export interface Start {
  stdio?: readonly [Stdio, Stdio, Stdio];
  rows?: number;
  columns?: number;
}

/** How a process ended. */
export interface Ended {
  exitCode: number;
  signal: string | null;
  unknown?: true;
}

export interface LibraryProcess {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  wait(): Promise<Ended>;
  kill(signal: string | number): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
}

/** One entry of a log. */
export interface LogRow {
  time: Date;
  stream: 'stdout' | 'stderr';
  bytes: Uint8Array;
  partial: boolean;
}

export interface LibraryContainer {
  readonly id: string;
  readonly name: string;
  start(options?: Start): Promise<LibraryProcess>;
  attach(options?: Pick<Start, 'stdio'>): Promise<LibraryProcess>;
  wait(): Promise<Ended>;
  execStart(argv: readonly string[], options?: ExecOptions & Start): Promise<LibraryProcess>;
  logs(options?: {
    follow?: boolean;
    since?: Date;
    until?: Date;
    tail?: number;
    signal?: AbortSignal;
  }): AsyncIterable<LogRow>;
  stop(options?: { timeout?: number }): Promise<void>;
  kill(signal?: string | number): Promise<void>;
  remove(options?: { force?: boolean; timeout?: number }): Promise<void>;
  inspect(): Promise<object>;
}
