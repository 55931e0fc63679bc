import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isatty, type WriteStream } from 'node:tty';
import type { Library, LibraryJobs } from './library.js';

/** Where the store is. */
export interface StoreOptions {
  root?: string;
  runroot?: string;
}

/** Rows and columns of a terminal. */
export interface Size {
  rows: number;
  columns: number;
}

/** All that the command line has of the world, so that a test can be the world. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): Date;
  /** Opens the engine; called once at most. */
  open(options: StoreOptions): Promise<Library>;
  /** What the library does without an engine. */
  readonly jobs: LibraryJobs;
  /** Writes all of it, and only then returns. */
  write(fd: 1 | 2, data: string | Uint8Array): void;
  isTerminal(fd: 0 | 1 | 2): boolean;
  /** Standard input as a stream. Once this was called, the descriptor must not be handed to another process. */
  stdin(): Readable;
  /** Turns raw mode of the terminal on stdin on or off. */
  setRaw(on: boolean): void;
  /** Size of the terminal, if there is one. */
  size(): Size | undefined;
  onResize(listener: () => void): () => void;
  /** Calls the listener at each signal, until the returned function is called. */
  onSignal(signal: NodeJS.Signals, listener: () => void): () => void;
}

/** The process's own world. */
export function processHost(): Host {
  return {
    env: process.env,
    now: () => new Date(),
    open,
    jobs: JOBS,
    write,
    isTerminal: (fd) => isatty(fd),
    stdin: () => process.stdin,
    setRaw,
    size() {
      const terminal = outputTerminal();
      return terminal && { rows: terminal.rows, columns: terminal.columns };
    },
    onResize(listener) {
      const terminal = outputTerminal();
      terminal?.on('resize', listener);
      return () => void terminal?.off('resize', listener);
    },
    onSignal(signal, listener) {
      process.on(signal, listener);
      return () => void process.off(signal, listener);
    },
  };
}

async function open(options: StoreOptions): Promise<Library> {
  return library().Engine.open(options);
}

// Only what needs a part of the library pays for loading it: --help needs none.
/* eslint-disable @typescript-eslint/no-require-imports */
function library(): typeof import('../index.js') {
  return require('../index.js') as typeof import('../index.js');
}

const JOBS: LibraryJobs = {
  get registries() {
    return require('../registry/index.js') as typeof import('../registry/index.js');
  },
  get transports() {
    return require('../transports/index.js') as typeof import('../transports/index.js');
  },
  get signatures() {
    return require('../signature/index.js') as typeof import('../signature/index.js');
  },
};
/* eslint-enable @typescript-eslint/no-require-imports */

function setRaw(on: boolean): void {
  if (!process.stdin.isTTY) return;
  process.stdin.setRawMode(on);
  // Node.js leaves the terminal adding a carriage return to each line; the container's terminal has added one already.
  if (on) spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}

function outputTerminal(): WriteStream | undefined {
  // process.stdout sets O_NONBLOCK on a pipe, which the container's monitor may share: touch it only on a terminal.
  if (isatty(1)) return process.stdout;
  return isatty(2) ? process.stderr : undefined;
}

function write(fd: 1 | 2, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      // Somebody who shares the descriptor made it non-blocking.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
