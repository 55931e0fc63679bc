import type { Native, SeccompProgram } from './types.js';

/** A call that a {@link FakeNative} has seen: the method and its arguments, then what it gave or threw. */
export interface Call {
  name: keyof Native;
  args: readonly unknown[];
  result?: unknown;
  error?: Error;
}

/** An error as a failed system call gives it. */
export function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const message = path === undefined ? `${code}, ${syscall}` : `${code}, ${syscall} '${path}'`;
  return Object.assign(new Error(message), { code, syscall, ...(path === undefined ? {} : { path }) });
}

const FIRST_FD = 1000;
const FIRST_PID = 5000;

/**
 * A {@link Native} without a kernel behind it, for tests: it records every call, keeps track of descriptors, locks and
 * files in memory, and fails when it is told to. Its descriptors are numbers that no system call knows.
 */
export class FakeNative implements Native {
  /** Every call in order, those that failed included. */
  readonly calls: Call[] = [];
  /** Descriptors that were given and not closed, with what they are. */
  readonly open = new Map<number, string>();
  /** Files that {@link readFileIn} finds: `root`, a colon, and the path. */
  readonly files = new Map<string, Buffer>();
  /** Directories in which {@link connect} finds a monitor. */
  readonly listening = new Set<string>();
  /** Monitors that {@link reap} finds ended. */
  readonly ended = new Set<number>();

  readonly #overrides: Partial<Native>;
  readonly #failures: { name: keyof Native | undefined; countdown: number; error: Error }[] = [];
  readonly #locks = new Map<string, { fd: number; exclusive: boolean }[]>();
  #nextFd = FIRST_FD;
  #nextPid = FIRST_PID;

  /** @param overrides - methods to use instead of those here; their calls are recorded all the same */
  constructor(overrides: Partial<Native> = {}) {
    this.#overrides = overrides;
  }

  /**
   * Makes a call fail.
   *
   * @param nth - counted from 1, from now on
   * @param error - what it throws
   * @param name - counts only the calls of this method; without it every call counts
   */
  failCall(nth: number, error: Error, name?: keyof Native): void {
    this.#failures.push({ name, countdown: nth, error });
  }

  /** The arguments of every call of one method. */
  argumentsOf(name: keyof Native): (readonly unknown[])[] {
    return this.calls.filter((call) => call.name === name).map((call) => call.args);
  }

  launch(plan: Uint8Array, stdio: readonly [number, number, number]): { pid: number; fd: number } {
    return this.#call('launch', [plan, stdio], () => this.#monitor());
  }

  launchWaiting(stdio: readonly [number, number, number]): { launch: number; fd: number } {
    return this.#call('launchWaiting', [stdio], () => {
      const { pid, fd } = this.#monitor();
      return { launch: pid, fd };
    });
  }

  givePlan(launch: number, fd: number, bytes: Uint8Array): number {
    return this.#call('givePlan', [launch, fd, Uint8Array.from(bytes)], () => launch);
  }

  abandonLaunch(launch: number): number {
    return this.#call('abandonLaunch', [launch], () => launch);
  }

  reap(pid: number): boolean {
    return this.#call('reap', [pid], () => this.ended.has(pid));
  }

  connect(runDir: string): number {
    return this.#call('connect', [runDir], () => {
      if (!this.listening.has(runDir)) throw systemError('ENOENT', 'connect', `${runDir}/ctl.sock`);
      return this.#give('control socket');
    });
  }

  send(fd: number, message: Uint8Array, fds: readonly number[]): void {
    this.#call('send', [fd, Uint8Array.from(message), [...fds]], () => undefined);
  }

  exec(...given: Parameters<Native['exec']>): [number, number, number] {
    const [fd, tag, flags, size, plan, command, stdio] = given;
    const args = [fd, tag, flags, size, Uint8Array.from(plan), [...command], [...stdio]];
    return this.#call('exec', args, () => {
      const [stdin, stdout, stderr] = stdio.map((wish) => (wish === -2 ? this.#give('pipe') : -1));
      return [stdin ?? -1, stdout ?? -1, stderr ?? -1];
    });
  }

  pipes(count: number): number[] {
    return this.#call('pipes', [count], () =>
      Array.from({ length: 2 * count }, (_, index) => this.#give(index % 2 === 0 ? 'read end' : 'write end')),
    );
  }

  takeClosedPipes(fds: readonly number[]): (Buffer | null)[] | undefined {
    return this.#call('takeClosedPipes', [[...fds]], () => {
      for (const fd of fds) if (!this.open.delete(fd)) throw systemError('EBADF', 'poll');
      return fds.map(() => null);
    });
  }

  close(fd: number): void {
    this.#call('close', [fd], () => {
      if (!this.open.delete(fd)) throw systemError('EBADF', 'close');
      for (const [path, locks] of this.#locks) {
        this.#locks.set(
          path,
          locks.filter((lock) => lock.fd !== fd),
        );
      }
    });
  }

  tryLock(path: string, exclusive: boolean): number {
    return this.#call('tryLock', [path, exclusive], () => {
      const held = this.#locks.get(path) ?? [];
      if (held.some((lock) => exclusive || lock.exclusive)) return -1;
      const fd = this.#give(`lock ${path}`);
      this.#locks.set(path, [...held, { fd, exclusive }]);
      return fd;
    });
  }

  isLocked(path: string): boolean {
    return this.#call('isLocked', [path], () => (this.#locks.get(path) ?? []).length > 0);
  }

  readFileIn(root: string, path: string, limit: number): Buffer | undefined {
    return this.#call('readFileIn', [root, path, limit], () => {
      const content = this.files.get(`${root}:${path}`);
      if (content && content.length > limit) throw systemError('EFBIG', 'read', path);
      return content;
    });
  }

  compileSeccomp(profile: SeccompProgram): Buffer {
    return this.#call('compileSeccomp', [profile], () => Buffer.from('seccomp '));
  }

  fsync(path: string): void {
    this.#call('fsync', [path], () => undefined);
  }

  syncfsLater(path: string, done: (error?: NodeJS.ErrnoException) => void): void {
    this.#call('syncfsLater', [path], () => setImmediate(done));
  }

  #give(what: string): number {
    const fd = this.#nextFd++;
    this.open.set(fd, what);
    return fd;
  }

  #monitor(): { pid: number; fd: number } {
    return { pid: this.#nextPid++, fd: this.#give('control socket') };
  }

  #call<T>(name: keyof Native, args: readonly unknown[], run: () => T): T {
    const call: Call = { name, args };
    this.calls.push(call);
    try {
      this.#failIfTold(name);
      const override = this.#overrides[name] as ((...values: readonly unknown[]) => T) | undefined;
      const result = override ? override(...args) : run();
      call.result = result;
      return result;
    } catch (error) {
      call.error = error as Error;
      throw error;
    }
  }

  #failIfTold(name: keyof Native): void {
    for (const failure of this.#failures) {
      if (failure.name !== undefined && failure.name !== name) continue;
      if (--failure.countdown === 0) throw failure.error;
    }
  }
}
