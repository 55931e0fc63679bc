import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import { NEW_PIPE, NULL_DEVICE } from '../native/control.js';
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

const NOTHING = Buffer.alloc(0);

/** Our ends of the pipes of a process. */
export class PipeEnds {
  readonly #native: Native;
  readonly #fds: number[];
  #streams: (Socket | null)[] = [];

  /** @param fds - for stdin, stdout and stderr; -1 where there is no pipe */
  constructor(native: Native, fds: readonly [number, number, number]) {
    this.#native = native;
    this.#fds = [...fds];
  }

  /** Makes streams of them. Best when the monitor is at work already: it takes Node a moment. */
  connect(): Streams {
    this.#streams = this.#fds
      .splice(0)
      .map((fd, index) => (fd < 0 ? null : new Socket({ fd, readable: index !== 0, writable: index === 0 })));
    const [stdin = null, stdout = null, stderr = null] = this.#streams;
    return { stdin, stdout, stderr };
  }

  /**
   * All that a process without stdin has written, when it has ended: that spares the streams. Undefined, and nothing is taken,
   * when somebody else may still write there.
   */
  take(): [Buffer, Buffer] | undefined {
    const [, stdout = -1, stderr = -1] = this.#fds;
    const output = this.#native.takeClosedPipes([stdout, stderr]);
    if (!output) return undefined;
    this.#fds.length = 0;
    return [output[0] ?? NOTHING, output[1] ?? NOTHING];
  }

  /** Gives everything up. */
  destroy(): void {
    for (const stream of this.#streams) stream?.destroy();
    for (const fd of this.#fds.splice(0)) if (fd >= 0) this.#native.close(fd);
  }
}

/** Pipes for standard streams, on their way to a process. */
export interface OpenStdio {
  /** What the monitor gets; -1 for /dev/null. */
  theirs: [number, number, number];
  ours: PipeEnds;
  /** Closes the monitor's ends here, once they have been handed over. */
  handedOver(): void;
  /** Gives everything up. */
  destroy(): void;
}

/** Opens pipes for the streams that ask for one. */
export function openStdio(native: Native, triple: StdioTriple): OpenStdio {
  const theirs = stdioNumbers(triple);
  const ours: [number, number, number] = [-1, -1, -1];
  const toClose: number[] = [];
  const ends = native.pipes(triple.filter((wish) => wish === 'pipe').length);
  triple.forEach((wish, index) => {
    if (wish !== 'pipe') return;
    const [read = -1, write = -1] = ends.splice(0, 2);
    [ours[index], theirs[index]] = index === 0 ? [write, read] : [read, write];
    toClose.push(theirs[index]);
  });
  const pipes = new PipeEnds(native, ours);
  const handedOver = (): void => toClose.splice(0).forEach((fd) => native.close(fd));
  return {
    theirs,
    ours: pipes,
    handedOver,
    destroy: () => {
      handedOver();
      pipes.destroy();
    },
  };
}

/**
 * As the monitor's channel takes them.
 * @throws ERR_INVALID_OPTION for what is no descriptor
 */
export function stdioNumbers(triple: StdioTriple): [number, number, number] {
  const [stdin, stdout, stderr] = triple;
  return [stdioNumber(stdin), stdioNumber(stdout), stdioNumber(stderr)];
}

function stdioNumber(wish: Stdio): number {
  if (wish === 'ignore') return NULL_DEVICE;
  if (wish === 'pipe') return NEW_PIPE;
  if (Number.isInteger(wish) && wish >= 0) return wish;
  throw new VainaError('ERR_INVALID_OPTION', `Expected a descriptor for stdio but received ${wish}`);
}
