import { VainaError } from '../errors.js';
import { compileCgroupSteps } from './cgroup-plan.js';
import type { ContainerPaths, HostFacts, IdMapping } from './facts.js';
import { MOUNT_ATTR } from './mount-options.js';
import { cloneFlags, hasOwn } from './namespaces.js';
import type { OciSpec } from './oci-spec.js';
import { credentialSteps, keyringName, pairSeccomp, watchParent } from './plan-credentials.js';
import { deviceSteps, mountSteps } from './plan-mounts.js';
import type { LaunchPolicy } from './policy.js';
import { requireControllers } from './resources.js';
import type { Plan, Step } from './steps.js';
import { sysctlPath } from './sysctls.js';

/** Flags of mount(2). */
const MS_REC = 0x4000;
const MS_PRIVATE = 0x4_0000;
const MS_SLAVE = 0x8_0000;

/** What a plan is compiled from beside the spec. */
export interface PlanInputs {
  /** The container's id: the name of its cgroup and keyring. */
  id: string;
  paths: ContainerPaths;
  host: HostFacts;
  policy: LaunchPolicy;
  /** The filter compiled from the spec's `linux.seccomp`, exactly when it has one. */
  seccomp?: Uint8Array;
}

/** Compiles a runtime spec to a launch plan. Pure: equal input, equal output. */
export function compilePlan(spec: OciSpec, inputs: PlanInputs): Plan {
  const { id, host, policy } = inputs;
  requireControllers(spec.linux.resources ?? {}, host);
  const cgroup = compileCgroupSteps(id, spec.linux.resources ?? {}, host.cgroup);
  return [
    ...policySteps(policy),
    ...monitorSteps(policy, host),
    ...cgroup.host,
    ...cloneSteps(spec, host),
    ...rootSteps(spec, inputs),
    ...fileSystemSteps(spec, inputs),
    ...processSteps(spec, inputs),
    ...cgroup.after,
    ...(policy.remove?.trees ?? []).map((tree): Step => ['remove-tree', tree]),
    ['remove-run-dir'],
  ];
}

function policySteps(policy: LaunchPolicy): Step[] {
  const steps: Step[] = [['run-dir', policy.runDir]];
  if (policy.log) steps.push(['log', policy.log.path, policy.log.maxSize]);
  steps.push(['stdio', policy.stdio === 'piped' ? 1 : 0]);
  if (policy.terminal) steps.push(['tty', policy.terminal.rows, policy.terminal.columns]);
  if (policy.keepStdin) steps.push(['keep-stdin']);
  steps.push(['stop', policy.stopSignal, policy.stopTimeout]);
  if (policy.detach) steps.push(['detach']);
  if (policy.exitRecord !== undefined) steps.push(['exit-record', policy.exitRecord]);
  return steps;
}

/** Whoever ends a service kills all that is in its cgroup; what is detached is not to end with it. */
function monitorSteps(policy: LaunchPolicy, { cgroup }: HostFacts): Step[] {
  if (!policy.detach || cgroup.version !== 2 || cgroup.monitors === undefined) return [];
  return [['monitor-cgroup', cgroup.monitors]];
}

function cloneSteps(spec: OciSpec, host: HostFacts): Step[] {
  const joined = spec.linux.namespaces.find((namespace) => namespace.path !== undefined);
  if (joined)
    throw new VainaError('ERR_UNSUPPORTED', `joining the ${joined.type} namespace is not supported yet`);
  return [['clone', cloneFlags(spec.linux.namespaces)], ...idMapSteps(host)];
}

/** The id maps of an ordinary user's namespaces; none for root. */
export function idMapSteps(host: Pick<HostFacts, 'rootless'>): Step[] {
  const maps = host.rootless;
  if (!maps) return [];
  return [
    // The kernel lets nobody drop groups who could not drop them before.
    ...(maps.gidHelper === undefined ? [['setgroups-deny'] as const] : []),
    ['uid-map', maps.uidHelper ?? '', mapText(maps.uidMap)],
    ['gid-map', maps.gidHelper ?? '', mapText(maps.gidMap)],
  ];
}

function mapText(map: readonly IdMapping[]): string {
  return map.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join('');
}

function rootSteps(spec: OciSpec, { paths, host, policy }: PlanInputs): Step[] {
  const propagation = spec.linux.rootfsPropagation === 'slave' ? MS_SLAVE : MS_PRIVATE;
  const steps: Step[] = [watchParent(), ['propagation', MS_REC | propagation]];
  if (paths.lower.length > 0) {
    // Nothing is to survive of what is removed at its end: no sync of the upper directory when it is unmounted.
    const options = [...(host.rootless ? ['userxattr'] : []), ...(policy.remove ? ['volatile'] : [])].join(
      ',',
    );
    steps.push(['overlay', paths.staging, paths.upper ?? '', paths.work ?? '', options, ...paths.lower]);
  } else {
    if (paths.rootfs === undefined)
      throw new VainaError('ERR_INTERNAL', 'a container has neither layers nor a rootfs');
    steps.push(['root-bind', paths.rootfs, paths.staging]);
  }
  return steps;
}

function fileSystemSteps(spec: OciSpec, { id, host, policy }: PlanInputs): Step[] {
  const { linux } = spec;
  const mounts = mountSteps(spec, id, host);
  const steps: Step[] = [...mounts.steps, ...deviceSteps(spec, host)];
  if (spec.process.terminal === true) steps.push(['console']);
  if (policy.createWorkdir && spec.process.cwd !== '/') steps.push(['mkdir', spec.process.cwd, 0o755]);
  for (const [name, value] of Object.entries(linux.sysctl ?? {}))
    steps.push(['sysctl', sysctlPath(name), value]);
  if (spec.hostname !== undefined) steps.push(['hostname', spec.hostname]);
  if (hasOwn(linux.namespaces, 'network')) steps.push(['link-up', 'lo']);
  const readonly = [...(linux.readonlyPaths ?? []), ...mounts.readonly];
  for (const path of readonly) steps.push(['readonly', path]);
  for (const path of linux.maskedPaths ?? []) steps.push(['mask', path]);
  steps.push(['pivot-root']);
  if (spec.root.readonly === true) steps.push(['root-attributes', MOUNT_ATTR.RDONLY]);
  return steps;
}

function processSteps(spec: OciSpec, { id, policy, seccomp }: PlanInputs): Step[] {
  const { process } = spec;
  const [command, ...rest] = process.args;
  if (command === undefined) throw new VainaError('ERR_INTERNAL', 'a spec has no process.args');
  return [
    ['keyring', keyringName(id)],
    ...(process.oomScoreAdj === undefined ? [] : [['oom-score-adj', String(process.oomScoreAdj)] as const]),
    // As root, like the OCI runtimes: the user need not be able to reach a directory that was asked for.
    ['workdir', process.cwd, 0],
    ['umask', process.user.umask ?? 0o022],
    ...credentialSteps(process, pairSeccomp(spec.linux.seccomp, seccomp)),
    ['env', ...process.env],
    ...(policy.init ? [['init'] as const] : []),
    ['exec', command, ...rest],
  ];
}
