/** The typed seam to the addon. Every call is short; what takes time happens in the monitor, or on a thread of the pool. */
export interface Native {
  /**
   * Starts a monitor on an encoded plan: sealed memfds, clone(CLONE_VM|CLONE_VFORK), execveat.
   * The monitor's descriptors 0 to 2 are copies of `stdio` (-1: /dev/null), 3 is its end of the control socket.
   * @returns the monitor's pid and our end of the control socket (close-on-exec, non-blocking)
   */
  launch(plan: Uint8Array, stdio: readonly [number, number, number]): { pid: number; fd: number };
  /**
   * Starts a monitor that waits for its plan: compiling one takes about as long as starting the program. It is started in a
   * thread; `stdio` must stay open until it has its plan, or was abandoned.
   * @returns our end of the control socket, and what the two calls below know the start by: one of them must follow
   */
  launchWaiting(stdio: readonly [number, number, number]): { launch: number; fd: number };
  /**
   * Gives the plan to the monitor in a sealed memfd, and lets it begin.
   * @returns its pid; throws the code with which its exec failed, EPIPE when it is gone: then it is still to be abandoned
   */
  givePlan(launch: number, fd: number, bytes: Uint8Array): number;
  /** Gives a start up. The monitor ends when its socket is closed. Returns its pid, or 0 when it never ran. */
  abandonLaunch(launch: number): number;
  /** Collects an ended monitor so that it does not stay as a zombie; false while it still runs. */
  reap(pid: number): boolean;
  /** Connects to the `ctl.sock` in a directory of the runroot. Throws ENOENT or ECONNREFUSED when nobody listens. */
  connect(runDir: string): number;
  /** One sendmsg on a control socket, with descriptors. */
  send(fd: number, message: Uint8Array, fds: readonly number[]): void;
  /**
   * Sends a request for an exec. All of it is one call, since an exec takes no longer than a few dozen calls do.
   *
   * @param flags - and `size`, as the body of the request has them (`docs/plan.md`)
   * @param plan - an encoded plan but for its last step, `exec`
   * @param command - the arguments of that step, without NUL
   * @param stdio - each a descriptor, -1 for /dev/null, or -2 for a pipe
   * @returns our ends of the pipes; -1 where there is none
   */
  exec(
    fd: number,
    tag: number,
    flags: number,
    size: number,
    plan: Uint8Array,
    command: readonly string[],
    stdio: readonly [number, number, number],
  ): [number, number, number];
  /** pipe2(O_CLOEXEC), up to three times: each time the read end, then the write end. */
  pipes(count: number): number[];
  /**
   * Takes all that is in pipes that nobody writes to any more, and closes them.
   * @returns what was in each, null for nothing; undefined, and all stay as they are, while somebody has another end of one open
   */
  takeClosedPipes(fds: readonly number[]): (Buffer | null)[] | undefined;
  /** close(2). */
  close(fd: number): void;
  /**
   * Takes the open-file-description lock of a file, which is made (mode 0600) when missing.
   * @returns the descriptor that holds the lock, or -1 when somebody else holds a conflicting one
   */
  tryLock(path: string, exclusive: boolean): number;
  /** Whether anybody holds a lock on the file: asks without taking it. False when the file does not exist. */
  isLocked(path: string): boolean;
  /**
   * Reads a regular file below a directory by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), never following the
   * last link out of it, never blocking.
   * @returns the bytes, or undefined when there is no such file; throws EFBIG past `limit`, EINVAL for no regular file
   */
  readFileIn(root: string, path: string, limit: number): Buffer | undefined;
  /** Compiles a seccomp profile (in the form of the OCI runtime spec's linux.seccomp) by libseccomp. */
  compileSeccomp(profile: SeccompProgram): Buffer;
  /** fsync of a directory or file by path. */
  fsync(path: string): void;
  /**
   * syncfs(2) of the file system that holds the path, on a thread of the pool: it waits for the disk. Throws ENOENT and the
   * like at once; the rest is told to `done`.
   */
  syncfsLater(path: string, done: (error?: NodeJS.ErrnoException) => void): void;
}

/** Reads a stream of gzip members, which zeros may follow. */
export interface GzipReader {
  /**
   * Goes on until the input is used up or the output is full; then there may be more of it, even if all input was taken.
   * Throws an Error with a few words when the stream is damaged; the reader is of no use after that.
   *
   * @returns how many bytes it took, and how many it gave
   */
  step(input: Uint8Array, output: Uint8Array): [taken: number, given: number];
  /** Whether the stream may end here. */
  complete(): boolean;
}

/** What {@link Native.compileSeccomp} takes: names resolved, arguments as numbers, in order. */
export interface SeccompProgram {
  /** libseccomp action value, e.g. SCMP_ACT_ERRNO(38). */
  defaultAction: number;
  /** SCMP_ARCH names, e.g. `SCMP_ARCH_X86_64`. */
  architectures: string[];
  /** Rules; names the library does not know are skipped. */
  rules: {
    names: string[];
    action: number;
    args: { index: number; op: number; value: bigint; valueTwo: bigint }[];
  }[];
}
