import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';

/** True where a skipped test is a failure: the machine is one that has everything. */
export const MUST_RUN = process.env['MUST_RUN'] === '1' || process.env['CI'] === 'true';

/** Whether `program` is on PATH or in the system directories that an ordinary user's PATH leaves out. */
export function findProgram(program: string): string | undefined {
  for (const directory of [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']) {
    if (directory === '') continue;
    try {
      accessSync(`${directory}/${program}`, constants.X_OK);
      return `${directory}/${program}`;
    } catch {
      // The next directory.
    }
  }
  return undefined;
}

function program(name: string): () => string | undefined {
  return () => (findProgram(name) === undefined ? `${name} is not installed` : undefined);
}

function runcRuns(): string | undefined {
  if (findProgram('runc') === undefined) return 'runc is not installed';
  return undefined;
}

function crunRuns(): string | undefined {
  if (findProgram('crun') === undefined) return 'crun is not installed';
  return existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? undefined
    : 'crun refuses this hybrid of cgroup v1 and v2';
}

/** Whether busybox is the static one: it is copied into images that have no libraries. */
function staticBusybox(): string | undefined {
  const path = findProgram('busybox');
  if (path === undefined) return 'busybox is not installed';
  return readFileSync(path).includes('/ld-linux')
    ? 'busybox is not static (install busybox-static)'
    : undefined;
}

function mountTmpfs(): string | undefined {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'mounting is not allowed';
  }
}

/** What a test may need, and how to tell that it is not there. */
const NEEDS = {
  root: () => (process.getuid?.() === 0 ? undefined : 'not root'),
  user: () => (process.getuid?.() === 0 ? 'root, not an ordinary user' : undefined),
  mount: mountTmpfs,
  cgroup1: () => (existsSync('/sys/fs/cgroup/memory') ? undefined : 'no cgroup v1 here'),
  cgroup2: () => (existsSync('/sys/fs/cgroup/cgroup.controllers') ? undefined : 'no pure cgroup v2 here'),
  busybox: staticBusybox,
  gcc: program('gcc'),
  podman: program('podman'),
  runc: runcRuns,
  crun: crunRuns,
  skopeo: program('skopeo'),
  umoci: program('umoci'),
  'docker-registry': program('docker-registry'),
  mmdebstrap: program('mmdebstrap'),
  useradd: program('useradd'),
  'mkfs.ext4': program('mkfs.ext4'),
  fuse: () => (existsSync('/dev/fuse') ? undefined : 'no /dev/fuse here'),
  newuidmap: program('newuidmap'),
  setpriv: program('setpriv'),
  getfattr: program('getfattr'),
  gpg: program('gpg'),
  mksquashfs: program('mksquashfs'),
  unsquashfs: program('unsquashfs'),
  lab: () => (process.env['VAINA_LAB'] === '1' ? undefined : 'not inside the lab machine'),
} satisfies Record<string, () => string | undefined>;

/** Something of the machine that a test can ask for. */
export type Need = keyof typeof NEEDS;

/** Why `needs` are not all there; undefined when they are. */
export function missing(...needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    const reason = NEEDS[need]();
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/**
 * Call in a `describe`: its tests are skipped with the reason when something is not there. Where {@link MUST_RUN}
 * holds, they fail instead.
 */
export function requires(...needs: readonly Need[]): void {
  before(function () {
    const reason = missing(...needs);
    if (reason === undefined) return;
    if (MUST_RUN) throw new Error(`this test must run here, but: ${reason}`);
    if (this.test?.parent) this.test.parent.title += ` (skipped: ${reason})`;
    this.skip();
  });
}
