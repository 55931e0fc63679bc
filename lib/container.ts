import { requireContainer, type Entry } from './lifecycle/catalogue.js';
import { checkOptions } from './lifecycle/check-options.js';
import type { CollectOptions, CommandResult } from './lifecycle/collect.js';
import { filesOf, type Context } from './lifecycle/context.js';
import type { ExecStartOptions } from './lifecycle/exec.js';
import type { ContainerInspect } from './lifecycle/inspect-types.js';
import { jobs } from './lifecycle/jobs.js';
import { killContainer } from './lifecycle/kill.js';
import type { LogEntry, LogsOptions } from './lifecycle/logs.js';
import type { Process } from './lifecycle/process.js';
import type { ExitStatus } from './lifecycle/records.js';
import { removeContainer, type RemoveOptions } from './lifecycle/remove.js';
import type { StartOptions } from './lifecycle/start.js';
import type { Status } from './lifecycle/state.js';
import { PIPES, type StdioTriple } from './lifecycle/stdio.js';
import { stopContainer } from './lifecycle/stop.js';
import { readTruth } from './lifecycle/sync.js';
import type { Timings } from './lifecycle/timings.js';
import { waitContainer } from './lifecycle/wait.js';
import { VainaError } from './errors.js';
import type { ExecOptions } from './spec/options.js';
import type { Plan } from './spec/steps.js';

/**
 * A container of the store: a handle by its id. What it tells is read anew at each call, since other processes may have
 * changed it.
 *
 * @example
 * ```ts
 * await using container = await engine.containers.create('debian:13', { command: ['sleep', '60'] });
 * await container.start();
 * ```
 */
export class Container implements AsyncDisposable {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** The name it was given, or a random one. */
  readonly name: string;
  readonly #context: Context;
  #timings: Timings | undefined;

  /** @internal */
  constructor(context: Context, entry: Entry) {
    this.#context = context;
    this.id = entry.record.id;
    this.name = entry.record.name;
  }

  /** How long each stage of the last start by this object took; undefined before. */
  get timings(): Timings | undefined {
    return this.#timings;
  }

  /** The state it is in now. Throws ERR_NO_SUCH_CONTAINER when it was removed. */
  status(): Status {
    return readTruth(this.#context, requireContainer(this.#context, this.id)).status;
  }

  /**
   * Starts its main process. It ends with this Node.js process, whatever ends that, unless the container has `detach`.
   * @returns when the program has been executed
   * @throws ERR_INVALID_STATE when it runs already; ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE; ERR_STEP_FAILED
   * with the step of the plan that failed; ERR_CGROUP_NOT_DELEGATED
   */
  async start(options: StartOptions = {}): Promise<Process> {
    checkOptions('start', options);
    const started = await jobs.startContainer(this.#context, this.id, options);
    this.#timings = started.timings;
    return started;
  }

  /**
   * Attaches to the main process of a running container, beside whoever is attached already. Output from now on; of a
   * terminal all of it is stdout. What is written to `stdin` reaches the process only if the container has `stdin` or `tty`.
   * @throws ERR_INVALID_STATE unless it runs
   */
  async attach(options: { stdio?: StdioTriple } = {}): Promise<Process> {
    checkOptions('attach', options);
    return jobs.attachContainer(this.#context, this.id, options.stdio ?? PIPES);
  }

  /**
   * Waits for its end, whoever started it; may be called before it is started. Settles when all of its output has been
   * logged and handed on.
   * @throws ERR_NO_SUCH_CONTAINER; the reason of `signal`
   */
  async wait(options: { signal?: AbortSignal } = {}): Promise<ExitStatus> {
    checkOptions('wait', options);
    return waitContainer(this.#context, this.id, options.signal);
  }

  /**
   * Runs a command in the container, with the same namespaces, cgroup, credentials and seccomp filter, and collects what
   * it writes. A status other than zero is a result, not an error.
   * @throws ERR_INVALID_STATE unless it runs; ERR_COMMAND_NOT_FOUND; ERR_COMMAND_NOT_EXECUTABLE; ERR_NO_SUCH_USER
   */
  exec(argv: readonly string[], options: ExecOptions & CollectOptions = {}): Promise<CommandResult> {
    return jobs.execs.execToEnd(this.#context, this.id, argv, options);
  }

  /** As {@link Container.exec}, but returns as soon as the command runs, with its streams. Default: none of them. */
  async execStart(argv: readonly string[], options: ExecStartOptions = {}): Promise<Process> {
    return jobs.execs.execContainer(this.#context, this.id, argv, options);
  }

  /** Reads its log, oldest entry first. Throws ERR_INVALID_STATE when it keeps none (`logDriver: 'none'`). */
  logs(options: LogsOptions = {}): AsyncGenerator<LogEntry> {
    checkOptions('logs', options);
    const { record } = requireContainer(this.#context, this.id);
    if (record.options.logDriver === 'none') {
      throw new VainaError('ERR_INVALID_STATE', `container ${this.name} keeps no log`, {
        op: 'container.logs',
      });
    }
    const running = (): Promise<boolean> => Promise.resolve(this.#exists() && this.status() === 'running');
    return jobs.readLog(filesOf(this.#context, this.id).log, options, running);
  }

  /**
   * Sends its stop signal, waits, then SIGKILL. Does nothing to a container that does not run.
   * @param options - `timeout` in seconds; default: the container's `stopTimeout`, which is 10 by default
   */
  async stop(options: { timeout?: number } = {}): Promise<void> {
    checkOptions('stop', options);
    await stopContainer(this.#context, this.id, options.timeout);
  }

  /**
   * Sends a signal to its main process.
   * @param signal - name or number; default SIGKILL
   * @throws ERR_INVALID_STATE unless it runs
   */
  async kill(signal: string | number = 'SIGKILL'): Promise<void> {
    await killContainer(this.#context, this.id, signal);
  }

  /** Removes it and its files. Throws ERR_INVALID_STATE when it runs and `force` is not set; removing twice is no error. */
  async remove(options: RemoveOptions = {}): Promise<void> {
    checkOptions('remove', options);
    await removeContainer(this.#context, this.id, options);
  }

  /** All that is known of it, in podman's form. */
  async inspect(): Promise<ContainerInspect> {
    return jobs.inspectContainer(this.#context, this.id);
  }

  /** The exact steps that a start would take; `formatPlan` prints them. */
  async plan(): Promise<Plan> {
    return jobs.planContainer(this.#context, this.id);
  }

  /** Stops and removes it, without waiting for the stop time-out. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove({ force: true, timeout: 0 });
  }

  #exists(): boolean {
    return this.#context.store.containers.get(this.id) !== undefined;
  }
}
