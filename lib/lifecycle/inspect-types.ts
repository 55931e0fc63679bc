/** What `Container.inspect()` tells: podman's field names and meaning; what the engine has no notion of is left out. */
export interface ContainerInspect {
  /** 64 hexadecimal digits. */
  Id: string;
  /** When it was made, RFC 3339. */
  Created: string;
  /** The program that its main process executes. */
  Path: string;
  /** What follows `Path` on the command line. */
  Args: string[];
  /** How it is, or how it ended. */
  State: InspectState;
  /** Id of the image; empty with a plain root file system. */
  Image: string;
  /** Digest of the image's manifest; empty without an image. */
  ImageDigest: string;
  /** The name the image was asked for by; empty without an image. */
  ImageName: string;
  /** The plain root file system; empty with an image. */
  Rootfs: string;
  /** The host's file that is /etc/resolv.conf in it; empty unless it has the host's network. */
  ResolvConfPath: string;
  /** The host's file that is /etc/hostname in it. */
  HostnamePath: string;
  /** The host's file that is /etc/hosts in it. */
  HostsPath: string;
  /** Where the engine keeps the container's files. */
  StaticDir: string;
  /** The OCI runtime spec of the container. */
  OCIConfigPath: string;
  /** Always `vaina`: the engine is its own runtime. */
  OCIRuntime: string;
  /** The file that holds the process id of its main process on the host, from its first start on. */
  PidFile: string;
  /** The name it was given, or a random one. */
  Name: string;
  /** Always 0: there are no restart policies. */
  RestartCount: number;
  /** Always `overlay`. */
  Driver: string;
  /** Capabilities that its main process starts with, as in `CAP_CHOWN`. */
  EffectiveCaps: string[];
  /** Capabilities that no process of it can go beyond. */
  BoundingCaps: string[];
  /** Always empty: nothing is recorded of an exec. */
  ExecIDs: string[];
  /** What its root file system is made of. */
  GraphDriver: {
    /** Always `overlay`. */
    Name: string;
    /** `LowerDir` (uppermost first), `UpperDir` and `WorkDir` of the overlay; empty for a plain root file system. */
    Data: Record<string, string>;
  };
  /** The option `volumes`, one by one. */
  Mounts: InspectMount[];
  /** Its network. */
  NetworkSettings: {
    /** The network namespace, by the process that is in it; empty unless it runs. */
    SandboxKey: string;
    /** Always empty: no port is published. */
    Ports: Record<string, never>;
  };
  /** The container's own settings. */
  Config: InspectConfig;
  /** What it takes from, or shares with, the host. */
  HostConfig: InspectHostConfig;
}

/** How a container is, or ended. */
export interface InspectState {
  /** Version of the runtime specification that its spec follows. */
  OciVersion: string;
  /** One of {@link STATUSES}. */
  Status: string;
  /** Whether its status is `running`. */
  Running: boolean;
  /** Always false: containers cannot be paused. */
  Paused: boolean;
  /** Always false: there are no restart policies. */
  Restarting: boolean;
  /** Whether the kernel killed it for want of memory when it last ended. */
  OOMKilled: boolean;
  /** Always false. */
  Dead: boolean;
  /** Process id of its main process on the host; 0 unless it runs. */
  Pid: number;
  /** Exit code of its last end, as in {@link ExitStatus.exitCode}; 0 while it runs and before its first start. */
  ExitCode: number;
  /** Why nothing is known of its end, where its monitor was lost; else empty. */
  Error: string;
  /** Last start, RFC 3339; `0001-01-01T00:00:00Z` before the first one. */
  StartedAt: string;
  /** Last end, RFC 3339; `0001-01-01T00:00:00Z` while it runs and before its first start. */
  FinishedAt: string;
  /** Its cgroup, from the controller's mount point on; empty without one. */
  CgroupPath: string;
}

/** One bind mount of the option `volumes`. */
export interface InspectMount {
  /** Always `bind`. */
  Type: string;
  /** Path on the host. */
  Source: string;
  /** Path in the container. */
  Destination: string;
  /** Always empty: there are no named volumes. */
  Driver: string;
  /** Always empty: all options are in `Options`. */
  Mode: string;
  /** Mount options, those that were asked for and those that come by default. */
  Options: string[];
  /** Whether it can be written to. */
  RW: boolean;
  /** How mounts below it spread (mount_namespaces(7)). Default `rprivate`. */
  Propagation: string;
}

/** The container's own settings. */
export interface InspectConfig {
  /** Host name in its UTS namespace. */
  Hostname: string;
  /** Always empty: the NIS domain name is not set. */
  Domainname: string;
  /** The option `user` as it was given; empty for the image's, else root. */
  User: string;
  /** Always false: attaching is said at each start, not kept. */
  AttachStdin: boolean;
  /** Always false, as `AttachStdin`. */
  AttachStdout: boolean;
  /** Always false, as `AttachStdin`. */
  AttachStderr: boolean;
  /** Whether its main process has a terminal. */
  Tty: boolean;
  /** Whether stdin stays open when nobody is attached: the option `stdin`. */
  OpenStdin: boolean;
  /** Always false: stdin does not close with its first client. */
  StdinOnce: boolean;
  /** Environment of its main process, each `NAME=value`. */
  Env: string[];
  /** The option `command`; without it, the whole command line that is executed. */
  Cmd: string[];
  /** The name the image was asked for by; empty without an image. */
  Image: string;
  /** Always null: there are no named volumes. */
  Volumes: null;
  /** Working directory of its main process. */
  WorkingDir: string;
  /** The option `entrypoint`, joined by spaces; empty where it was not given. */
  Entrypoint: string;
  /** Always null: there are no builds. */
  OnBuild: null;
  /** Labels, its own over the image's; null for none. */
  Labels: Record<string, string> | null;
  /** Annotations of its OCI runtime spec; null for none. */
  Annotations: Record<string, string> | null;
  /** Number of the signal that `stop` sends. */
  StopSignal: number;
  /** File mode creation mask, octal text. */
  Umask: string;
  /** Seconds between the stop signal and SIGKILL. */
  StopTimeout: number;
}

/** What the container takes from, or shares with, the host. */
export interface InspectHostConfig {
  /** The option `volumes` as it was given. */
  Binds: string[];
  /** Always `cgroupfs`: the engine makes its cgroups itself. */
  CgroupManager: string;
  /** Always `private`: a cgroup namespace of its own. */
  CgroupMode: string;
  /** Where its output is kept. */
  LogConfig: {
    /** `k8s-file`, or `none`. */
    Type: string;
    /** Always null: log drivers have no further options. */
    Config: null;
    /** The log on the host; empty when none is kept. */
    Path: string;
    /** Always empty: entries carry no tag. */
    Tag: string;
    /** Size at which it is rotated, as it was given; `0B` for never. */
    Size: string;
  };
  /** `none`, or `host` for the host's network namespace. */
  NetworkMode: string;
  /** Whether it is removed when it has ended. */
  AutoRemove: boolean;
  /** Capabilities that it has beside the default ones. */
  CapAdd: string[];
  /** Default capabilities that it lacks. */
  CapDrop: string[];
  /** Supplementary groups that were asked for. */
  GroupAdd: string[];
  /** Always `private`: an IPC namespace of its own. */
  IpcMode: string;
  /** Always `private`: a PID namespace of its own. */
  PidMode: string;
  /** Always `private`: a UTS namespace of its own. */
  UTSMode: string;
  /** `private` for a user namespace of its own, as ordinary users need it; empty for the host's. */
  UsernsMode: string;
  /** How soon the kernel kills it for want of memory, from -1000 to 1000; 0 where it was left alone. */
  OomScoreAdj: number;
  /** Whether it has all capabilities and devices, no masks and no seccomp filter. */
  Privileged: boolean;
  /** Whether its root file system is read-only. */
  ReadonlyRootfs: boolean;
  /** The option `securityOpt` as it was given. */
  SecurityOpt: string[];
  /** The option `tmpfs`: path in the container → mount options as they were given. */
  Tmpfs: Record<string, string>;
  /** Size of /dev/shm in bytes; 0 where another mount is in its place. */
  ShmSize: number;
  /** Always `vaina`. */
  Runtime: string;
  /** Relative weight of processor time, on the scale of cgroup v1; 0 for the kernel's default. */
  CpuShares: number;
  /** Memory limit in bytes; 0 for none. */
  Memory: number;
  /** Processor time in billionths of a processor; 0 for no limit. */
  NanoCpus: number;
  /** Period of `CpuQuota` in microseconds; 0 where no quota was asked for. */
  CpuPeriod: number;
  /** Processor time in each `CpuPeriod`, in microseconds; 0 for no limit. */
  CpuQuota: number;
  /** Processors that may be used, as in `0-2,4`; empty for all. */
  CpusetCpus: string;
  /** The option `devices`, one by one. */
  Devices: {
    /** The device node on the host. */
    PathOnHost: string;
    /** Where it is in the container. */
    PathInContainer: string;
    /** What may be done with it: letters of `rwm` (read, write, mknod). */
    CgroupPermissions: string;
  }[];
  /** Soft limit of memory in bytes; 0 for none. */
  MemoryReservation: number;
  /** Limit of memory and swap together in bytes; -1 for no limit on swap, 0 where none was set. */
  MemorySwap: number;
  /** Most processes and threads; -1 for no limit, 0 where there is no pids controller. */
  PidsLimit: number;
  /** Limits of setrlimit(2), those that come by default included. */
  Ulimits: {
    /** The resource, as in `RLIMIT_NOFILE`. */
    Name: string;
    /** Soft limit, in the unit of getrlimit(2); 2⁶⁴ for none. */
    Soft: number;
    /** Hard limit, in the same unit. */
    Hard: number;
  }[];
}
