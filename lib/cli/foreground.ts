import { CommandError } from './errors.js';
import { DetachFilter } from './detach-keys.js';
import type { StartOptions } from '../index.js';
import type { Ended, LibraryProcess } from './library.js';
import type { Size } from './host.js';
import type { Session } from './verb.js';

/** Signals that mean something to the program that runs in the container, not to this one. */
const PROXIED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGIO',
  'SIGPWR',
];

/** How a process is watched from here. */
export interface Foreground {
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Pass signals on. */
  sigProxy: boolean;
  /** For a terminal; empty for none. */
  detachKeys: readonly number[];
}

/**
 * Runs a process in the foreground: its standard streams are this process's until it ends.
 * @param start - starts it with these streams
 * @returns its exit code, or 0 when the user detached
 */
export async function foreground(session: Session, start: Starter, how: Foreground): Promise<number> {
  return how.tty ? terminal(session, start, how) : plain(session, start, how);
}

type Starter = (options: StartOptions) => Promise<LibraryProcess>;

/** Without a terminal the monitor gets the very descriptors: nothing is copied here, and no byte can be lost. */
async function plain(session: Session, start: Starter, how: Foreground): Promise<number> {
  const stdio = [how.stdin ? 0 : 'ignore', how.stdout ? 1 : 'ignore', how.stderr ? 2 : 'ignore'] as const;
  const started = Promise.resolve({ stdio }).then(start);
  const off = how.sigProxy ? proxySignals(session, started) : [];
  try {
    return exitCodeOfEnded(await (await started).wait());
  } finally {
    for (const each of off) each();
  }
}

/** With a terminal all passes through here: to look for the detach keys, and to be able to let go of the output. */
async function terminal(session: Session, start: Starter, how: Foreground): Promise<number> {
  const raw = how.stdin && session.host.isTerminal(0);
  // Before the start: the first line of output must not meet a terminal that still adds carriage returns.
  if (raw) session.host.setRaw(true);
  const off: (() => void)[] = [];
  try {
    const stdio = [how.stdin ? 'pipe' : 'ignore', how.stdout ? 'pipe' : 'ignore', 'ignore'] as const;
    const started = Promise.resolve({ stdio, ...usableSize(session) }).then(start);
    if (how.sigProxy) off.push(...proxySignals(session, started));
    return await relay(session, await started, how, off);
  } finally {
    for (const each of off) each();
    if (raw) session.host.setRaw(false);
  }
}

async function relay(
  session: Session,
  child: LibraryProcess,
  how: Foreground,
  off: (() => void)[],
): Promise<number> {
  off.push(session.host.onResize(() => void resize(session, child)));
  const drained = drain(session, child);
  try {
    await resize(session, child);
    const detached = how.stdin
      ? pump(session, child, how.detachKeys, off)
      : new Promise<never>(() => undefined);
    const ended = await Promise.race([child.wait(), detached]);
    if (ended === 'detached') return 0;
    await drained;
    return exitCodeOfEnded(ended);
  } finally {
    child.stdin?.destroy();
    child.stdout?.destroy();
  }
}

/** The exit code to end with. */
export function exitCodeOfEnded(ended: Ended): number {
  if (ended.unknown)
    throw new CommandError('the exit code is not known: the monitor of the container was lost');
  return ended.exitCode;
}

/** From before the start on: the process may be at work, and tell of it, before this one knows that it has started. */
function proxySignals(session: Session, started: Promise<LibraryProcess>): (() => void)[] {
  return PROXIED.map((signal) =>
    session.host.onSignal(signal, () => {
      // It may not have started, or have ended in the meantime, which is no reason to fail.
      started.then((child) => child.kill(signal)).catch(() => undefined);
    }),
  );
}

async function resize(session: Session, child: LibraryProcess): Promise<void> {
  const size = usableSize(session);
  // It may have ended in the meantime.
  if (size) await child.resize(size.rows, size.columns).catch(() => undefined);
}

/** Some terminals, such as those of test harnesses, say that they have no rows. */
function usableSize(session: Session): Size | undefined {
  const size = session.host.size();
  return size && size.rows > 0 && size.columns > 0 ? size : undefined;
}

function drain(session: Session, child: LibraryProcess): Promise<void> {
  const { stdout } = child;
  if (!stdout) return Promise.resolve();
  return new Promise((done) => {
    stdout.on('data', (chunk: Buffer) => {
      try {
        session.out(chunk);
      } catch {
        // Nobody reads any more; the program goes on all the same.
      }
    });
    stdout.once('close', () => done());
    stdout.once('end', () => done());
    stdout.once('error', () => done());
  });
}

/** Copies what is typed; settles when the detach keys were. */
function pump(
  session: Session,
  child: LibraryProcess,
  keys: readonly number[],
  off: (() => void)[],
): Promise<'detached'> {
  const input = session.host.stdin();
  const target = child.stdin;
  const filter = new DetachFilter(keys);
  target?.on('error', () => undefined);
  return new Promise((done) => {
    const onData = (chunk: Buffer): void => {
      const { pass, detached } = filter.push(chunk);
      if (pass.length > 0 && target && !target.write(pass)) {
        input.pause();
        target.once('drain', () => input.resume());
      }
      if (detached) done('detached');
    };
    const onEnd = (): void => {
      target?.end(filter.end());
    };
    input.on('data', onData);
    input.once('end', onEnd);
    off.push(() => {
      input.off('data', onData);
      input.off('end', onEnd);
      input.pause();
    });
  });
}
