import type { OciSeccomp, OciSpec } from '../spec/oci-spec.js';
import { compilePlan } from '../spec/plan.js';
import type { LaunchPolicy } from '../spec/policy.js';
import { seccompProgram } from '../spec/seccomp-program.js';
import { rangeFilter } from '../spec/seccomp-ranges.js';
import type { Plan } from '../spec/steps.js';
import { requireContainer, type Entry } from './catalogue.js';
import type { Context } from './context.js';
import { pathsOf } from './files.js';
import { prepareHost } from './prepare.js';
import { treesOf } from './root-source.js';
import { settledSpec } from './spec-file.js';
import type { StartOptions } from './start.js';

/** The launch plan of a container, as it would be started now. */
export function planOf(context: Context, entry: Entry, spec: OciSpec, options: StartOptions): Plan {
  const { id, options: wanted } = entry.record;
  const host = prepareHost(context);
  const paths = pathsOf(context, id, { trees: treesOf(context, entry.record.imageId, wanted) }, wanted);
  const seccomp = seccompFilter(context, spec.linux.seccomp);
  return compilePlan(spec, {
    id,
    paths,
    host,
    policy: policyOf(entry, options),
    ...(seccomp ? { seccomp } : {}),
  });
}

/** The plan of a container that is not about to be started. */
export async function planContainer(context: Context, id: string): Promise<Plan> {
  const entry = requireContainer(context, id);
  return planOf(context, entry, await settledSpec(context, id), {});
}

/**
 * Whoever keeps no log, no terminal and no open stdin needs no copying: the process then gets the descriptors themselves,
 * at the price that nobody can attach later.
 */
function policyOf(entry: Entry, { rows = 0, columns = 0, stdio }: StartOptions): LaunchPolicy {
  const { policy } = entry.record;
  if (policy.terminal) return { ...policy, terminal: { rows, columns } };
  if (!policy.log && !policy.keepStdin) return { ...policy, stdio: 'direct' };
  // Whoever gives it an input at its start means the end of that input too.
  const given = stdio !== undefined && stdio[0] !== 'ignore';
  return given ? { ...policy, keepStdin: false } : policy;
}

/** The compiled filter of a profile, from the engine's cache: compiling takes some milliseconds. */
export function seccompFilter(context: Context, profile: OciSeccomp | undefined): Buffer | undefined {
  if (!profile) return undefined;
  const known = context.filters.get(profile);
  if (known) return known;
  const key = JSON.stringify(profile, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  let filter = context.seccomp.get(key);
  if (!filter) {
    filter = rangeFilter(context.native.compileSeccomp(seccompProgram(profile)));
    context.seccomp.set(key, filter);
  }
  context.filters.set(profile, filter);
  return filter;
}
