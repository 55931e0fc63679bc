/** What `Container.inspect()` tells: podman's field names and meaning; what the engine has no notion of is left out. */
export interface ContainerInspect {
  Id: string;
  /** RFC 3339. */
  Created: string;
  /** The program, and its arguments. */
  Path: string;
  Args: string[];
  State: InspectState;
  /** Id of the image; empty with a plain root file system. */
  Image: string;
  ImageDigest: string;
  ImageName: string;
  /** The plain root file system; empty with an image. */
  Rootfs: string;
  ResolvConfPath: string;
  HostnamePath: string;
  HostsPath: string;
  /** Where the engine keeps the container's files. */
  StaticDir: string;
  /** The OCI runtime spec of the container. */
  OCIConfigPath: string;
  OCIRuntime: string;
  PidFile: string;
  Name: string;
  RestartCount: number;
  Driver: string;
  EffectiveCaps: string[];
  BoundingCaps: string[];
  ExecIDs: string[];
  GraphDriver: { Name: string; Data: Record<string, string> };
  Mounts: InspectMount[];
  NetworkSettings: { SandboxKey: string; Ports: Record<string, never> };
  Config: InspectConfig;
  HostConfig: InspectHostConfig;
}

/** How a container is, or ended. */
export interface InspectState {
  OciVersion: string;
  Status: string;
  Running: boolean;
  Paused: boolean;
  Restarting: boolean;
  OOMKilled: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
  /** Below the controller's mount point. */
  CgroupPath: string;
}

/** One bind or tmpfs mount that was asked for. */
export interface InspectMount {
  Type: string;
  Source: string;
  Destination: string;
  Driver: string;
  Mode: string;
  Options: string[];
  RW: boolean;
  Propagation: string;
}

/** The container's own settings. */
export interface InspectConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[];
  Cmd: string[];
  Image: string;
  Volumes: null;
  WorkingDir: string;
  Entrypoint: string;
  OnBuild: null;
  Labels: Record<string, string> | null;
  Annotations: Record<string, string> | null;
  StopSignal: number;
  Umask: string;
  StopTimeout: number;
}

/** What the container takes from, or shares with, the host. */
export interface InspectHostConfig {
  Binds: string[];
  CgroupManager: string;
  CgroupMode: string;
  LogConfig: { Type: string; Config: null; Path: string; Tag: string; Size: string };
  NetworkMode: string;
  AutoRemove: boolean;
  CapAdd: string[];
  CapDrop: string[];
  GroupAdd: string[];
  IpcMode: string;
  PidMode: string;
  UTSMode: string;
  UsernsMode: string;
  OomScoreAdj: number;
  Privileged: boolean;
  ReadonlyRootfs: boolean;
  SecurityOpt: string[];
  Tmpfs: Record<string, string>;
  ShmSize: number;
  Runtime: string;
  CpuShares: number;
  Memory: number;
  NanoCpus: number;
  CpuPeriod: number;
  CpuQuota: number;
  CpusetCpus: string;
  Devices: { PathOnHost: string; PathInContainer: string; CgroupPermissions: string }[];
  MemoryReservation: number;
  MemorySwap: number;
  PidsLimit: number;
  Ulimits: { Name: string; Soft: number; Hard: number }[];
}
