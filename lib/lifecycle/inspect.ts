import type { OciMount, OciSpec } from '../spec/oci-spec.js';
import { requireContainer, type Entry } from './catalogue.js';
import { filesOf, type Context, type ContainerFiles } from './context.js';
import { isPlainRootfs } from './files.js';
import type { ContainerInspect, InspectHostConfig, InspectMount, InspectState } from './inspect-types.js';
import { requireSignal } from './signals.js';
import { settledSpec } from './spec-file.js';
import { readTruth, type Truth } from './sync.js';

const NEVER = '0001-01-01T00:00:00Z';
const DEFAULT_CAPABILITIES = new Set(
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'
    .split(' ')
    .map((name) => `CAP_${name}`),
);

/** All that is known of a container, in podman's form. */
export async function inspectContainer(context: Context, id: string): Promise<ContainerInspect> {
  const entry = requireContainer(context, id);
  const truth = readTruth(context, entry);
  const spec = await settledSpec(context, id);
  const files = filesOf(context, id);
  const { record } = entry;
  const image = record.imageId === undefined ? undefined : context.store.images.get(record.imageId);
  const [path = '', ...args] = record.command;
  const layers = image ? context.store.layers.lowerDirectories(image.id) : [];
  return {
    Id: id,
    Created: new Date(record.createdAt).toISOString(),
    Path: path,
    Args: args,
    State: stateOf(truth, spec),
    Image: record.imageId ?? '',
    ImageDigest: image?.digest ?? '',
    ImageName: record.imageName ?? '',
    Rootfs: record.options.rootfs?.replace(/:O$/, '') ?? '',
    ResolvConfPath: record.options.network === 'host' ? '/etc/resolv.conf' : '',
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    StaticDir: files.directory,
    OCIConfigPath: files.config,
    OCIRuntime: 'vaina',
    PidFile: files.pid,
    Name: record.name,
    RestartCount: 0,
    Driver: 'overlay',
    EffectiveCaps: spec.process.capabilities.effective,
    BoundingCaps: spec.process.capabilities.bounding,
    ExecIDs: [],
    GraphDriver: { Name: 'overlay', Data: overlayOf(entry, files, layers) },
    Mounts: spec.mounts.filter((mount) => isUsers(entry, mount)).map(mountOf),
    NetworkSettings: { SandboxKey: truth.pid === 0 ? '' : `/proc/${truth.pid}/ns/net`, Ports: {} },
    Config: configOf(entry, spec, image?.config.config?.StopSignal),
    HostConfig: hostConfigOf(entry, spec, files),
  };
}

function stateOf(truth: Truth, spec: OciSpec): InspectState {
  const { status, state, pid } = truth;
  const running = status === 'running';
  const exit = running ? undefined : state.exit;
  const started = exit?.startedAt ?? (state.startedAt === undefined ? undefined : new Date(state.startedAt));
  return {
    OciVersion: spec.ociVersion,
    Status: status,
    Running: running,
    Paused: false,
    Restarting: false,
    OOMKilled: exit?.oomKilled ?? false,
    Dead: false,
    Pid: pid,
    ExitCode: exit?.exitCode ?? 0,
    Error: exit?.unknown ? 'the monitor was lost: how the container ended is unknown' : '',
    StartedAt: started?.toISOString() ?? NEVER,
    FinishedAt: exit?.finishedAt.toISOString() ?? NEVER,
    CgroupPath: spec.linux.cgroupsPath ?? '',
  };
}

function overlayOf(entry: Entry, files: ContainerFiles, layers: readonly string[]): Record<string, string> {
  if (isPlainRootfs(entry.record.options)) return {};
  const rootfs = entry.record.options.rootfs?.replace(/:O$/, '');
  const lower = rootfs === undefined ? layers.join(':') : rootfs;
  return { LowerDir: lower, UpperDir: files.upper, WorkDir: files.work };
}

function isUsers(entry: Entry, mount: OciMount): boolean {
  return (entry.record.options.volumes ?? []).some((text) => text.split(':')[1] === mount.destination);
}

function mountOf(mount: OciMount): InspectMount {
  const options = mount.options ?? [];
  return {
    Type: 'bind',
    Source: mount.source ?? '',
    Destination: mount.destination,
    Driver: '',
    Mode: '',
    Options: options,
    RW: !options.includes('ro'),
    Propagation: options.find((option) => /^r?(private|slave|shared|unbindable)$/.test(option)) ?? 'rprivate',
  };
}

function configOf(
  entry: Entry,
  spec: OciSpec,
  imageStopSignal: string | undefined,
): ContainerInspect['Config'] {
  const { options } = entry.record;
  const entrypoint = options.entrypoint;
  return {
    Hostname: spec.hostname ?? '',
    Domainname: '',
    User: options.user ?? '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: options.tty ?? false,
    OpenStdin: options.stdin ?? false,
    StdinOnce: false,
    Env: spec.process.env,
    Cmd: [...(options.command ?? entry.record.command)],
    Image: entry.record.imageName ?? '',
    Volumes: null,
    WorkingDir: spec.process.cwd,
    Entrypoint: typeof entrypoint === 'string' ? entrypoint : (entrypoint ?? []).join(' '),
    OnBuild: null,
    Labels: Object.keys(entry.record.labels).length > 0 ? entry.record.labels : null,
    Annotations: spec.annotations ?? null,
    StopSignal: requireSignal(options.stopSignal ?? imageStopSignal ?? 'SIGTERM'),
    Umask: options.umask ?? '0022',
    StopTimeout: options.stopTimeout ?? 10,
  };
}

function hostConfigOf(entry: Entry, spec: OciSpec, files: ContainerFiles): InspectHostConfig {
  const { options } = entry.record;
  const { resources } = spec.linux;
  const bounding = new Set(spec.process.capabilities.bounding);
  return {
    Binds: [...(options.volumes ?? [])],
    CgroupManager: 'cgroupfs',
    CgroupMode: 'private',
    LogConfig: {
      Type: options.logDriver ?? 'k8s-file',
      Config: null,
      Path: options.logDriver === 'none' ? '' : files.log,
      Tag: '',
      Size: options.logMaxSize === undefined ? '0B' : String(options.logMaxSize),
    },
    NetworkMode: options.network ?? 'none',
    AutoRemove: options.autoRemove ?? false,
    CapAdd: [...bounding].filter((name) => !DEFAULT_CAPABILITIES.has(name)),
    CapDrop: [...DEFAULT_CAPABILITIES].filter((name) => !bounding.has(name)),
    GroupAdd: [...(options.groupAdd ?? [])],
    IpcMode: 'private',
    PidMode: 'private',
    UTSMode: 'private',
    UsernsMode: spec.linux.uidMappings ? 'private' : '',
    OomScoreAdj: spec.process.oomScoreAdj ?? 0,
    Privileged: options.privileged ?? false,
    ReadonlyRootfs: options.readOnly ?? false,
    SecurityOpt: [...(options.securityOpt ?? [])],
    Tmpfs: Object.fromEntries(
      (options.tmpfs ?? []).map((text) => [text.split(':')[0] ?? '', text.split(':')[1] ?? '']),
    ),
    ShmSize: shmSizeOf(spec),
    Runtime: 'vaina',
    CpuShares: resources?.cpu?.shares ?? 0,
    Memory: resources?.memory?.limit ?? 0,
    NanoCpus: Math.round((options.cpus ?? 0) * 1e9),
    CpuPeriod: resources?.cpu?.period ?? 0,
    CpuQuota: resources?.cpu?.quota ?? 0,
    CpusetCpus: resources?.cpu?.cpus ?? '',
    Devices: (options.devices ?? []).map((text) => {
      const [host = '', inside = host, access = 'rwm'] = text.split(':');
      return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: access };
    }),
    MemoryReservation: resources?.memory?.reservation ?? 0,
    MemorySwap: resources?.memory?.swap ?? 0,
    PidsLimit: resources?.pids?.limit ?? 0,
    Ulimits: (spec.process.rlimits ?? []).map(({ type, soft, hard }) => ({
      Name: type,
      Soft: Number(soft),
      Hard: Number(hard),
    })),
  };
}

function shmSizeOf(spec: OciSpec): number {
  const options = spec.mounts.find((mount) => mount.destination === '/dev/shm')?.options ?? [];
  return Number(options.map((option) => /^size=(\d+)$/.exec(option)?.[1]).find(Boolean) ?? 0);
}
