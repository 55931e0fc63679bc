import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { Native } from '../native/types.js';

/** Where a standard stream goes: a descriptor of this process, a Node stream of the {@link Process}, or /dev/null. */
export type Stdio = number | 'pipe' | 'ignore';

/** stdin, stdout and stderr. */
export type StdioTriple = readonly [Stdio, Stdio, Stdio];

/** Nothing attached. */
export const IGNORE: StdioTriple = ['ignore', 'ignore', 'ignore'];
/** Streams for all three. */
export const PIPES: StdioTriple = ['pipe', 'pipe', 'pipe'];

/** Our ends of three standard streams. */
export interface Streams {
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
}

/** Pipes for standard streams, on their way to a process. */
export interface OpenStdio {
  /** What the monitor gets; -1 for /dev/null. */
  theirs: [number, number, number];
  /** Makes streams of our ends. Best when the monitor is at work already: it takes Node a moment. */
  connect(): Streams;
  /** Closes the monitor's ends here, once they have been handed over. */
  handedOver(): void;
  /** Gives everything up. */
  destroy(): void;
}

/** Opens pipes for the streams that ask for one. */
export function openStdio(native: Native, triple: StdioTriple): OpenStdio {
  const theirs: [number, number, number] = [-1, -1, -1];
  const ours: [number, number, number] = [-1, -1, -1];
  const toClose: number[] = [];
  let streams: Streams | undefined;
  const closeTheirs = (): void => {
    for (const fd of toClose.splice(0)) native.close(fd);
  };
  const destroy = (): void => {
    closeTheirs();
    if (streams) for (const stream of Object.values(streams) as (Socket | null)[]) stream?.destroy();
    else for (const fd of ours.splice(0)) if (fd >= 0) native.close(fd);
  };
  try {
    triple.forEach((wish, index) => {
      if (wish === 'ignore') return;
      if (typeof wish === 'number') {
        if (!Number.isInteger(wish) || wish < 0) throw badDescriptor(wish);
        theirs[index] = wish;
        return;
      }
      const [read, write] = native.pipe();
      [ours[index], theirs[index]] = index === 0 ? [write, read] : [read, write];
      toClose.push(theirs[index]);
    });
  } catch (error) {
    destroy();
    throw error;
  }
  return {
    theirs,
    connect() {
      const [stdin, stdout, stderr] = ours.map((fd, index) =>
        fd < 0 ? null : new Socket({ fd, readable: index !== 0, writable: index === 0 }),
      );
      return (streams = { stdin: stdin ?? null, stdout: stdout ?? null, stderr: stderr ?? null });
    },
    handedOver: closeTheirs,
    destroy,
  };
}

function badDescriptor(fd: number): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `Expected a descriptor for stdio but received ${fd}`);
}
