import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlChannel, reapMonitor } from '../native/control.js';
import { encodePlan } from '../spec/encode.js';
import type { Plan, Step } from '../spec/steps.js';
import { allContainers, deleteContainer, findContainer } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { removeFiles } from './remove.js';
import { readTruth } from './sync.js';

/** The cgroups that a container has, or had. */
export function cgroupsOf(context: Context, id: string): string[] {
  const { cgroup } = context.host;
  if (cgroup.version === 0) return [];
  const parents = cgroup.version === 2 ? [cgroup.parent] : Object.values(cgroup.parents);
  return parents.map((parent) => join(parent, id)).filter((directory) => existsSync(directory));
}

/**
 * Kills what a lost monitor left behind, and removes its cgroups: by the cgroup, never by a pid. The monitor's program
 * does it, as the after phase of a plan that has nothing else.
 */
export async function killLeftovers(context: Context, id: string): Promise<void> {
  const plan: Plan = cgroupsOf(context, id).map((directory): Step => ['cgroup-remove', directory]);
  if (plan.length === 0) return;
  const { pid, channel } = ControlChannel.launch(context.native, encodePlan(plan), [-1, -1, -1]);
  channel.ref();
  // It closes its end when it is done.
  await channel.closed;
  channel.unref();
  reapMonitor(context.native, pid);
}

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
    // Somebody is at it: starting it, or removing it.
    const lock = context.store.locks.tryAcquire(`container-${id}`);
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

/** Directories of containers that were never entered: whoever makes one holds this lock, shared, until it is. */
async function removeOrphans(context: Context): Promise<void> {
  const names = await readdir(join(context.root, 'containers'));
  if (names.every((name) => findContainer(context, name))) return;
  const lock = context.store.locks.tryAcquire('containers');
  if (!lock) return;
  await using _lock = lock;
  for (const name of names) if (!findContainer(context, name)) await removeFiles(context, name);
}
