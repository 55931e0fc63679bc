import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { allContainers, deleteContainer, findContainer } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { tryLockContainer } from './lock.js';
import { killLeftovers } from './lost.js';
import { removeFiles } from './remove.js';
import { readTruth } from './sync.js';

/**
 * What an opener does for those before it: ends of containers whose monitor was lost are saved and their processes killed,
 * removals that a crash cut short are finished, directories that never got an entry go.
 */
export async function recover(context: Context): Promise<void> {
  for (const entry of allContainers(context)) {
    const { id, options } = entry.record;
    if (context.owned.has(id)) continue;
    const interrupted = entry.state.status === 'removing';
    if (entry.state.status !== 'running' && !interrupted) continue;
    if (context.native.isLocked(filesOf(context, id).alive)) continue;
    if (!existsSync(filesOf(context, id).directory)) {
      // Its monitor removed its files, and nobody was there to remove the entry.
      deleteContainer(context, id);
      continue;
    }
    const lock = tryLockContainer(context, id);
    // Somebody is at it: starting it, or removing it.
    if (!lock) continue;
    await using _lock = lock;
    const current = findContainer(context, id);
    if (!current) continue;
    if (!interrupted) {
      const { status } = readTruth(context, current);
      if (status === 'running') continue;
      await killLeftovers(context, id);
    }
    if (interrupted || options.autoRemove) {
      await removeFiles(context, id);
      deleteContainer(context, id);
    }
  }
  await removeOrphans(context);
}

/**
 * Directories of containers that were never entered, for which whoever makes one holds this lock, shared, until it is; and of
 * those whose entry is gone already, while their monitor cleaned up.
 */
async function removeOrphans(context: Context): Promise<void> {
  const names = await readdir(join(context.root, 'containers'));
  const entered = new Set(context.store.containers.list().map(({ id }) => id));
  if (names.every((name) => entered.has(name))) return;
  const lock = context.store.locks.tryAcquire('containers');
  if (!lock) return;
  await using _lock = lock;
  for (const name of names) {
    if (findContainer(context, name) || context.native.isLocked(filesOf(context, name).alive)) continue;
    await killLeftovers(context, name);
    await removeFiles(context, name);
  }
}
