import type { HostFacts } from '../spec/facts.js';
import { cloneFlags } from '../spec/namespaces.js';
import { watchParent } from '../spec/plan-credentials.js';
import { idMapSteps } from '../spec/plan.js';
import type { Plan } from '../spec/steps.js';

/** The id maps of an ordinary user's namespace. */
export type StorageMaps = NonNullable<HostFacts['rootless']>;

/**
 * The launch plan of a worker: a user namespace when there are maps, and no other one. In a mount namespace of its own it
 * could mount where it now cannot, as an ordinary user's, or not where it is to, as root's.
 */
export function workerPlan(maps: StorageMaps | undefined): Plan {
  return [
    ['stdio', 0],
    ['clone', cloneFlags(maps ? [{ type: 'user' }] : [])],
    ...idMapSteps(maps ? { rootless: maps } : {}),
    watchParent(),
    ['no-new-privileges'],
    ['storage'],
  ];
}
