import { join } from 'node:path';
import type { Native } from '../native/types.js';
import type { OciSeccomp, OciSpec } from '../spec/oci-spec.js';
import type { HostFacts } from '../spec/facts.js';
import type { Store } from '../store/store.js';
import type { UserFiles } from './container-facts.js';
import type { ExecSetting } from './exec-setting.js';
import type { ImageTrust } from './image-trust.js';
import type { Monitored } from './monitored.js';

/** What every verb works with: made once by the engine, closed with it. */
export interface Context {
  readonly root: string;
  readonly runroot: string;
  readonly native: Native;
  readonly store: Store;
  /** What the engine was told of trust in images. */
  readonly trust: ImageTrust;
  /** The host, as looked at when the engine was opened; its cgroups are prepared at the first start. */
  host: HostFacts;
  cgroupsPrepared: boolean;
  /** Containers whose monitor this process started and still talks to. */
  readonly owned: Map<string, Monitored>;
  /** Compiled seccomp filters by profile: compiling takes about 2 ms, a start should not. */
  readonly seccomp: Map<string, Buffer>;
  readonly filters: WeakMap<OciSeccomp, Buffer>;
  /** Runtime specs of containers, which do not change either; the oldest make room. */
  readonly specs: Map<string, OciSpec>;
  /** The plans of the last execs of containers, but for their commands; the oldest make room. */
  readonly execs: Map<string, ExecSetting>;
  /** passwd and group files of images, which do not change. */
  readonly users: Map<string, UserFiles>;
  /** Trees of the layers of images, top first, which do not change. */
  readonly trees: Map<string, readonly string[]>;
}

/** Where the files of a container are. */
export interface ContainerFiles {
  directory: string;
  runDirectory: string;
  config: string;
  upper: string;
  work: string;
  log: string;
  hosts: string;
  hostname: string;
  containerenv: string;
  lock: string;
  alive: string;
  exit: string;
  /** Where the exit record is when the store had no room for it. */
  exitOnFullDisk: string;
  pid: string;
}

/** The paths of a container's files, whether they exist or not. A list asks for those of each: no path.join here. */
export function filesOf(context: Context, id: string): ContainerFiles {
  const directory = `${context.root}/containers/${id}`;
  const runDirectory = `${context.runroot}/containers/${id}`;
  return {
    directory,
    runDirectory,
    config: `${directory}/config.json`,
    upper: `${directory}/upper`,
    work: `${directory}/work`,
    log: `${directory}/log`,
    hosts: `${directory}/hosts`,
    hostname: `${directory}/hostname`,
    containerenv: `${directory}/containerenv`,
    lock: `${directory}/lock`,
    alive: `${runDirectory}/alive`,
    exit: `${directory}/exit`,
    exitOnFullDisk: `${runDirectory}/exit`,
    pid: `${runDirectory}/pid`,
  };
}

/** Where every container's root is mounted, each in its own mount namespace: on the host it stays an empty directory. */
export function stagingDirectory(context: Context): string {
  return join(context.root, 'mnt');
}
