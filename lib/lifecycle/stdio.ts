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

/** The two ends of three standard streams. */
export interface OpenStdio {
  /** What the monitor gets; -1 for /dev/null. */
  theirs: [number, number, number];
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
  /** Closes the monitor's ends here, once they have been handed over (or will not be). */
  handedOver(): void;
  /** Gives everything up. */
  destroy(): void;
}

/** Opens pipes for the streams that ask for one. */
export function openStdio(native: Native, triple: StdioTriple): OpenStdio {
  const theirs: [number, number, number] = [-1, -1, -1];
  const toClose: number[] = [];
  const streams: (Socket | null)[] = [null, null, null];
  try {
    triple.forEach((wish, index) => {
      if (wish === 'ignore') return;
      if (typeof wish === 'number') {
        if (!Number.isInteger(wish) || wish < 0) throw badDescriptor(wish);
        theirs[index] = wish;
        return;
      }
      const [read, write] = native.pipe();
      const [ours, other] = index === 0 ? [write, read] : [read, write];
      theirs[index] = other;
      toClose.push(other);
      streams[index] = new Socket({ fd: ours, readable: index !== 0, writable: index === 0 });
    });
  } catch (error) {
    close();
    streams.forEach((stream) => stream?.destroy());
    throw error;
  }
  function close(): void {
    for (const fd of toClose.splice(0)) native.close(fd);
  }
  const [stdin, stdout, stderr] = streams;
  return {
    theirs,
    stdin: stdin ?? null,
    stdout: stdout ?? null,
    stderr: stderr ?? null,
    handedOver: close,
    destroy() {
      close();
      streams.forEach((stream) => stream?.destroy());
    },
  };
}

function badDescriptor(fd: number): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `Expected a descriptor for stdio but received ${fd}`);
}
