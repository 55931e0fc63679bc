/** What a container is to be: podman's words where podman has them. Everything unknown is refused. */
export interface ContainerOptions {
  /** The command and its arguments; default: the image's CMD. */
  command?: readonly string[];
  /** Replaces the image's ENTRYPOINT and drops its CMD; an empty array or string removes it. */
  entrypoint?: string | readonly string[];
  /** Environment variables, over the image's. `undefined` as a value removes one. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Working directory, an absolute path in the container; default: the image's, else `/`. */
  workdir?: string;
  /** `name`, `uid`, `name:group` or `uid:gid`; default: the image's, else root. */
  user?: string;
  /** Supplementary groups, names or numbers, beside those of the image's group file. */
  groupAdd?: readonly string[];
  /** Host name; default: the first 12 characters of the container's id. */
  hostname?: string;
  /** Name of the container; default: a random one. */
  name?: string;
  /** Labels of the container, over the image's. */
  labels?: Readonly<Record<string, string>>;
  /** Annotations of the OCI runtime spec. */
  annotations?: Readonly<Record<string, string>>;
  /** Give the process a terminal. Default false. */
  tty?: boolean;
  /** Keep stdin open, even when nobody is attached. Default false. */
  stdin?: boolean;
  /** Memory limit in bytes, or with a unit: `512m`. */
  memory?: number | string;
  /** Limit of memory and swap together; -1 for no limit on swap. Default: twice `memory`. */
  memorySwap?: number | string;
  /** Soft limit of memory, in the same forms as `memory`. */
  memoryReservation?: number | string;
  /** Processor time, in processors: 0.5 is half of one. */
  cpus?: number;
  /** Relative weight of processor time, 2 to 262144 (cgroup v1 scale). */
  cpuShares?: number;
  /** Processors that may be used: `0-2,4`. */
  cpuset?: string;
  /** Most processes and threads; 0 or -1 for no limit. Default 2048. */
  pidsLimit?: number;
  /** `name=soft[:hard]`, e.g. `nofile=1024:2048`; -1 for no limit. */
  ulimits?: readonly string[];
  /** Capabilities to add, with or without `CAP_`; `ALL`. */
  capAdd?: readonly string[];
  /** Capabilities to drop, with or without `CAP_`; `ALL`. */
  capDrop?: readonly string[];
  /** All capabilities and devices, no masks, no seccomp. Default false. */
  privileged?: boolean;
  /** `seccomp=FILE`, `seccomp=unconfined`, `no-new-privileges`, `mask=PATH:PATH`, `unmask=ALL` or `unmask=PATH:PATH`. */
  securityOpt?: readonly string[];
  /** Mount the root file system read-only; /dev, /dev/shm, /run, /tmp and /var/tmp stay writable. Default false. */
  readOnly?: boolean;
  /** With `readOnly`, whether /run, /tmp and /var/tmp are writable tmpfs. Default true. */
  readOnlyTmpfs?: boolean;
  /** Bind mounts: `/host/path:/container/path[:options]`. */
  volumes?: readonly string[];
  /** `/path[:options]`; default options rw,noexec,nosuid,nodev. */
  tmpfs?: readonly string[];
  /** `/dev/host[:/dev/container][:rwm]`. */
  devices?: readonly string[];
  /** Namespaced kernel parameters, e.g. `net.ipv4.ip_forward`. */
  sysctls?: Readonly<Record<string, string>>;
  /** `none`: a fresh network namespace with only lo (the default); `host`: the host's. */
  network?: 'none' | 'host';
  /** A directory to use as the root file system instead of an image; with `:O`, an overlay over it. */
  rootfs?: string;
  /** Run a small init as process 1 that reaps zombies and forwards signals. Default false. */
  init?: boolean;
  /** Signal that `stop` sends; default: the image's, else SIGTERM. */
  stopSignal?: string | number;
  /** Seconds between the stop signal and SIGKILL. Default 10. */
  stopTimeout?: number;
  /** Remove the container when it has ended. Default false. */
  autoRemove?: boolean;
  /** Let the container outlive this process. Default false. */
  detach?: boolean;
  /** File mode creation mask, octal text. Default `0022`. */
  umask?: string;
  /** Size of /dev/shm in bytes or with a unit. Default 64m. */
  shmSize?: number | string;
  /** From -1000 to 1000. Default: the engine's own. */
  oomScoreAdj?: number;
  /** `k8s-file` (the default) keeps a log; `none` does not. */
  logDriver?: 'k8s-file' | 'none';
  /** Most bytes of a log before it is rotated, in the forms of `memory`. Default: no limit. */
  logMaxSize?: number | string;
}

/** What an exec is to be. */
export interface ExecOptions {
  /** Environment variables, over the container's. */
  env?: Readonly<Record<string, string>>;
  /** Working directory in the container; default: the container's. */
  workdir?: string;
  /** In the forms of {@link ContainerOptions.user}; default: the container's. */
  user?: string;
  /** Give the process a terminal. Default false. */
  tty?: boolean;
  /** All capabilities, no seccomp. Default false. */
  privileged?: boolean;
}
