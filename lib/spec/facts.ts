import type { ImageRuntimeConfig } from '../oci/types.js';

/** One line of an id map. */
export interface IdMapping {
  containerId: number;
  hostId: number;
  size: number;
}

/** How cgroups are here, and where a container's cgroup may be made. */
export type CgroupFacts =
  | {
      version: 2;
      /** The directory below which the engine makes one directory for each container. */
      parent: string;
      /** Controllers that can be used below `parent`. */
      controllers: readonly string[];
      /** Directories from the first one that needs it down to `parent`, whose subtree_control must list the controllers. */
      enable: readonly string[];
      /**
       * Where the monitor of a detached container moves, out of the cgroup of the program that starts it. Absent where it
       * can stay, and where it may not move.
       */
      monitors?: string;
    }
  | {
      version: 1;
      /** controller → the directory below which the engine makes one directory for each container. */
      parents: Readonly<Record<string, string>>;
      controllers: readonly string[];
    }
  /** No cgroup can be made; `reason` says why, `hint` what would help. */
  | { version: 0; reason: string; hint: string };

/** A device node of the host. */
export interface DeviceFacts {
  path: string;
  type: 'c' | 'b' | 'p';
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

/** All that the pure compilers know of the host. */
export interface HostFacts {
  uid: number;
  gid: number;
  /** Set for an ordinary user: the maps of the user namespace. */
  rootless?: {
    uidMap: readonly IdMapping[];
    gidMap: readonly IdMapping[];
    /** Paths of newuidmap and newgidmap; absent with a single id, whose map the kernel lets us write. */
    uidHelper?: string;
    gidHelper?: string;
  };
  cgroup: CgroupFacts;
  /** As `process.arch` says. */
  architecture: string;
  /** major.minor of the kernel. */
  kernel: readonly [number, number];
  /** The highest capability the kernel knows (/proc/sys/kernel/cap_last_cap). */
  lastCapability: number;
  /** The engine's own capabilities (effective), as a mask by number: what privileged cannot exceed. */
  capabilities: bigint;
  /** The engine's own hard and soft limits: name (RLIMIT_NOFILE) → values. */
  rlimits: Readonly<Record<string, { soft: bigint; hard: bigint }>>;
  /** Whether the kernel has /proc/kcore. */
  kcore: boolean;
  /** Processors that are online, e.g. `0-3`. */
  onlineCpus: string;
  /** Whether swap is accounted for in the memory controller. */
  swapAccounting: boolean;
  /** Whether AppArmor, SELinux are active (neither is used yet). */
  umask: number;
}

/** All that the pure compilers know of this container's surroundings: looked up by the engine beforehand. */
export interface ContainerFacts {
  id: string;
  name: string;
  /** Absent with `rootfs`. */
  image?: ImageRuntimeConfig;
  /** Text of the container's /etc/passwd and /etc/group (at most 1 MiB each); absent when there is none. */
  passwd?: string;
  group?: string;
  /** Host devices that the options name (a directory yields several), by the path asked for. */
  devices: Readonly<Record<string, readonly DeviceFacts[]>>;
  /** With `privileged`: every device node below the host's /dev. */
  hostDevices: readonly DeviceFacts[];
  /** For each bind source: what it is, or 'missing'. */
  sources: Readonly<Record<string, 'file' | 'directory' | 'other' | 'missing'>>;
  /** Text of a seccomp profile file that securityOpt names. */
  seccompProfile?: string;
}

/** Where a container lives on the host. */
export interface ContainerPaths {
  /** containers/ID below the root. */
  directory: string;
  /** containers/ID below the runroot. */
  runDirectory: string;
  /** Overlay: lower directories, top first; empty with a plain rootfs. */
  lower: readonly string[];
  /** Overlay: absent with a plain rootfs. */
  upper?: string;
  work?: string;
  /** Where the root is mounted in the container's own mount namespace (a directory that exists). */
  staging: string;
  /** A plain rootfs. */
  rootfs?: string;
  /** Where the monitor writes how the container ended. */
  exitRecord: string;
  /** The log file; absent with logDriver none. */
  log?: string;
  /** Files of the engine bound over the image's: /etc/hosts, /etc/hostname, /etc/resolv.conf, /run/.containerenv → host path. */
  managedFiles: Readonly<Record<string, string>>;
}
