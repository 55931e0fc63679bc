import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { VainaError } from '../errors.js';
import {
  encodeMessage,
  type ExitRecord,
  type Message,
  MESSAGE,
  MessageParser,
  parseExited,
} from './messages.js';
import { AwaitedSession, type Pending, type Session } from './session.js';
import type { Native } from './types.js';

export type { ExitRecord, Failed, Started } from './messages.js';
export type { Session } from './session.js';

/** Standard descriptors that are none: /dev/null, and, of an exec, a pipe that is made for it. */
export const NULL_DEVICE = -1;
export const NEW_PIPE = -2;

/** The three standard descriptors of a process, or {@link NULL_DEVICE}. They stay the caller's. */
export type Stdio = readonly [stdin: number, stdout: number, stderr: number];

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
const READ_SIZE = 4096;
/** Flags of a request to exec. */
const EXEC = { terminal: 1, brief: 2 };
const RETRY_MS = 2;
const RETRIES = 2500;

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
    const onread: OnReadOpts = {
      // Its messages are short, and kept no longer than this.
      buffer: Buffer.allocUnsafe(READ_SIZE),
      callback: (size, buffer) => {
        this.#receive(Buffer.from(buffer.subarray(0, size)));
        return true;
      },
    };
    // @types/node knows `onread` of connections only.
    const options: SocketConstructorOpts & { onread: OnReadOpts } = {
      fd,
      readable: true,
      writable: true,
      onread,
    };
    this.#socket = new Socket(options);
    this.#socket.unref();
    this.#closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#abandon();
        resolve();
      });
    });
    // ECONNRESET: the monitor was killed. What it means is said by the close that follows.
    this.#socket.on('error', () => undefined);
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
   * @param plan - an encoded plan but for its last step, `exec`, whose `clone` phase joins
   * @param command - the arguments of that step, without NUL
   * @param stdio - also {@link NEW_PIPE}; the descriptors may be closed when it has resolved
   * @param options - `size` makes it run in a terminal of this size; stdio are then the terminal's clients. `brief`: the caller
   *   has no use for `started` before a few milliseconds have passed, and the new process is not disturbed by it
   * @returns our ends of the pipes, -1 where there is none
   */
  async exec(
    plan: Uint8Array,
    command: readonly string[],
    stdio: Stdio,
    { size, brief = false }: { size?: { rows: number; columns: number } | undefined; brief?: boolean } = {},
  ): Promise<{ session: Session; pipes: Stdio }> {
    const flags = (size ? EXEC.terminal : 0) | (brief ? EXEC.brief : 0);
    const sizes = size ? winsize(size) : 0;
    const tag = this.#tag();
    const sent = this.#try(() => this.#native.exec(this.#fd, tag, flags, sizes, plan, command, stdio));
    // The monitor is at work already.
    const session = this.#session(tag);
    const pipes = await sent.catch((error: unknown) => this.#fail(tag, error));
    return { session, pipes: pipes ?? [-1, -1, -1] };
  }

  /** Sends a signal to the container (0) or an exec session. */
  async signal(target: number, signal: number): Promise<void> {
    await this.#request(MESSAGE.signal, numbers(target, signal));
  }

  /** Sets the size of the terminal of the container (0) or an exec session. */
  async resize(target: number, rows: number, columns: number): Promise<void> {
    await this.#request(MESSAGE.resize, numbers(target, winsize({ rows, columns })));
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
    return parseExited(body);
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
    const before = this.#held;
    this.#held += change;
    if (!this.#open) return;
    if (before === 0 && change > 0) this.#socket.ref();
    if (this.#held === 0) this.#socket.unref();
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
    const session = new AwaitedSession();
    this.#expect(tag, session);
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
    try {
      await this.#try(() => this.#native.send(this.#fd, message, fds));
    } catch (error) {
      this.#fail(tag, error);
    }
  }

  /** The first time at once. */
  async #try<T>(send: () => T): Promise<T> {
    for (let tries = 0; this.#open; tries++) {
      try {
        return send();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tries === RETRIES) throw error;
      }
      // Its queue is full: it gets its turn.
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    throw lost();
  }

  #fail(tag: number, error: unknown): undefined {
    const { code } = error as NodeJS.ErrnoException;
    // The monitor is gone. The close that follows says so, and lets a caller who tries again and again wait for it.
    if (code === 'EPIPE' || code === 'ECONNRESET') return;
    const failure =
      code === 'EMSGSIZE'
        ? new VainaError('ERR_INVALID_OPTION', 'the command is too long', { cause: error })
        : (error as Error);
    this.#settle(tag)?.reject(failure);
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

function numbers(...values: number[]): Buffer {
  const body = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, index) => body.writeUInt32LE(value, 4 * index));
  return body;
}

/** The two u16 of a size in a body, as one u32. */
function winsize({ rows, columns }: { rows: number; columns: number }): number {
  return rows + columns * 0x10000;
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
