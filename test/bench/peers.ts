import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../support/requires.js';
import { Podman, PODMAN_LIMITS } from '../support/podman.js';
import { Floor } from './floor.js';

/** A peer's command line that does what is measured, ready to be run again and again. */
export interface Peer {
  name: string;
  run: () => Promise<number>;
  exec?: () => Promise<number>;
  dispose: () => Promise<void>;
}

/** An OCI bundle of `root` that runs /bin/true, and one that sleeps, by the runtime's own `spec`. */
function makeBundles(runtime: string, root: string, directory: string): { once: string; sleeper: string } {
  const make = (name: string, args: string[]): string => {
    const bundle = join(directory, name);
    mkdirSync(bundle);
    execFileSync(runtime, ['spec'], { cwd: bundle });
    const path = join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as {
      process: { terminal: boolean; args: string[]; rlimits?: unknown; env: string[] };
      root: { readonly: boolean; path: string };
      linux: { resources?: unknown };
    };
    config.process.terminal = false;
    config.process.args = args;
    config.process.env = ['PATH=/bin'];
    // Not every machine lets root raise limits; crun raises one for the device rules too.
    delete config.process.rlimits;
    if (runtime === 'crun') delete config.linux.resources;
    config.root = { readonly: false, path: root };
    writeFileSync(path, JSON.stringify(config));
    return bundle;
  };
  return { once: make('once', ['/bin/true']), sleeper: make('sleeper', ['/bin/sleep', '100000']) };
}

/** crun or runc by its command line; undefined when it is not installed or does not run here. */
async function ociRuntime(
  name: 'crun' | 'runc',
  root: string,
  directory: string,
  floor: Floor,
): Promise<Peer | undefined> {
  if (findProgram(name) === undefined) return undefined;
  const own = mkdirIn(directory, name);
  const front = [name, '--root', join(own, 'state')];
  // The name is that of its cgroup too, which two runtimes must not share.
  const sleeper = `${name}-sleeper`;
  let count = 0;
  let bundles: { once: string; sleeper: string };
  const run = (): Promise<number> =>
    floor.measure([...front, 'run', '--bundle', bundles.once, `${name}-bench-${count++}`]);
  try {
    bundles = makeBundles(name, root, own);
    await run();
    await floor.measure([...front, 'run', '--detach', '--bundle', bundles.sleeper, sleeper]);
  } catch {
    return undefined;
  }
  return {
    name,
    run,
    exec: () => floor.measure([...front, 'exec', sleeper, '/bin/true']),
    dispose: async () => {
      await floor.measure([...front, 'delete', '--force', sleeper]).catch(() => undefined);
    },
  };
}

function mkdirIn(directory: string, name: string): string {
  const path = join(directory, `peer-${name}`);
  mkdirSync(path);
  return path;
}

/** Podman with runc; undefined when it is not installed or does not run here. */
function podmanPeer(archive: string, directory: string, floor: Floor): Peer | undefined {
  if (findProgram('podman') === undefined || findProgram('runc') === undefined) return undefined;
  const podman = new Podman(mkdirIn(directory, 'podman'));
  try {
    podman.import(archive, 'localhost/bench');
    podman.output('run', '--rm', ...PODMAN_LIMITS, '--network', 'none', 'localhost/bench', '/bin/true');
    podman.output(
      'run',
      '-d',
      '--name',
      'sleeper',
      ...PODMAN_LIMITS,
      '--network',
      'none',
      'localhost/bench',
      '/bin/sleep',
      '100000',
    );
  } catch {
    podman.dispose();
    return undefined;
  }
  return {
    name: 'podman with runc',
    run: () =>
      floor.measure([
        'podman',
        ...podman.arguments(
          'run',
          '--rm',
          ...PODMAN_LIMITS,
          '--network',
          'none',
          'localhost/bench',
          '/bin/true',
        ),
      ]),
    exec: () => floor.measure(['podman', ...podman.arguments('exec', 'sleeper', '/bin/true')]),
    dispose: async () => podman.dispose(),
  };
}

/** crun refuses a hybrid of cgroup v1 and v2: there it gets a mount namespace in which v2 alone is mounted. */
const ONLY_CGROUP2 =
  'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"';

/** Every peer that runs on this machine, with the same root file system. */
export async function findPeers(
  root: string,
  archive: string,
  directory: string,
  floor: Floor,
): Promise<Peer[]> {
  const pure = existsSync('/sys/fs/cgroup/cgroup.controllers');
  const crunFloor = pure
    ? floor
    : new Floor(root, directory, ['unshare', '-m', 'sh', '-c', ONLY_CGROUP2, 'sh']);
  const crun = await ociRuntime('crun', root, directory, crunFloor);
  if (crunFloor !== floor) {
    if (crun === undefined) await crunFloor.close();
    else {
      const { dispose } = crun;
      crun.dispose = async () => {
        await dispose();
        await crunFloor.close();
      };
    }
  }
  const found = [
    crun,
    await ociRuntime('runc', root, directory, floor),
    podmanPeer(archive, directory, floor),
  ];
  return found.filter((peer) => peer !== undefined);
}
