import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CgroupFacts } from '../spec/facts.js';

/** The directory of the engine's cgroups, in whatever cgroup it may make one. */
const NAME = 'vaina';
/** Below it: the monitors of detached containers. */
const MONITORS = 'monitors';
/** Beside it: processes that were in the way of controllers. */
const HOST = `${NAME}-host`;
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids'];
const V1_CONTROLLERS = ['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'memory', 'pids'];

type V2 = Extract<CgroupFacts, { version: 2 }>;

/** A cgroup file system that is mounted on this host. */
interface CgroupMount {
  version: 1 | 2;
  mountpoint: string;
  controllers: string[];
}

/** Finds out which cgroups there are, and where a container's can be made. Reads only. */
export function cgroupFacts(rootless: boolean, uid: number): CgroupFacts {
  const mounts = cgroupMounts();
  const v1 = mounts.filter((mount) => mount.version === 1 && mount.controllers.length > 0);
  const v2 = mounts.find((mount) => mount.version === 2);
  if (v1.length > 0) {
    if (rootless) {
      return {
        version: 0,
        reason: 'cgroups v1 cannot be delegated to an ordinary user',
        hint: 'boot with systemd.unified_cgroup_hierarchy=1, or run without limits',
      };
    }
    const parents: Record<string, string> = {};
    for (const mount of v1) {
      for (const controller of mount.controllers) {
        if (V1_CONTROLLERS.includes(controller)) parents[controller] = join(mount.mountpoint, NAME);
      }
    }
    return { version: 1, parents, controllers: Object.keys(parents) };
  }
  if (!v2) return { version: 0, reason: 'no cgroup file system is mounted', hint: 'mount cgroup2' };
  return rootless ? delegated(v2.mountpoint, uid) : below(v2.mountpoint, v2.mountpoint);
}

function cgroupMounts(): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    const [type, , superOptions] = (after ?? '').split(' ');
    const mountpoint = before?.split(' ')[4];
    if (mountpoint === undefined) continue;
    if (type === 'cgroup2') mounts.push({ version: 2, mountpoint, controllers: [] });
    if (type === 'cgroup') {
      const controllers = (superOptions ?? '').split(',').filter((name) => V1_CONTROLLERS.includes(name));
      mounts.push({ version: 1, mountpoint, controllers });
    }
  }
  return mounts;
}

/** The directory of this process in the v2 hierarchy; undefined when it lies outside of what is mounted. */
function ownCgroup(mountpoint: string): string | undefined {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('0::'));
  const path = line?.slice(3) ?? '/';
  const directory = join(mountpoint, path);
  return path.split('/').includes('..') || !existsSync(directory) ? undefined : directory;
}

/** The facts when containers are put below `top`. */
function below(mountpoint: string, top: string): CgroupFacts {
  const parent = join(top, NAME);
  const monitors = monitorsOf(mountpoint, top);
  return {
    version: 2,
    parent,
    controllers: controllersOf(top),
    enable: [],
    ...(monitors ? { monitors } : {}),
  };
}

/**
 * The topmost cgroup that holds us and belongs to us: with a systemd user session that is user@UID.service, whose
 * processes all live further down, so that controllers can be enabled there without moving anybody.
 */
function delegated(mountpoint: string, uid: number): CgroupFacts {
  let top = ownCgroup(mountpoint);
  if (top === undefined || !belongsTo(top, uid)) {
    const where = top === undefined ? 'of this process' : `${top} of this process`;
    return {
      version: 0,
      reason: `the cgroup ${where} is not delegated to user ${uid}`,
      hint:
        'start the program under the user’s own systemd: systemd-run --user --scope COMMAND ' +
        '(without a login: loginctl enable-linger USER first)',
    };
  }
  while (top !== mountpoint && belongsTo(dirname(top), uid)) top = dirname(top);
  return below(mountpoint, top);
}

function belongsTo(directory: string, uid: number): boolean {
  try {
    return writable(directory) && statSync(directory).uid === uid;
  } catch {
    return false;
  }
}

/** Whether processes may be moved into the cgroup, and between the cgroups below it (cgroups(7), «delegation»). */
function writable(directory: string): boolean {
  try {
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Where a detached container's monitor goes so that it is not killed together with the service that it was started by.
 * Undefined where nobody would kill it, where it is not allowed, and where all of the engine's cgroups go with that service.
 */
function monitorsOf(mountpoint: string, top: string): string | undefined {
  const own = ownCgroup(mountpoint);
  if (own === undefined || own === mountpoint || own === top || own === join(top, HOST)) return undefined;
  let common = own;
  while (common !== top && !`${top}/`.startsWith(`${common}/`)) common = dirname(common);
  return writable(common) ? join(top, NAME, MONITORS) : undefined;
}

function controllersOf(directory: string): string[] {
  return words(join(directory, 'cgroup.controllers')).filter((name) => CONTROLLERS.includes(name));
}

/**
 * Makes the parent of all containers' cgroups and hands it the controllers. Returns the facts as they then are: a
 * controller that could not be enabled is left out.
 */
export function prepareCgroups(facts: CgroupFacts): CgroupFacts {
  if (facts.version !== 2) return facts;
  try {
    mkdirSync(facts.parent, { recursive: true });
    const inherited = enable(dirname(facts.parent), facts.controllers);
    return { ...facts, controllers: enable(facts.parent, inherited) } satisfies V2;
  } catch (error) {
    return {
      version: 0,
      reason: `the cgroup ${facts.parent} cannot be made: ${(error as Error).message}`,
      hint: 'look at who owns the directory above it, and at its cgroup.max.descendants',
    };
  }
}

/** Enables each controller for the children of a cgroup; one by one, since one refusal would void a joint write. */
function enable(directory: string, controllers: readonly string[]): string[] {
  const file = join(directory, 'cgroup.subtree_control');
  const present = new Set(words(file));
  // First of all: cpu and pids can be enabled beside processes, but make the cgroup one of threads, without memory.
  if (controllers.some((name) => !present.has(name))) vacate(directory);
  return controllers.filter((name) => {
    if (present.has(name)) return true;
    try {
      writeFileSync(file, `+${name}`);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * A cgroup other than the root one cannot have both processes and children with controllers (cgroups(7), «no internal
 * processes»). Where this program itself is in the way, as in a service with `Delegate=yes`, its processes move one down.
 */
function vacate(directory: string): void {
  if (!existsSync(join(directory, 'cgroup.type'))) return;
  const leaf = join(directory, HOST);
  // Again while processes that we moved have started others in between.
  for (let round = 0; round < 10; round++) {
    const pids = words(join(directory, 'cgroup.procs'));
    if (pids.length === 0) return;
    mkdirSync(leaf, { recursive: true });
    for (const pid of pids) {
      try {
        writeFileSync(join(leaf, 'cgroup.procs'), pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }
}

function words(file: string): string[] {
  return readFileSync(file, 'utf8').trim().split(/\s+/).filter(Boolean);
}
