import { arch, cpus, release, totalmem } from 'node:os';
import { packageVersion } from '../util/version.js';
import { listContainers } from './list.js';
import type { Context } from './context.js';

/** What {@link Engine.info} tells. */
export interface EngineInfo {
  /** The host, as far as containers depend on it. */
  host: {
    /** Processor architecture in Node's words, as in `x64`. */
    arch: string;
    /** Release of the kernel (uname(2)). */
    kernel: string;
    /** How many processors there are. */
    cpus: number;
    /** Memory in bytes. */
    memTotal: number;
    /** `v1` or `v2`; empty when no cgroup can be made. */
    cgroupVersion: string;
    /** Always `cgroupfs`: the engine makes its cgroups itself. */
    cgroupManager: 'cgroupfs';
    /** Controllers that limits of containers can use. */
    cgroupControllers: readonly string[];
    /** Whether the engine works for an ordinary user. */
    rootless: boolean;
    /** The user namespace of containers; empty for root. */
    idMappings: {
      /** User ids, each line with `containerId`, `hostId` and `size`. */
      uidmap: readonly object[];
      /** Group ids, in the same form. */
      gidmap: readonly object[];
    };
  };
  /** The store that the engine was opened on. */
  store: {
    /** The directory that survives a reboot: {@link EngineOptions.root}. */
    graphRoot: string;
    /** The directory that does not: {@link EngineOptions.runroot}. */
    runRoot: string;
    /** Always `overlay`. */
    graphDriverName: 'overlay';
    /** The images in the store. */
    imageStore: {
      /** How many there are. */
      number: number;
    };
    /** The containers in the store. */
    containerStore: {
      /** How many there are, in any state. */
      number: number;
      /** How many of them run. */
      running: number;
      /** How many of them do not. */
      stopped: number;
    };
  };
  /** What is at work. */
  version: {
    /** Version of this package. */
    Version: string;
    /** Version of its interface: the same. */
    APIVersion: string;
    /** Version of Node.js, as in `v20.19.0`. */
    NodeVersion: string;
  };
}

/** The host, the store, and the version of the engine. */
export function engineInfo(context: Context): EngineInfo {
  const { host, store } = context;
  const containers = listContainers(context, { all: true });
  const running = containers.filter(({ status }) => status === 'running').length;
  const version = packageVersion();
  return {
    host: {
      arch: arch(),
      kernel: release(),
      cpus: cpus().length,
      memTotal: totalmem(),
      cgroupVersion: host.cgroup.version === 0 ? '' : `v${host.cgroup.version}`,
      cgroupManager: 'cgroupfs',
      cgroupControllers: host.cgroup.version === 0 ? [] : host.cgroup.controllers,
      rootless: host.rootless !== undefined,
      idMappings: { uidmap: host.rootless?.uidMap ?? [], gidmap: host.rootless?.gidMap ?? [] },
    },
    store: {
      graphRoot: context.root,
      runRoot: context.runroot,
      graphDriverName: 'overlay',
      imageStore: { number: store.images.list().length },
      containerStore: { number: containers.length, running, stopped: containers.length - running },
    },
    version: { Version: version, APIVersion: version, NodeVersion: process.version },
  };
}
