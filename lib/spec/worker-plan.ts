import type { HostFacts } from './facts.js';
import { CLONE_FLAGS } from './namespaces.js';
import { idMapSteps } from './plan.js';
import { watchParent } from './plan-credentials.js';
import type { Plan } from './steps.js';

const MS_REC_PRIVATE = 0x4_4000;

/**
 * The plan of a storage worker: it unpacks and removes trees with the ids that containers have, in a user namespace of
 * the same maps for an ordinary user, and in a mount namespace of its own. It lives as long as its descriptor 3 is open.
 */
export function compileWorkerPlan(host: HostFacts): Plan {
  const flags = (host.rootless ? CLONE_FLAGS.user : 0) | CLONE_FLAGS.mount;
  return [
    ['stdio', 0],
    ['clone', flags],
    ...idMapSteps(host),
    watchParent(),
    ['propagation', MS_REC_PRIVATE],
    ['umask', 0],
    ['no-new-privileges'],
    ['storage'],
  ];
}
