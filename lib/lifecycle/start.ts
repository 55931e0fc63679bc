import { rmSync } from 'node:fs';
import { VainaError } from '../errors.js';
import { ControlChannel, reapMonitor, type Session, type WaitingMonitor } from '../native/control.js';
import { encodePlan } from '../spec/encode.js';
import { deleteContainer, requireContainer, saveState, trySaveState, type Entry } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import type { Created } from './create.js';
import { publish } from './events.js';
import { exitStatus } from './exit-status.js';
import { startFailure } from './failures.js';
import { killLeftovers } from './lost.js';
import { lockContainer } from './lock.js';
import type { Monitored } from './monitored.js';
import { planOf } from './plan-of.js';
import { Process } from './process.js';
import type { ContainerState, ExitStatus } from './records.js';
import { removeFiles } from './remove.js';
import { readSpec } from './spec-file.js';
import { assertAllowed } from './state.js';
import { IGNORE, openStdio, type OpenStdio, type StdioTriple } from './stdio.js';
import { readTruth, unknownEnd } from './sync.js';
import { monotonic, stages } from './timings.js';

/** How the main process of a container is attached when it starts. */
export interface StartOptions {
  /** stdin, stdout and stderr. Default: none of them; the output goes to the log alone. */
  stdio?: StdioTriple;
  /** Height of the terminal, where there is one, in characters. Default 0: unknown. */
  rows?: number;
  /** Its width. Default 0. */
  columns?: number;
}

/** The state of a container that is about to run. Entered beforehand: a crash in between is then seen as its end. */
export function startingState(): ContainerState {
  return { status: 'running', startedAt: Date.now() };
}

/** Starts a container that was made, or that has ended. */
export async function startContainer(context: Context, id: string, options: StartOptions): Promise<Process> {
  const called = monotonic();
  await using _lock = await lockContainer(context, id);
  const entry = requireContainer(context, id);
  const { status, state } = readTruth(context, entry);
  assertAllowed('start', status, entry.record.name);
  const begun = beginMonitor(context, options.stdio ?? IGNORE);
  try {
    const spec = readSpec(context, id);
    clearEarlierRun(context, id);
    saveState(context, id, startingState());
    try {
      return await startLocked(context, { entry, spec }, options, begun, called);
    } catch (error) {
      saveState(context, id, state);
      throw error;
    }
  } finally {
    begun.abandon();
  }
}

/** A monitor that waits for the plan of a container, and the standard streams that it was given. */
export interface Begun {
  stdio: OpenStdio;
  monitor: WaitingMonitor;
  /** Gives both up, unless the monitor has its plan. */
  abandon(): void;
}

/**
 * Starts the monitor of a container that is about to be made or read: what has to be done for that takes as long as the
 * monitor's own start.
 */
export function beginMonitor(context: Context, triple: StdioTriple): Begun {
  const stdio = openStdio(context.native, triple);
  try {
    const monitor = ControlChannel.begin(context.native, stdio.theirs);
    return {
      stdio,
      monitor,
      abandon: () => {
        if (monitor.abandon()) stdio.destroy();
      },
    };
  } catch (error) {
    stdio.destroy();
    throw error;
  }
}

/**
 * Starts a container whose lock is held, and which is entered as running.
 * @param specFile - of a new container, to be written while the monitor is at work
 */
export async function startLocked(
  context: Context,
  { entry, spec, specFile }: Pick<Created, 'entry' | 'spec'> & Partial<Pick<Created, 'specFile'>>,
  options: StartOptions,
  { stdio, monitor }: Begun,
  called: number,
): Promise<Process> {
  const { id, name } = entry.record;
  let channel: ControlChannel | undefined;
  try {
    const plan = planOf(context, entry, spec, options);
    const encoded = encodePlan(plan);
    const launched = monotonic();
    const given = monitor.give(encoded);
    channel = given.channel;
    stdio.handedOver();
    // While the monitor is at work:
    specFile?.save();
    const streams = stdio.ours.connect();
    const session = channel.container as Session;
    const started = await session.started;
    if (started.kind === 'failed') {
      // It undoes what it did before it closes.
      await channel.closed;
      reapMonitor(context.native, given.pid);
      throw startFailure(started, plan, name);
    }
    const ended = supervise(context, entry, given.pid, channel, session);
    const timings = stages(called, launched, started.timings);
    publish('start', id, { pid: started.pid });
    return new Process(started.pid, streams, channel, 0, ended, timings);
  } catch (error) {
    monitor.abandon();
    stdio.destroy();
    channel?.close();
    rmSync(filesOf(context, id).runDirectory, { recursive: true, force: true });
    throw error;
  }
}

/** What an earlier run left goes: the record of its end, and a directory in the runroot whose monitor was killed. */
function clearEarlierRun(context: Context, id: string): void {
  const { runDirectory, exit } = filesOf(context, id);
  rmSync(exit, { force: true });
  rmSync(runDirectory, { recursive: true, force: true });
}

/** Follows a container that this process started to its end, and saves how it ended. */
function supervise(
  context: Context,
  entry: Entry,
  monitor: number,
  channel: ControlChannel,
  session: Session,
): Promise<ExitStatus> {
  const { id, options } = entry.record;
  let deleted = false;
  if (options.autoRemove) {
    session.onEnding = () => {
      if (!context.owned.has(id) || context.store.closed) return;
      // Should the monitor be killed over its cleaning up, an opener finds a directory without an entry and removes it.
      try {
        deleteContainer(context, id);
        deleted = true;
      } catch {
        // It is tried again at the end.
      }
    };
  }
  const ended = session.exited.then(
    (record): ContainerState => ({ status: 'exited', exit: exitStatus(record) }),
    // The channel closed without a word: the monitor was killed.
    (): ContainerState => ({ status: 'stopped', exit: unknownEnd(entry.state) }),
  );
  const monitored: Monitored = {
    monitor,
    channel,
    ended: ended.then(async (state) => {
      const ours = context.owned.delete(id);
      channel.close();
      reapMonitor(context.native, monitor);
      if (!ours && state.status === 'stopped') {
        throw new VainaError(
          'ERR_CLOSED',
          `container ${entry.record.name} goes on, but the engine was closed`,
        );
      }
      if (state.status === 'stopped') await killLeftovers(context, id);
      if (!context.store.closed) {
        if (deleted) {
          if (state.status === 'stopped') await removeFiles(context, id);
        } else if (options.autoRemove && state.status === 'exited') deleteContainer(context, id);
        else trySaveState(context, id, state);
      }
      publish('died', id, { exitCode: state.exit?.exitCode });
      return state.exit as ExitStatus;
    }),
  };
  context.owned.set(id, monitored);
  // A detached container is no reason for this program to go on; whoever waits for it holds the channel himself.
  if (options.detach) channel.unref();
  return monitored.ended;
}
