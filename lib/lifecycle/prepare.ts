import type { HostFacts } from '../spec/facts.js';
import { prepareCgroups } from './cgroups.js';
import type { Context } from './context.js';

/** The host as the compilers need it for a container: with cgroups that can be used. Prepared once for an engine. */
export function prepareHost(context: Context): HostFacts {
  if (!context.cgroupsPrepared) {
    context.host = { ...context.host, cgroup: prepareCgroups(context.host.cgroup) };
    context.cgroupsPrepared = true;
  }
  return context.host;
}
