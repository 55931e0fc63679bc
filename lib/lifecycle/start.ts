import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { VainaError } from '../errors.js';
import { ControlChannel, reapMonitor, type Session } from '../native/control.js';
import { encodePlan } from '../spec/encode.js';
import { parseSpec } from '../spec/spec-json.js';
import type { OciSpec } from '../spec/oci-spec.js';
import { deleteContainer, requireContainer, saveState, trySaveState, type Entry } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { publish } from './events.js';
import { exitStatus } from './exit-status.js';
import { startFailure } from './failures.js';
import { killLeftovers } from './lost.js';
import { lockContainer } from './lock.js';
import type { Monitored } from './monitored.js';
import { planOf } from './plan-of.js';
import { Process } from './process.js';
import type { ContainerState, ExitStatus } from './records.js';
import { assertAllowed } from './state.js';
import { IGNORE, openStdio, type StdioTriple } from './stdio.js';
import { readTruth, unknownEnd } from './sync.js';
import { stages } from './timings.js';

/** How the main process of a container is attached when it starts. */
export interface StartOptions {
  /** stdin, stdout and stderr. Default: none of them; the output goes to the log alone. */
  stdio?: StdioTriple;
  /** Size of the terminal, where there is one. */
  rows?: number;
  columns?: number;
}

/** The runtime spec of a container, as it was written when it was made. */
export function readSpec(context: Context, id: string): OciSpec {
  const path = filesOf(context, id).config;
  try {
    return parseSpec(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new VainaError('ERR_STORE_DAMAGED', `the spec ${path} of the container cannot be read`, {
      path,
      hint: 'remove the container with force',
      cause: error,
    });
  }
}

/** Starts a container that was made, or that has ended. */
export async function startContainer(
  context: Context,
  id: string,
  options: StartOptions,
  called = process.hrtime.bigint(),
  known?: OciSpec,
): Promise<Process> {
  await using _lock = await lockContainer(context, id);
  const entry = requireContainer(context, id);
  const { status, state } = readTruth(context, entry);
  assertAllowed('start', status, entry.record.name);
  const triple = options.stdio ?? IGNORE;
  const plan = planOf(context, entry, known ?? readSpec(context, id), options);
  makeRunDirectory(context, id);
  const stdio = openStdio(context.native, triple);
  saveState(context, id, { status: 'running', startedAt: Date.now() });
  try {
    const launched = process.hrtime.bigint();
    const { pid: monitor, channel } = ControlChannel.launch(context.native, encodePlan(plan), stdio.theirs);
    stdio.handedOver();
    const session = channel.container as Session;
    const started = await session.started;
    if (started.kind === 'failed') {
      // It undoes what it did before it closes.
      await channel.closed;
      reapMonitor(context.native, monitor);
      throw startFailure(started, plan, entry.record.name);
    }
    const ended = supervise(context, entry, monitor, channel, session);
    const { main, host, clone, exec } = started.timings;
    const timings = stages(called, launched, [main, host, clone, exec]);
    publish('start', id, { pid: started.pid });
    return new Process(started.pid, stdio, channel, 0, ended, timings);
  } catch (error) {
    stdio.destroy();
    rmSync(filesOf(context, id).runDirectory, { recursive: true, force: true });
    saveState(context, id, state);
    throw error;
  }
}

/** The directory of this boot's state. What an earlier run left there goes, and the record of its end. */
function makeRunDirectory(context: Context, id: string): void {
  const { runDirectory: path, exit } = filesOf(context, id);
  rmSync(exit, { force: true });
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    rmSync(path, { recursive: true });
    mkdirSync(path, { mode: 0o700 });
  }
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
  const ended = session.exited.then(
    (record): ContainerState => ({ status: 'exited', exit: exitStatus(record) }),
    // The channel closed without a word: the monitor was killed.
    (): ContainerState => ({ status: 'stopped', exit: unknownEnd(entry.state) }),
  );
  const monitored: Monitored = {
    monitor,
    channel,
    ended: ended.then(async (state) => {
      context.owned.delete(id);
      channel.close();
      reapMonitor(context.native, monitor);
      if (state.status === 'stopped') await killLeftovers(context, id);
      if (!context.store.closed) {
        if (options.autoRemove && state.status === 'exited') deleteContainer(context, id);
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
