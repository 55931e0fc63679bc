import { checkCommand, compileExecSetting, type ExecFacts } from '../../../lib/spec/exec-plan.js';
import type { OciSpec } from '../../../lib/spec/oci-spec.js';
import type { ExecOptions } from '../../../lib/spec/options.js';
import type { Plan } from '../../../lib/spec/steps.js';
import { defaultSeccomp } from '../../../lib/spec/seccomp.js';
import type { ContainerFacts, ContainerPaths, HostFacts } from '../../../lib/spec/facts.js';

const INFINITY = 0xffff_ffff_ffff_ffffn;

export const ID = '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';

const COMMON = {
  architecture: 'x64',
  kernel: [6, 1] as const,
  lastCapability: 40,
  rlimits: {
    RLIMIT_NOFILE: { soft: 20000n, hard: 20000n },
    RLIMIT_NPROC: { soft: 4096n, hard: 8192n },
    RLIMIT_CORE: { soft: 0n, hard: INFINITY },
  },
  kcore: true,
  onlineCpus: '0-1',
  umask: 0o22,
};

/** A host with cgroup v1, where the engine has all capabilities. */
export const ROOT_V1: HostFacts = {
  ...COMMON,
  uid: 0,
  gid: 0,
  capabilities: (1n << 41n) - 1n,
  swapAccounting: true,
  cgroup: {
    version: 1,
    parents: Object.fromEntries(
      ['memory', 'pids', 'devices', 'cpuacct', 'freezer', 'cpu', 'cpuset', 'blkio'].map((name) => [
        name,
        `/sys/fs/cgroup/${name}/vaina`,
      ]),
    ),
    controllers: ['memory', 'pids', 'devices', 'cpuacct', 'freezer', 'cpu', 'cpuset', 'blkio'],
  },
};

/** A host with cgroup v2. */
export const ROOT_V2: HostFacts = {
  ...ROOT_V1,
  cgroup: {
    version: 2,
    parent: '/sys/fs/cgroup/vaina',
    controllers: ['cpu', 'cpuset', 'memory', 'pids'],
    enable: ['/sys/fs/cgroup', '/sys/fs/cgroup/vaina'],
  },
};

/** An ordinary user with a range of subordinate ids and a delegated cgroup. */
export const ROOTLESS: HostFacts = {
  ...COMMON,
  uid: 1000,
  gid: 1000,
  capabilities: 0n,
  swapAccounting: true,
  rootless: {
    uidMap: [
      { containerId: 0, hostId: 1000, size: 1 },
      { containerId: 1, hostId: 100000, size: 65536 },
    ],
    gidMap: [
      { containerId: 0, hostId: 1000, size: 1 },
      { containerId: 1, hostId: 100000, size: 65536 },
    ],
    uidHelper: '/usr/bin/newuidmap',
    gidHelper: '/usr/bin/newgidmap',
  },
  cgroup: {
    version: 2,
    parent: '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/vaina',
    controllers: ['memory', 'pids'],
    enable: [],
  },
};

/** An ordinary user with nothing but his own id. */
export const SINGLE_ID: HostFacts = {
  ...ROOTLESS,
  rootless: {
    uidMap: [{ containerId: 0, hostId: 1000, size: 1 }],
    gidMap: [{ containerId: 0, hostId: 1000, size: 1 }],
  },
  cgroup: { version: 0, reason: 'cgroups v1 cannot be delegated to an ordinary user', hint: 'use cgroup v2' },
};

export const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/bin/false
alice:x:1000:1000::/home/alice:/bin/sh
toor:x:0:0::/toor:/bin/sh
1001:x:0:0::/root:/bin/sh
`;

export const GROUP = `root:x:0:
staff:x:50:alice,bob
alice:x:1000:
wheel:x:10:root,alice
alice2:x:1000:alice
huge:x:70000:alice
`;

export const FACTS: ContainerFacts = {
  id: ID,
  name: 'quiet_seed',
  image: {
    Env: ['PATH=/usr/bin:/bin', 'LANG=C.UTF-8'],
    Cmd: ['/bin/sh'],
    WorkingDir: '/srv',
    StopSignal: 'SIGINT',
  },
  passwd: PASSWD,
  group: GROUP,
  devices: {
    '/dev/fuse': [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }],
  },
  hostDevices: [
    { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
    { path: '/dev/vda', type: 'b', major: 254, minor: 0, fileMode: 0o660, uid: 0, gid: 6 },
  ],
  sources: { '/srv/data': 'directory', '/srv/file': 'file', '/gone': 'missing' },
};

export const PATHS: ContainerPaths = {
  directory: `/var/lib/vaina/containers/${ID}`,
  exitRecord: `/var/lib/vaina/containers/${ID}/exit`,
  runDirectory: `/run/vaina/containers/${ID}`,
  lower: ['/var/lib/vaina/layers/b/diff', '/var/lib/vaina/layers/a/diff'],
  upper: `/var/lib/vaina/containers/${ID}/upper`,
  work: `/var/lib/vaina/containers/${ID}/work`,
  staging: `/var/lib/vaina/containers/${ID}/merged`,
  log: `/var/lib/vaina/containers/${ID}/log`,
  managedFiles: {
    '/etc/hosts': `/run/vaina/containers/${ID}/hosts`,
    '/etc/hostname': `/run/vaina/containers/${ID}/hostname`,
    '/etc/resolv.conf': `/run/vaina/containers/${ID}/resolv.conf`,
    '/run/.containerenv': `/run/vaina/containers/${ID}/containerenv`,
  },
};

/** Stands in for a compiled filter. */
export const FILTER = new Uint8Array(8);

/** The section that a container with the default capabilities gets. */
export const seccompOf = defaultSeccomp;

/** The whole plan of an exec. */
export function compileExecPlan(
  spec: OciSpec,
  options: ExecOptions,
  { command, ...facts }: ExecFacts & { command: readonly string[] },
): Plan {
  checkCommand(command);
  return [...compileExecSetting(spec, options, facts), ['exec', ...command]];
}
