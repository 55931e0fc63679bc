import { VainaError } from '../errors.js';
import { checkedCpuset } from './cpuset.js';
import type { CgroupFacts, HostFacts } from './facts.js';
import type { OciDeviceRule, OciResources } from './oci-spec.js';
import type { ContainerOptions } from './options.js';
import { sizeOption } from './sizes.js';

/** The period of a processor quota in microseconds, the kernel's default. */
export const CPU_PERIOD = 100_000;
const DEFAULT_PIDS = 2048;
/** What helps when systemd gives a user some cgroups but not every controller. */
export const DELEGATE =
  'delegate the controllers: write [Service] and Delegate=cpu cpuset io memory pids to ' +
  '/etc/systemd/system/user@.service.d/delegate.conf, run systemctl daemon-reload and log in again';

/**
 * The limits of a container (`linux.resources`). Defaults that no cgroup can enforce are left out, limits that were asked
 * for are not.
 *
 * @throws ERR_CGROUP_NOT_DELEGATED or ERR_HOST_UNSUPPORTED when a limit was asked for and its controller is missing
 */
export function compileResources(
  options: ContainerOptions,
  host: HostFacts,
  deviceRules: readonly OciDeviceRule[],
): OciResources {
  const resources: OciResources = {};
  const memory = memoryLimits(options, host);
  if (memory) resources.memory = memory;
  const cpu = cpuLimits(options, host);
  if (cpu) resources.cpu = cpu;
  if (options.pidsLimit !== undefined) {
    const limit = options.pidsLimit <= 0 ? -1 : options.pidsLimit;
    if (limit > 0) requireController(host, 'pids', 'pidsLimit');
    if (hasController(host.cgroup, 'pids')) resources.pids = { limit };
  } else if (hasController(host.cgroup, 'pids')) {
    resources.pids = { limit: DEFAULT_PIDS };
  }
  // In a user namespace no node can be made, and bound ones are the user's own to open.
  if (!host.rootless && options.privileged !== true) {
    resources.devices = [{ allow: false, access: 'rwm' }, ...deviceRules];
  }
  return resources;
}

function memoryLimits(options: ContainerOptions, host: HostFacts): OciResources['memory'] {
  const limit = sizeOption('memory', options.memory);
  const reservation = sizeOption('memoryReservation', options.memoryReservation);
  if (limit === undefined && reservation === undefined) return undefined;
  requireController(host, 'memory', limit === undefined ? 'memoryReservation' : 'memory');
  const swap = limit === undefined ? undefined : swapLimit(options, host, limit);
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(swap === undefined ? {} : { swap }),
    ...(reservation === undefined ? {} : { reservation }),
  };
}

/** Memory and swap together; by default twice the memory, where swap is accounted for at all. */
function swapLimit(options: ContainerOptions, host: HostFacts, limit: number): number | undefined {
  const asked =
    options.memorySwap === -1 || options.memorySwap === '-1'
      ? -1
      : sizeOption('memorySwap', options.memorySwap);
  if (host.swapAccounting) return asked ?? limit * 2;
  if (asked === undefined || asked === -1) return undefined;
  throw new VainaError('ERR_HOST_UNSUPPORTED', 'memorySwap: swap is not accounted for on this host', {
    subject: 'memorySwap',
    hint: 'boot with swapaccount=1, or leave memorySwap out',
  });
}

function cpuLimits(options: ContainerOptions, host: HostFacts): OciResources['cpu'] {
  const cpu: NonNullable<OciResources['cpu']> = {};
  if (options.cpus !== undefined && options.cpus !== 0) {
    requireController(host, 'cpu', 'cpus');
    cpu.quota = Math.round(options.cpus * CPU_PERIOD);
    cpu.period = CPU_PERIOD;
  }
  if (options.cpuShares !== undefined) {
    requireController(host, 'cpu', 'cpuShares');
    cpu.shares = options.cpuShares;
  }
  if (options.cpuset !== undefined) {
    requireController(host, 'cpuset', 'cpuset');
    cpu.cpus = checkedCpuset(options.cpuset, host.onlineCpus);
  }
  return Object.keys(cpu).length > 0 ? cpu : undefined;
}

/** Whether a container's cgroup can have this controller. */
export function hasController(cgroup: CgroupFacts, controller: string): boolean {
  return cgroup.version !== 0 && cgroup.controllers.includes(controller);
}

/**
 * Checks that the limits of a spec can be enforced where it is started, which need not be where it was made: an ordinary
 * user has cgroups in one session, and none in another.
 *
 * @throws ERR_CGROUP_NOT_DELEGATED or ERR_HOST_UNSUPPORTED
 */
export function requireControllers({ memory, cpu, pids }: OciResources, host: HostFacts): void {
  if (memory) requireController(host, 'memory', 'memory');
  if (cpu?.quota !== undefined || cpu?.shares !== undefined) requireController(host, 'cpu', 'cpus');
  if (cpu?.cpus !== undefined) requireController(host, 'cpuset', 'cpuset');
  // The default is a precaution that nobody asked for.
  if (pids && pids.limit > 0 && pids.limit !== DEFAULT_PIDS) requireController(host, 'pids', 'pidsLimit');
}

function requireController(host: HostFacts, controller: string, option: string): void {
  const { cgroup } = host;
  if (hasController(cgroup, controller)) return;
  const why = cgroup.version === 0 ? cgroup.reason : `the ${controller} controller is not available`;
  if (host.rootless) {
    throw new VainaError('ERR_CGROUP_NOT_DELEGATED', `${option} cannot be enforced: ${why}`, {
      subject: option,
      hint: cgroup.version === 0 ? cgroup.hint : DELEGATE,
    });
  }
  throw new VainaError('ERR_HOST_UNSUPPORTED', `${option} cannot be enforced: ${why}`, {
    subject: option,
    hint: `mount cgroup v2, or cgroup v1 with the ${controller} controller`,
  });
}
