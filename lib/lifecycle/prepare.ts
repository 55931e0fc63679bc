import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostFacts } from '../spec/facts.js';
import { prepareCgroups } from './cgroups.js';
import type { Context } from './context.js';

/** The host as the compilers need it for a container: with cgroups that can be used. Prepared once for an engine. */
export function prepareHost(context: Context): HostFacts {
  if (!context.cgroupsPrepared) {
    const cgroup = prepareCgroups(context.host.cgroup);
    const swapAccounting =
      cgroup.version === 2 ? existsSync(join(cgroup.parent, 'memory.swap.max')) : context.host.swapAccounting;
    context.host = { ...context.host, cgroup, swapAccounting };
    context.cgroupsPrepared = true;
  }
  return context.host;
}
