import type { Readable, Writable } from 'node:stream';
import type { ControlChannel } from '../native/control.js';
import { requireSignal } from './signals.js';
import type { ExitStatus } from './records.js';
import type { Streams } from './stdio.js';
import type { Timings } from './timings.js';

/** A running process of a container: its main one, or that of an exec. */
export class Process {
  /** Its process id on the host, for information: it may have ended already. */
  readonly pid: number;
  /** Its stdin, where `'pipe'` was asked for. */
  readonly stdin: Writable | null;
  /** Its stdout, where `'pipe'` was asked for; with a terminal, all of its output. */
  readonly stdout: Readable | null;
  /** Its stderr, where `'pipe'` was asked for. */
  readonly stderr: Readable | null;
  /** How long each stage of its start took; all zero for one that was only attached to. */
  readonly timings: Timings;
  readonly #channel: ControlChannel;
  readonly #target: number;
  readonly #ended: Promise<ExitStatus>;

  /** @internal */
  constructor(
    pid: number,
    streams: Streams,
    channel: ControlChannel,
    target: number,
    ended: Promise<ExitStatus>,
    timings: Timings,
  ) {
    this.pid = pid;
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.timings = timings;
    this.#channel = channel;
    this.#target = target;
    this.#ended = ended;
    // Whoever does not wait must not be punished with an unhandled rejection.
    ended.catch(() => undefined);
  }

  /** Settles when it has ended and all of its output has been handed on. */
  async wait(): Promise<ExitStatus> {
    // A detached container does not keep this program alive, but whoever waits for it does.
    this.#channel.ref();
    try {
      return await this.#ended;
    } finally {
      this.#channel.unref();
    }
  }

  /**
   * Sends a signal.
   * @param signal - name or number; default SIGTERM
   */
  async kill(signal: string | number = 'SIGTERM'): Promise<void> {
    await this.#channel.signal(this.#target, requireSignal(signal));
  }

  /** Sets the size of its terminal. */
  async resize(rows: number, columns: number): Promise<void> {
    await this.#channel.resize(this.#target, rows, columns);
  }
}
