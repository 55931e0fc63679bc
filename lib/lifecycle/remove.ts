import { rmSync } from 'node:fs';
import { VainaError } from '../errors.js';
import type { Lock } from '../store/locks.js';
import { deleteContainer, findContainer, trySaveState } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { publish } from './events.js';
import { killLeftovers } from './lost.js';
import { lockContainer } from './lock.js';
import { assertAllowed } from './state.js';
import { stopLocked } from './stop.js';
import { readTruth } from './sync.js';

/** How a container is removed. */
export interface RemoveOptions {
  /** Stop it first if it runs. Default false: a running one is refused. */
  force?: boolean;
  /** With `force`: seconds between the stop signal and SIGKILL. Default: the container's own stopTimeout. */
  timeout?: number;
}

/** Removes a container, its files and its entry. */
export async function removeContainer(context: Context, id: string, options: RemoveOptions): Promise<void> {
  let lock: Lock;
  try {
    lock = await lockContainer(context, id);
  } catch (error) {
    if (!VainaError.is(error, 'ERR_NO_SUCH_CONTAINER')) throw error;
    // Its files are gone already: by its auto-removal, or by another process while we waited.
    deleteContainer(context, id);
    return;
  }
  await using _lock = lock;
  const entry = findContainer(context, id);
  if (!entry) return;
  if (options.force && readTruth(context, entry).status === 'running') {
    await stopLocked(context, id, options.timeout);
    if (!findContainer(context, id)) return;
  }
  const { status, state } = readTruth(context, entry);
  assertAllowed('remove', status, entry.record.name);
  if (status === 'stopped') await killLeftovers(context, id);
  // Saved first: after a crash in between, the next opener knows to finish this.
  trySaveState(context, id, { ...state, status: 'removing' });
  await removeFiles(context, id);
  deleteContainer(context, id);
  publish('remove', id);
}

/** Removes what a container has on disk. */
export async function removeFiles(context: Context, id: string): Promise<void> {
  const files = filesOf(context, id);
  rmSync(files.runDirectory, { recursive: true, force: true });
  await context.store.removeTree(files.directory);
}
