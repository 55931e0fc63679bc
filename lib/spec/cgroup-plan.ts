import { VainaError } from '../errors.js';
import { compileDeviceFilter } from './device-filter.js';
import { STANDARD_RULES } from './devices.js';
import type { CgroupFacts } from './facts.js';
import type { OciDeviceRule, OciResources } from './oci-spec.js';
import type { Step } from './steps.js';

type V1 = Extract<CgroupFacts, { version: 1 }>;
type V2 = Extract<CgroupFacts, { version: 2 }>;

/** Controllers of cgroup v1 that every container has: limits by default, and figures. */
const V1_ALWAYS = ['memory', 'pids', 'devices', 'cpuacct'];

/**
 * Those that come with a limit of memory or processors: a Java virtual machine looks at no limit unless cpu, cpuacct and
 * cpuset are there beside memory. Without a limit they would only cost a start half a millisecond.
 */
const V1_WITH_LIMITS = ['cpu', 'cpuset', 'blkio', 'freezer'];

/** The steps of a container's cgroup: those of the host phase, those of the after phase. */
export interface CgroupSteps {
  host: Step[];
  after: Step[];
}

/**
 * Directories, limits and device rules of a container's cgroup. Without a cgroup there are none.
 *
 * @param id - of the container: the name of the directory
 */
export function compileCgroupSteps(id: string, resources: OciResources, cgroup: CgroupFacts): CgroupSteps {
  // It becomes a part of paths that root removes.
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(id)) {
    throw new VainaError('ERR_INTERNAL', `${JSON.stringify(id)} is no id of a container`);
  }
  if (cgroup.version === 0) return { host: [], after: [] };
  return cgroup.version === 2 ? v2Steps(id, resources, cgroup) : v1Steps(id, resources, cgroup);
}

function v2Steps(id: string, resources: OciResources, cgroup: V2): CgroupSteps {
  const directory = `${cgroup.parent}/${id}`;
  const host: Step[] = [];
  if (cgroup.enable.length > 0) {
    host.push(['cgroup-dir', cgroup.parent]);
    const value = cgroup.controllers.map((name) => `+${name}`).join(' ');
    for (const above of cgroup.enable) host.push(['cgroup-write', `${above}/cgroup.subtree_control`, value]);
  }
  host.push(['cgroup-dir', directory]);
  for (const [file, value] of v2Limits(resources)) {
    // The limit that nobody asked for, where it cannot be had.
    if (file === 'pids.max' && !cgroup.controllers.includes('pids')) continue;
    host.push(['cgroup-write', `${directory}/${file}`, value]);
  }
  if (resources.devices) {
    host.push(['cgroup-device-filter', directory, compileDeviceFilter(withStandard(resources.devices))]);
  }
  host.push(['cgroup-enter', directory]);
  return { host, after: [['cgroup-remove', directory]] };
}

/** Files of a cgroup v2 and what to write to them, in this order. */
export function v2Limits(resources: OciResources): [string, string][] {
  const { memory, cpu, pids } = resources;
  const writes: [string, string][] = [];
  if (memory?.swap !== undefined) writes.push(['memory.swap.max', swapOnly(memory.swap, memory.limit)]);
  if (memory?.limit !== undefined) writes.push(['memory.max', limit(memory.limit)]);
  if (memory?.reservation !== undefined) writes.push(['memory.low', limit(memory.reservation)]);
  if (cpu?.shares !== undefined) writes.push(['cpu.weight', String(cpuWeight(cpu.shares))]);
  if (cpu?.quota !== undefined) writes.push(['cpu.max', `${limit(cpu.quota)} ${cpu.period ?? 100_000}`]);
  if (cpu?.cpus !== undefined) writes.push(['cpuset.cpus', cpu.cpus]);
  if (pids) writes.push(['pids.max', limit(pids.limit)]);
  return writes;
}

function limit(value: number): string {
  return value < 0 ? 'max' : String(value);
}

/** The runtime spec limits memory and swap together, cgroup v2 swap alone. */
function swapOnly(swap: number, memory: number | undefined): string {
  return swap < 0 ? 'max' : String(Math.max(0, swap - (memory ?? 0)));
}

/**
 * cpu.shares (2 to 262144, default 1024) as cpu.weight (1 to 10000, default 100), by the curve of the OCI runtimes: a
 * parabola in the logarithms through the three pairs.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

function v1Steps(id: string, resources: OciResources, cgroup: V1): CgroupSteps {
  const directories = v1Directories(id, resources, cgroup);
  const unique = [...new Set(directories.values())];
  const host: Step[] = unique.map((directory) => ['cgroup-dir', directory]);
  const cpuset = directories.get('cpuset');
  if (cpuset !== undefined) host.push(...inheritCpuset(cpuset));
  for (const [controller, file, value] of v1Limits(resources)) {
    const directory = directories.get(controller);
    if (directory !== undefined) host.push(['cgroup-write', `${directory}/${file}`, value]);
  }
  host.push(...unique.map((directory): Step => ['cgroup-enter', directory]));
  return { host, after: unique.map((directory) => ['cgroup-remove', directory]) };
}

/** Controller → the container's directory, of those that are there; controllers mounted together share one. */
export function v1Directories(id: string, resources: OciResources, cgroup: V1): Map<string, string> {
  const directories = new Map<string, string>();
  const limited = resources.memory !== undefined || resources.cpu !== undefined;
  for (const controller of limited ? [...V1_ALWAYS, ...V1_WITH_LIMITS] : V1_ALWAYS) {
    const parent = cgroup.parents[controller];
    if (parent !== undefined) directories.set(controller, `${parent}/${id}`);
  }
  return directories;
}

/** A cpuset of v1 starts empty, and no process may enter one whose processors or memory nodes are empty. */
function inheritCpuset(directory: string): Step[] {
  const steps: Step[] = [];
  for (const at of chain(directory)) {
    steps.push(['cgroup-inherit', at, 'cpuset.cpus'], ['cgroup-inherit', at, 'cpuset.mems']);
  }
  return steps;
}

/** The directory and those above it, topmost first, as far as they lie below a hierarchy of /sys/fs/cgroup. */
function chain(directory: string): string[] {
  const parts = directory.split('/');
  const first = directory.startsWith('/sys/fs/cgroup/') ? 6 : parts.length - 1;
  return parts.slice(first - 1).map((_, index) => parts.slice(0, first + index).join('/'));
}

/** Controllers and files of cgroup v1 and what to write to them, in this order. */
export function v1Limits(resources: OciResources): [string, string, string][] {
  const { memory, cpu, pids, devices } = resources;
  const writes: [string, string, string][] = [];
  const add = (controller: string, file: string, value: number | string | undefined): void => {
    if (value !== undefined) writes.push([controller, file, String(value)]);
  };
  // The limit of memory and swap together may never be below that of memory.
  add('memory', 'memory.limit_in_bytes', memory?.limit);
  add('memory', 'memory.memsw.limit_in_bytes', memory?.swap);
  add('memory', 'memory.soft_limit_in_bytes', memory?.reservation);
  add('cpu', 'cpu.shares', cpu?.shares);
  add('cpu', 'cpu.cfs_period_us', cpu?.quota === undefined ? undefined : (cpu.period ?? 100_000));
  add('cpu', 'cpu.cfs_quota_us', cpu?.quota);
  add('cpuset', 'cpuset.cpus', cpu?.cpus);
  add('pids', 'pids.max', pids === undefined ? undefined : limit(pids.limit));
  for (const rule of withStandard(devices ?? [])) add('devices', ...deviceWrite(rule));
  return writes;
}

function deviceWrite(rule: OciDeviceRule): [string, string] {
  const file = rule.allow ? 'devices.allow' : 'devices.deny';
  const any = (number: number | undefined): string =>
    number === undefined || number < 0 ? '*' : String(number);
  if (rule.type === undefined || rule.type === 'a') return [file, 'a'];
  return [file, `${rule.type} ${any(rule.major)}:${any(rule.minor)} ${rule.access}`];
}

/** The runtime spec leaves the standard nodes to the runtime: they come right after what is denied to start with. */
function withStandard(rules: readonly OciDeviceRule[]): OciDeviceRule[] {
  if (rules.length === 0) return [];
  return [...rules.slice(0, 1), ...STANDARD_RULES, ...rules.slice(1)];
}
