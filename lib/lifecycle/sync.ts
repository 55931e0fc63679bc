import { readFileSync } from 'node:fs';
import { VainaError } from '../errors.js';
import { parseExitRecord } from '../native/messages.js';
import type { Entry } from './catalogue.js';
import { trySaveState } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { killLeftovers } from './lost.js';
import { exitStatus } from './exit-status.js';
import type { ContainerState, ExitStatus } from './records.js';
import type { Status } from './state.js';

/** The truth about a container at this moment. */
export interface Truth {
  status: Status;
  state: ContainerState;
  /** Process id of its main process on the host; 0 unless it runs. */
  pid: number;
}

/**
 * Reads the truth: the `alive` lock first, then the exit record; the catalogue only for what came before. What it
 * learns is saved, so that the next reader finds it there.
 */
export function readTruth(context: Context, entry: Entry): Truth {
  const { record, state } = entry;
  const files = filesOf(context, record.id);
  if (state.status !== 'running') return { status: state.status, state, pid: 0 };
  if (context.native.isLocked(files.alive)) return { status: 'running', state, pid: readPid(files.pid) };
  const ended: ContainerState = { ...state, ...endOf(context, record.id, state) };
  trySaveState(context, record.id, ended);
  // Whoever needs them gone waits for it himself; a failure shows there.
  if (ended.status === 'stopped') void killLeftovers(context, record.id).catch(() => undefined);
  return { status: ended.status, state: ended, pid: 0 };
}

/** How a container ended whose monitor is gone: by its exit record, or nobody knows. */
function endOf(context: Context, id: string, state: ContainerState): Pick<ContainerState, 'status' | 'exit'> {
  const { exit, exitOnFullDisk } = filesOf(context, id);
  const record = readExit(exit) ?? readExit(exitOnFullDisk);
  return record ? { status: 'exited', exit: record } : { status: 'stopped', exit: unknownEnd(state) };
}

/** An end that nobody saw. */
export function unknownEnd(state: ContainerState): ExitStatus {
  return {
    exitCode: -1,
    signal: null,
    oomKilled: false,
    startedAt: new Date(state.startedAt ?? 0),
    finishedAt: new Date(),
    peakMemory: 0,
    cpuTime: 0,
    unknown: true,
  };
}

function readExit(path: string): ExitStatus | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new VainaError('ERR_IO', `cannot read the exit record ${path}`, { path, cause: error });
  }
  return exitStatus(parseExitRecord(bytes));
}

function readPid(path: string): number {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || 0;
  } catch {
    // Between the lock and the first step there is no process yet.
    return 0;
  }
}
