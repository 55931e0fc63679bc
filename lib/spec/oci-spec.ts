/**
 * The OCI runtime specification 1.2 (`config.json`), as far as the engine writes or reads it. Names are those of the
 * specification; see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md and config-linux.md.
 */
export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  linux: OciLinux;
}

/** config.md, Process. */
export interface OciProcess {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: OciUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: OciCapabilities;
  rlimits?: OciRlimit[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
}

/** config.md, User. */
export interface OciUser {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

/** The five sets, each of names such as `CAP_CHOWN` (capabilities(7)). */
export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

/** A limit of setrlimit(2). Infinity is 2⁶⁴−1, hence the bigints. */
export interface OciRlimit {
  type: string;
  soft: bigint | number;
  hard: bigint | number;
}

/** config.md, Mounts. */
export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

/** config-linux.md. */
export interface OciLinux {
  namespaces: OciNamespace[];
  uidMappings?: OciIdMapping[];
  gidMappings?: OciIdMapping[];
  devices?: OciDevice[];
  cgroupsPath?: string;
  resources?: OciResources;
  rootfsPropagation?: 'private' | 'slave';
  seccomp?: OciSeccomp;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
}

/** Kinds of namespaces (namespaces(7)). */
export type NamespaceType = 'pid' | 'network' | 'ipc' | 'uts' | 'mount' | 'cgroup' | 'user';

/** A namespace: a new one, or with `path` an existing one. */
export interface OciNamespace {
  type: NamespaceType;
  path?: string;
}

/** One line of an id map. */
export interface OciIdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/** A device node to make. */
export interface OciDevice {
  type: 'c' | 'b' | 'p';
  path: string;
  major: number;
  minor: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** A rule of the device cgroup; without type, major or minor: any. */
export interface OciDeviceRule {
  allow: boolean;
  type?: 'a' | 'c' | 'b';
  major?: number;
  minor?: number;
  access: string;
}

/** config-linux.md, Control groups. Memory `swap` is memory and swap together. */
export interface OciResources {
  devices?: OciDeviceRule[];
  memory?: { limit?: number; reservation?: number; swap?: number };
  cpu?: { shares?: number; quota?: number; period?: number; cpus?: string };
  pids?: { limit: number };
}

/** config-linux.md, Seccomp. */
export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls: OciSyscallRule[];
}

/** A rule: these calls, when all conditions on their arguments hold, get this action. */
export interface OciSyscallRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: OciSyscallArgument[];
}

/** A condition on an argument. For SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` what is compared with. */
export interface OciSyscallArgument {
  index: number;
  value: bigint | number;
  valueTwo?: bigint | number;
  op: string;
}
