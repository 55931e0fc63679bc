import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { VainaError } from '../errors.js';
import type { CgroupFacts } from '../spec/facts.js';

/** The directory of the engine's cgroups, in whatever cgroup it may make one. */
const NAME = 'vaina';
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids'];
const V1_CONTROLLERS = ['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'memory', 'pids'];

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
    if (rootless) return { version: 0, reason: 'cgroups v1 cannot be delegated to an ordinary user' };
    const parents: Record<string, string> = {};
    for (const mount of v1) {
      for (const controller of mount.controllers) {
        if (V1_CONTROLLERS.includes(controller)) parents[controller] = join(mount.mountpoint, NAME);
      }
    }
    return { version: 1, parents, controllers: Object.keys(parents) };
  }
  if (!v2) return { version: 0, reason: 'no cgroup file system is mounted' };
  return rootless ? delegated(v2.mountpoint, uid) : ofRoot(v2.mountpoint);
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

/** The path of this process in the v2 hierarchy, from /proc/self/cgroup. */
function ownCgroup(): string {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('0::'));
  return line?.slice(3) ?? '/';
}

function ofRoot(mountpoint: string): CgroupFacts {
  return { version: 2, parent: join(mountpoint, NAME), controllers: controllersOf(mountpoint), enable: [] };
}

/**
 * The topmost cgroup that holds us and belongs to us: with a systemd user session that is user@UID.service, whose
 * processes all live further down, so that controllers can be enabled there without moving anybody.
 */
function delegated(mountpoint: string, uid: number): CgroupFacts {
  let directory = join(mountpoint, ownCgroup());
  if (!belongsTo(directory, uid)) {
    return {
      version: 0,
      reason: `the cgroup ${directory} of this process is not delegated to user ${uid}`,
    };
  }
  while (directory !== mountpoint && belongsTo(dirname(directory), uid)) directory = dirname(directory);
  return { version: 2, parent: join(directory, NAME), controllers: controllersOf(directory), enable: [] };
}

function belongsTo(directory: string, uid: number): boolean {
  try {
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK);
    return statSync(directory).uid === uid;
  } catch {
    return false;
  }
}

function controllersOf(directory: string): string[] {
  const names = readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(/\s+/);
  return names.filter((name) => CONTROLLERS.includes(name));
}

/**
 * Makes the parent of all containers' cgroups and hands it the controllers. Returns the facts as they then are: a
 * controller that could not be enabled is left out.
 */
export function prepareCgroups(facts: CgroupFacts): CgroupFacts {
  if (facts.version !== 2) return facts;
  const above = dirname(facts.parent);
  try {
    if (!existsSync(facts.parent)) mkdirSync(facts.parent, { recursive: true });
    const inherited = enable(above, facts.controllers);
    const controllers = enable(facts.parent, inherited);
    return { ...facts, controllers };
  } catch (error) {
    return { version: 0, reason: `the cgroup ${facts.parent} cannot be made: ${(error as Error).message}` };
  }
}

/** Enables each controller for the children of a cgroup; one by one, since one refusal would void a joint write. */
function enable(directory: string, controllers: readonly string[]): string[] {
  const file = join(directory, 'cgroup.subtree_control');
  const present = new Set(readFileSync(file, 'utf8').trim().split(/\s+/));
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
  const pids = readFileSync(join(directory, 'cgroup.procs'), 'utf8').trim().split('\n').filter(Boolean);
  if (pids.length === 0) return;
  const leaf = join(directory, `${NAME}-host`);
  mkdirSync(leaf, { recursive: true });
  for (const pid of pids) {
    try {
      writeFileSync(join(leaf, 'cgroup.procs'), pid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** The error for a limit that no cgroup here can enforce. */
export function notDelegated(reason: string): VainaError {
  return new VainaError('ERR_CGROUP_NOT_DELEGATED', reason, {
    hint: 'delegate the controllers to the user, e.g. by a drop-in for user@.service with [Service] Delegate=cpu cpuset io memory pids',
  });
}
