import { arch, cpus, release, totalmem } from 'node:os';
import { packageVersion } from '../util/version.js';
import { listContainers } from './list.js';
import type { Context } from './context.js';

/** What {@link Engine.info} tells. */
export interface EngineInfo {
  host: {
    arch: string;
    kernel: string;
    cpus: number;
    /** Bytes. */
    memTotal: number;
    /** `v1` or `v2`; empty when no cgroup can be made. */
    cgroupVersion: string;
    cgroupManager: 'cgroupfs';
    cgroupControllers: readonly string[];
    rootless: boolean;
    /** The user namespace of containers; empty for root. */
    idMappings: { uidmap: readonly object[]; gidmap: readonly object[] };
  };
  store: {
    graphRoot: string;
    runRoot: string;
    graphDriverName: 'overlay';
    imageStore: { number: number };
    containerStore: { number: number; running: number; stopped: number };
  };
  version: { Version: string; APIVersion: string; NodeVersion: string };
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
