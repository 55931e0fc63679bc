import {
  type ExitRecord,
  type Failed,
  type Message,
  MESSAGE,
  parseExited,
  parseFailed,
  parseStarted,
  type Started,
} from './messages.js';

/** A process that runs a plan, from its start to its end. */
export interface Session {
  /** Settles when the process runs, or when a step of its plan failed. Rejects with `ERR_MONITOR_LOST`. */
  readonly started: Promise<Started | Failed>;
  /**
   * Settles when it has ended and all its output was delivered; never when it {@link Failed}, until the channel closes.
   * Rejects with `ERR_MONITOR_LOST` when the monitor ends or the channel is closed before.
   */
  readonly exited: Promise<ExitRecord>;
  /** How it ended, once it has. */
  readonly record: ExitRecord | undefined;
  /**
   * Called, of the container on the channel of `ControlChannel.launch`, when it has ended and the monitor begins to
   * clean up after it, which `exited` waits for.
   */
  onEnding: () => void;
}

/** A request whose answer is to come. */
export interface Pending {
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
  /** The answers that are not yet the last one. */
  progress?: (message: Message) => void;
}

/** A session that the monitor will tell of. */
export class AwaitedSession implements Session, Pending {
  record: ExitRecord | undefined;
  onEnding = (): void => undefined;
  readonly #start = new Deferred<Started | Failed>();
  readonly #end = new Deferred<ExitRecord>();

  get started(): Promise<Started | Failed> {
    return this.#start.promise;
  }

  get exited(): Promise<ExitRecord> {
    return this.#end.promise;
  }

  resolve({ type, body }: Message): void {
    if (type === MESSAGE.failed) return this.#start.resolve(parseFailed(body));
    this.record = parseExited(body);
    this.#end.resolve(this.record);
  }

  reject(error: Error): void {
    this.#start.reject(error);
    this.#end.reject(error);
  }

  progress({ type, body }: Message): void {
    if (type === MESSAGE.started) this.#start.resolve(parseStarted(body));
    else this.onEnding();
  }
}

/** A promise that is made when it is asked for. Who asks for one only must not be killed by the other's rejection. */
class Deferred<T> {
  #settled: { value: T } | { error: Error } | undefined;
  #promise: Promise<T> | undefined;
  #settle: (() => void) | undefined;

  get promise(): Promise<T> {
    if (this.#promise) return this.#promise;
    this.#promise = new Promise((resolve, reject) => {
      this.#settle = () => {
        const settled = this.#settled;
        if (!settled) return;
        if ('value' in settled) resolve(settled.value);
        else reject(settled.error);
      };
      this.#settle();
    });
    this.#promise.catch(() => undefined);
    return this.#promise;
  }

  resolve(value: T): void {
    this.#settled ??= { value };
    this.#settle?.();
  }

  reject(error: Error): void {
    this.#settled ??= { error };
    this.#settle?.();
  }
}
