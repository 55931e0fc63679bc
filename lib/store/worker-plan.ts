import type { HostFacts, IdMapping } from '../spec/facts.js';
import type { Step } from '../spec/steps.js';

/** The id maps of an ordinary user's namespace. */
export type StorageMaps = NonNullable<HostFacts['rootless']>;

const CLONE_NEWUSER = 0x1000_0000;

/** The launch plan of a worker: its own user namespace when there are maps, and nothing else. */
export function workerPlan(maps: StorageMaps | undefined): Step[] {
  const plan: Step[] = [
    ['stdio', 0],
    ['clone', maps ? CLONE_NEWUSER : 0],
  ];
  if (maps) {
    plan.push(['uid-map', maps.uidHelper ?? '', mapLines(maps.uidMap)]);
    plan.push(['gid-map', maps.gidHelper ?? '', mapLines(maps.gidMap)]);
    if (maps.gidHelper === undefined) plan.push(['setgroups-deny']);
  }
  plan.push(['storage']);
  return plan;
}

function mapLines(map: readonly IdMapping[]): string {
  return map.map((line) => `${line.containerId} ${line.hostId} ${line.size}\n`).join('');
}
