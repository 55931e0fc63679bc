import { openSync } from 'node:fs';
import { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { VainaError } from '../errors.js';
import {
  encodeMessage,
  type ExitRecord,
  type Failed,
  type Message,
  MESSAGE,
  MessageParser,
  parseExitRecord,
  parseFailed,
  parseStarted,
  type Started,
} from './messages.js';
import type { Native } from './types.js';

export type { ExitRecord, Failed, Started } from './messages.js';

/** The three standard descriptors of a process; -1 is /dev/null. They stay the caller's. */
export type Stdio = readonly [stdin: number, stdout: number, stderr: number];

/** A process that runs a plan, from its start to its end. */
export interface Session {
  /** Settles when the process runs, or when a step of its plan failed. Rejects with `ERR_MONITOR_LOST`. */
  readonly started: Promise<Started | Failed>;
  /**
   * Settles when it has ended and all its output was delivered; never when it {@link Failed}, until the channel closes.
   * Rejects with `ERR_MONITOR_LOST` when the monitor ends or the channel is closed before.
   */
  readonly exited: Promise<ExitRecord>;
  /**
   * Called, of the container on the channel of {@link ControlChannel.launch}, when it has ended and the monitor begins to
   * clean up after it, which `exited` waits for.
   */
  onEnding: () => void;
}

/** A monitor that has been started and waits for its plan. */
export interface WaitingMonitor {
  /**
   * Gives it an encoded plan; as {@link ControlChannel.launch} from here on. Throws an Error with the code of the system call
   * that failed, EPIPE when it is gone; it is abandoned then.
   */
  give(plan: Uint8Array): { pid: number; channel: ControlChannel };
  /** Ends it; nothing of a plan was done. False, and nothing happens, once it has one, or when it was abandoned. */
  abandon(): boolean;
}

const ALL_ONES = 0xffffffff;
const RETRY_MS = 2;
const RETRIES = 2500;

let nullFd: number | undefined;

interface Pending {
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
  /** The answers that are not yet the last one. */
  progress?: (message: Message) => void;
}

/**
 * The control protocol of a monitor (`docs/plan.md`) over one socket. It keeps the event loop alive only while an answer
 * is awaited, or after {@link ref}.
 */
export class ControlChannel {
  /** The container, on the channel that {@link launch} gives: sent unasked. */
  readonly container: Session | undefined;

  readonly #native: Native;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #parser = new MessageParser();
  readonly #pending = new Map<number, Pending>();
  #nextTag = 1;
  #held = 0;
  #open = true;
  readonly #closed: Promise<void>;

  private constructor(native: Native, fd: number, launched: boolean) {
    this.#native = native;
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.unref();
    this.#closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#abandon();
        resolve();
      });
    });
    // ECONNRESET: the monitor was killed. What it means is said by the close that follows.
    this.#socket.on('error', () => undefined);
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    if (launched) this.container = this.#session(0);
  }

  /**
   * Starts a monitor. The caller has to collect it with {@link reapMonitor}.
   *
   * @param plan - an encoded plan
   * @param stdio - of the container, or its first client
   * @throws an Error with the code of the system call that failed
   */
  static launch(native: Native, plan: Uint8Array, stdio: Stdio): { pid: number; channel: ControlChannel } {
    const { pid, fd } = native.launch(plan, stdio);
    return { pid, channel: new ControlChannel(native, fd, true) };
  }

  /**
   * Starts a monitor ahead of its plan. It does nothing before it has one, and ends when it is abandoned, or with this
   * process.
   *
   * @param stdio - they have to stay open until it has its plan, or is abandoned
   * @throws an Error with the code of the system call that failed
   */
  static begin(native: Native, stdio: Stdio): WaitingMonitor {
    const { launch, fd } = native.launchWaiting(stdio);
    let waiting = true;
    return {
      give(bytes) {
        try {
          const pid = native.givePlan(launch, fd, bytes);
          waiting = false;
          return { pid, channel: new ControlChannel(native, fd, true) };
        } catch (error) {
          this.abandon();
          throw error;
        }
      },
      abandon() {
        if (!waiting) return false;
        waiting = false;
        const pid = native.abandonLaunch(launch);
        native.close(fd);
        if (pid > 0) reapMonitor(native, pid);
        return true;
      },
    };
  }

  /**
   * Connects to a running monitor.
   *
   * @param runDir - the container's directory in the runroot
   * @throws an Error with code ENOENT or ECONNREFUSED when no monitor is there
   */
  static connect(native: Native, runDir: string): ControlChannel {
    return new ControlChannel(native, native.connect(runDir), false);
  }

  /**
   * Runs another process in the container.
   *
   * @param plan - an encoded plan, whose `clone` phase joins
   * @param stdio - the descriptors of the process; they have to stay open until `started` settles
   * @param size - makes it run in a terminal of this size; stdio are then the terminal's clients
   */
  exec(plan: Uint8Array, stdio: Stdio, size?: { rows: number; columns: number }): Session {
    const body = Buffer.alloc(size ? 8 : 4);
    if (size) {
      body.writeUInt32LE(1, 0);
      body.writeUInt16LE(size.rows, 4);
      body.writeUInt16LE(size.columns, 6);
    }
    const planFd = this.#native.sealedMemfd('vaina-plan', plan);
    const tag = this.#tag();
    const session = this.#session(tag);
    void this.#send(tag, MESSAGE.exec, body, [planFd, ...stdio.map(orNull)]).finally(() =>
      this.#native.close(planFd),
    );
    return session;
  }

  /** Sends a signal to the container (0) or an exec session. */
  async signal(target: number, signal: number): Promise<void> {
    await this.#request(MESSAGE.signal, numbers(target, signal));
  }

  /** Sets the size of the terminal of the container (0) or an exec session. */
  async resize(target: number, rows: number, columns: number): Promise<void> {
    const body = numbers(target, 0);
    body.writeUInt16LE(rows, 4);
    body.writeUInt16LE(columns, 6);
    await this.#request(MESSAGE.resize, body);
  }

  /**
   * Stops the container: the signal, and SIGKILL after the time. Resolves when it has ended and its record is written.
   *
   * @param signal - the default is that of the plan
   * @param milliseconds - the default is that of the plan
   */
  async stop(signal?: number, milliseconds?: number): Promise<void> {
    await this.#request(MESSAGE.stop, numbers(signal ?? 0, milliseconds ?? ALL_ONES));
  }

  /**
   * Resolves when the container (0) or the exec session has ended.
   * @throws VainaError `ERR_NO_SUCH_EXEC` for a session that is not, or no longer, known
   */
  async wait(target: number): Promise<ExitRecord> {
    const { body } = await this.#request(MESSAGE.wait, numbers(target));
    return parseExitRecord(body);
  }

  /**
   * Becomes another client of the container: a copy of its output from now on, a source of its input. The descriptors
   * may be closed when it has resolved.
   */
  async attach(client: { stdin?: number; stdout?: number; stderr?: number }): Promise<void> {
    const fds = [client.stdin, client.stdout, client.stderr];
    const which = fds.reduce<number>((bits, fd, index) => bits | (fd === undefined ? 0 : 1 << index), 0);
    await this.#request(
      MESSAGE.attach,
      numbers(which),
      fds.filter((fd) => fd !== undefined),
    );
  }

  /**
   * Settles when the socket has closed, for whatever reason: that of {@link launch}, when the monitor has ended. Who
   * asks for it keeps the event loop alive until then.
   */
  get closed(): Promise<void> {
    this.ref();
    return this.#closed.finally(() => this.unref());
  }

  /** Keeps the event loop alive until {@link unref}, as often as it was called. */
  ref(): void {
    this.#hold(1);
  }

  /** Undoes one {@link ref}, or lets go of one awaited answer. */
  unref(): void {
    this.#hold(-1);
  }

  /**
   * Closes the socket. On the channel of {@link launch} this kills the container, unless its plan has `detach`. What is
   * still awaited rejects.
   */
  close(): void {
    this.#socket.destroy();
  }

  #hold(change: 1 | -1): void {
    this.#held += change;
    if (!this.#open) return;
    if (this.#held > 0) this.#socket.ref();
    else this.#socket.unref();
  }

  #tag(): number {
    const tag = this.#nextTag;
    this.#nextTag = tag === ALL_ONES ? 1 : tag + 1;
    return tag;
  }

  async #request(type: number, body: Buffer, fds: readonly number[] = []): Promise<Message> {
    const tag = this.#tag();
    const answer = new Promise<Message>((resolve, reject) => this.#expect(tag, { resolve, reject }));
    await Promise.all([this.#send(tag, type, body, fds), answer]);
    return answer;
  }

  #session(tag: number): Session {
    let begin: (value: Started | Failed) => void = () => undefined;
    let refuse: (error: Error) => void = () => undefined;
    const started = new Promise<Started | Failed>((resolve, reject) => {
      begin = resolve;
      refuse = reject;
    });
    const exited = new Promise<ExitRecord>((resolve, reject) => {
      this.#expect(tag, {
        resolve: ({ type, body }) => {
          if (type === MESSAGE.failed) return begin(parseFailed(body));
          resolve(parseExitRecord(body));
        },
        reject: (error) => {
          refuse(error);
          reject(error);
        },
        progress: ({ type, body }) => {
          if (type === MESSAGE.started) begin(parseStarted(body));
          else session.onEnding();
        },
      });
    });
    // Who only wants one of them must not be killed by the other's rejection.
    started.catch(() => undefined);
    exited.catch(() => undefined);
    const session: Session = { started, exited, onEnding: () => undefined };
    return session;
  }

  #expect(tag: number, pending: Pending): void {
    if (!this.#open) return pending.reject(lost());
    this.#pending.set(tag, pending);
    this.ref();
  }

  #settle(tag: number): Pending | undefined {
    const pending = this.#pending.get(tag);
    if (pending && this.#pending.delete(tag)) this.unref();
    return pending;
  }

  async #send(tag: number, type: number, body: Buffer, fds: readonly number[]): Promise<void> {
    const message = encodeMessage(type, tag, body);
    for (let tries = 0; this.#open; tries++) {
      try {
        return this.#native.send(this.#fd, message, fds);
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code;
        if (code !== 'EAGAIN' || tries === RETRIES) {
          // EPIPE: the monitor is gone, and the close that follows would say the same.
          this.#settle(tag)?.reject(code === 'EPIPE' || code === 'ECONNRESET' ? lost() : (cause as Error));
          return;
        }
      }
      // Its queue is full: it gets its turn.
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#parser.push(chunk)) this.#dispatch(message);
    } catch {
      this.close();
    }
  }

  #dispatch(message: Message): void {
    if (message.type === MESSAGE.started || message.type === MESSAGE.ending)
      return this.#pending.get(message.tag)?.progress?.(message);
    const pending = this.#settle(message.tag);
    if (!pending) return;
    if (message.type === MESSAGE.error) return pending.reject(refusal(message.body));
    try {
      pending.resolve(message);
    } catch (error) {
      pending.reject(error as Error);
      throw error;
    }
  }

  #abandon(): void {
    this.#open = false;
    for (const [tag, pending] of this.#pending) {
      this.#pending.delete(tag);
      pending.reject(lost());
    }
  }
}

/**
 * Collects an ended monitor, so that it does not stay as a zombie of this process. To be called when its channel has
 * closed: it holds its end until it is gone, or all but gone.
 */
export function reapMonitor(native: Native, pid: number): void {
  let delay = 1;
  const attempt = (): void => {
    if (native.reap(pid)) return;
    setTimeout(attempt, delay).unref();
    delay = Math.min(delay * 2, 1000);
  };
  attempt();
}

function orNull(fd: number): number {
  if (fd >= 0) return fd;
  nullFd ??= openSync('/dev/null', 'r+');
  return nullFd;
}

function numbers(...values: number[]): Buffer {
  const body = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => body.writeUInt32LE(value, 4 * index));
  return body;
}

function lost(): VainaError {
  return new VainaError(
    'ERR_MONITOR_LOST',
    'the monitor of the container is gone, or the channel to it was closed',
  );
}

function refusal(body: Buffer): VainaError {
  const number = body.length >= 4 ? body.readUInt32LE(0) : 0;
  const errno = number === 0 ? 'UNKNOWN' : getSystemErrorName(-number);
  const text = body.toString('utf8', 4);
  const code = errno === 'ESRCH' ? 'ERR_NO_SUCH_EXEC' : errno === 'ENOTSUP' ? 'ERR_INVALID_STATE' : 'ERR_IO';
  return new VainaError(code, `the monitor refused a request: ${text}: ${errno}`, { errno });
}
