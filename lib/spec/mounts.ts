import type { CompiledDevices } from './devices.js';
import type { ContainerFacts, ContainerPaths, HostFacts } from './facts.js';
import { invalid } from './invalid.js';
import { isUnmasked } from './masks.js';
import type { OciMount } from './oci-spec.js';
import type { ContainerOptions } from './options.js';
import { cleanPath, isBelow, pathDepth } from './paths.js';
import type { SecurityOptions } from './security-opt.js';
import { sizeOption } from './sizes.js';
import { parseVolume, tmpfsMount, volumeMount } from './volumes.js';

/** The group that owns terminals, on every distribution. */
const TTY_GROUP = 5;
const DEFAULT_SHM_SIZE = 65536 * 1024;

/** What the mounts of a container depend on. */
export interface MountInputs {
  options: ContainerOptions;
  security: SecurityOptions;
  facts: ContainerFacts;
  host: HostFacts;
  paths: ContainerPaths;
  devices: CompiledDevices;
}

/** The `mounts` of a runtime spec: standard ones, then the user's, which replace those of the same place; parents first. */
export function compileMounts(inputs: MountInputs): OciMount[] {
  const user = userMounts(inputs);
  const taken = new Set(user.map((mount) => mount.destination));
  const ownDev = taken.has('/dev');
  const standard = [...standardMounts(inputs), ...managedMounts(inputs), ...readOnlyTmpfs(inputs)].filter(
    ({ destination }) => !taken.has(destination) && !(ownDev && isBelow(destination, '/dev')),
  );
  // A stable sort: what is mounted on a directory must be there before what is mounted below it.
  return [...standard, ...user, ...inputs.devices.binds].sort(
    (a, b) => pathDepth(a.destination) - pathDepth(b.destination),
  );
}

function userMounts({ options, facts }: MountInputs): OciMount[] {
  const mounts = [
    ...(options.volumes ?? []).map((text) => volumeMount(parseVolume(text), facts)),
    ...(options.tmpfs ?? []).map(tmpfsMount),
  ];
  const seen = new Set<string>();
  for (const { destination } of mounts) {
    if (seen.has(destination)) throw invalid('volumes', `two mounts on ${destination}`);
    seen.add(destination);
  }
  return mounts;
}

function standardMounts(inputs: MountInputs): OciMount[] {
  const { options, host } = inputs;
  const shmSize = sizeOption('shmSize', options.shmSize) ?? DEFAULT_SHM_SIZE;
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: [
        'nosuid',
        'noexec',
        'strictatime',
        'mode=755',
        'size=65536k',
        ...(allReadOnly(options) ? ['ro'] : []),
      ],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...terminalGroup(host)],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [
        'nosuid',
        'noexec',
        'nodev',
        'mode=1777',
        `size=${shmSize}`,
        ...(allReadOnly(options) ? ['ro'] : []),
      ],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    ...sysMounts(inputs),
  ];
}

function allReadOnly(options: ContainerOptions): boolean {
  return options.readOnly === true && options.readOnlyTmpfs === false;
}

function terminalGroup(host: HostFacts): string[] {
  const map = host.rootless?.gidMap;
  const mapped = map?.some(
    ({ containerId, size }) => containerId <= TTY_GROUP && TTY_GROUP < containerId + size,
  );
  return mapped === false ? [] : [`gid=${TTY_GROUP}`];
}

/** In a user namespace the kernel shows /sys only of a network namespace that belongs to it; else the host's is bound. */
function sysMounts({ options, security, host }: MountInputs): OciMount[] {
  const privileged = options.privileged === true;
  const base = ['nosuid', 'noexec', 'nodev'];
  const hostSys = host.rootless !== undefined && options.network === 'host';
  const access = privileged ? 'rw' : 'ro';
  const sys: OciMount = hostSys
    ? {
        destination: '/sys',
        type: 'bind',
        source: '/sys',
        options: ['rbind', 'rprivate', ...base, ...(privileged ? [] : ['ro', 'rro'])],
      }
    : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...base, access] };
  if (host.cgroup.version === 0) return [sys];
  const writable = privileged || isUnmasked('/sys/fs/cgroup', security.unmask);
  const cgroup: OciMount = {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: [...base, 'relatime', writable ? 'rw' : 'ro'],
  };
  return [sys, cgroup];
}

function managedMounts({ options, paths }: MountInputs): OciMount[] {
  const extra = options.readOnly === true ? ['ro', 'nosuid', 'noexec', 'nodev'] : [];
  return Object.entries(paths.managedFiles).map(([destination, source]) => ({
    destination: cleanPath(destination),
    type: 'bind',
    source,
    options: ['bind', 'rprivate', ...extra],
  }));
}

function readOnlyTmpfs({ options }: MountInputs): OciMount[] {
  if (options.readOnly !== true || options.readOnlyTmpfs === false) return [];
  return [['/run', '0755'] as const, ['/tmp', '1777'] as const, ['/var/tmp', '1777'] as const].map(
    ([destination, mode]) => ({
      destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'nodev', `mode=${mode}`],
    }),
  );
}
