import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ControlChannel, reapMonitor } from '../native/control.js';
import { encodePlan } from '../spec/encode.js';
import type { Plan, Step } from '../spec/steps.js';
import { filesOf, type Context } from './context.js';

/** The cgroups that a container has, or had. */
export function cgroupsOf(context: Context, id: string): string[] {
  const { cgroup } = context.host;
  if (cgroup.version === 0) return [];
  const parents = cgroup.version === 2 ? [cgroup.parent] : Object.values(cgroup.parents);
  return parents.map((parent) => join(parent, id)).filter((directory) => existsSync(directory));
}

/**
 * Kills what a lost monitor left behind, and removes its cgroups and its directory: by the cgroup, never by a pid. The monitor's program
 * does it, as the after phase of a plan that has nothing else.
 */
export async function killLeftovers(context: Context, id: string): Promise<void> {
  rmSync(filesOf(context, id).runDirectory, { recursive: true, force: true });
  const plan: Plan = cgroupsOf(context, id).map((directory): Step => ['cgroup-remove', directory]);
  if (plan.length === 0) return;
  const { pid, channel } = ControlChannel.launch(context.native, encodePlan(plan), [-1, -1, -1]);
  channel.ref();
  // It closes its end when it is done.
  await channel.closed;
  channel.unref();
  reapMonitor(context.native, pid);
}
