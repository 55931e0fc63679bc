// npm run bench -- images [--json] [--quick]: pulling an image of four layers, 1 GB unpacked, beside podman. Interleaved,
// each into a store of its own that is new. The processor time is that of all processes that a program has waited for.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startDistribution } from '../support/distribution.js';
import { makeDirectory, REPO, removeDirectory } from '../support/programs.js';
import { Podman } from '../support/podman.js';
import { median, quantile } from './statistics.js';

const CACHE = '/var/tmp/vaina-bench-cache';
const LAYERS = ['nginx python3', 'postgresql', 'redis default-jdk-headless gcc g++'];

/** What one run took: seconds, seconds of processors, MB of the largest process. */
interface Cost {
  wall: number;
  processor: number;
  memory: number;
}

/** The image as an OCI layout; made once, which takes some minutes. */
function layout(): string {
  const path = join(CACHE, 'layout');
  if (existsSync(path)) return path;
  const work = join(CACHE, `making-${process.pid}`);
  mkdirSync(work, { recursive: true });
  const buildah = (...args: readonly string[]): string =>
    execFileSync(
      'buildah',
      ['--root', join(work, 'root'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs', ...args],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 },
    ).trim();
  const base = join(work, 'base.tar');
  execFileSync('mmdebstrap', ['--quiet', '--variant=minbase', 'bookworm', base], { stdio: 'ignore' });
  let container = buildah('from', 'scratch');
  buildah('add', container, base, '/');
  for (const [i, packages] of LAYERS.entries()) {
    buildah('commit', '--quiet', container, `step${i}`);
    container = buildah('from', `step${i}`);
    const install = `apt-get update && apt-get install -y --no-install-recommends ${packages} && rm -rf /var/lib/apt/lists/*`;
    buildah(
      'run',
      '--isolation',
      'chroot',
      '--network',
      'host',
      container,
      '--',
      'sh',
      '-c',
      `DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; ${install}`,
    );
  }
  buildah('commit', '--quiet', container, 'image');
  buildah('push', '--quiet', '--format', 'oci', 'image', `oci:${join(work, 'layout')}:latest`);
  renameSync(join(work, 'layout'), path);
  rmSync(work, { recursive: true, force: true });
  return path;
}

/** Runs a program to its end and asks the kernel (wait4(2), through perl) what it took. */
function cost(command: string, args: readonly string[]): Cost {
  const script =
    'use Time::HiRes "time"; my $t = time; my $s = system @ARGV; my (undef, undef, $u, $k) = times; printf "%f %f %d", time - $t, $u + $k, $s';
  const { stdout, stderr } = spawnSync(
    'perl',
    ['-e', script, '--', '/bin/sh', '-c', 'exec >/dev/null "$@"', 'sh', command, ...args],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  const [wall, processor, status] = stdout.trim().split(' ').map(Number);
  if (status !== 0 || wall === undefined || processor === undefined)
    throw new Error(`${command} failed: ${stderr}`);
  return { wall, processor, memory: Number(/^VmHWM ([0-9]+)$/m.exec(stderr)?.[1] ?? NaN) / 1024 };
}

/** Pulls with vaina, podman, and shows what it took. */
export async function benchImages(quick: boolean, json: boolean): Promise<void> {
  if (!existsSync(join(REPO, 'dist/index.js'))) throw new Error('no dist/: run npm run build first');
  const image = layout();
  const directory = makeDirectory();
  const registry = await startDistribution(directory);
  const reference = `${registry.host}/bench:latest`;
  const lanes: Record<string, (scratch: string) => Cost> = {
    vaina: (scratch) => cost(process.execPath, ['-e', PULL, REPO, scratch, reference]),
    podman: (scratch) =>
      cost('podman', new Podman(scratch).arguments('pull', '--quiet', '--tls-verify=false', reference)),
  };
  const costs = new Map(Object.keys(lanes).map((name) => [name, [] as Cost[]]));
  try {
    execFileSync('skopeo', [
      '--insecure-policy',
      'copy',
      '--quiet',
      '--dest-tls-verify=false',
      `oci:${image}:latest`,
      `docker://${reference}`,
    ]);
    for (let i = 0; i < (quick ? 1 : 5); i++) {
      for (const [name, pull] of Object.entries(lanes)) {
        const scratch = join(directory, `${name}-${i}`);
        mkdirSync(scratch);
        costs.get(name)?.push(pull(scratch));
        rmSync(scratch, { recursive: true, force: true });
      }
    }
  } finally {
    await registry.stop();
    removeDirectory(directory);
  }
  print(costs, json);
}

const PULL = `
const [repo, scratch, reference] = process.argv.slice(1);
const { Engine } = require(repo);
(async () => {
  const engine = await Engine.open({ root: scratch + '/root', runroot: scratch + '/run' });
  await engine.images.pull(reference, { tlsVerify: false });
  await engine.close();
  console.error(require('node:fs').readFileSync('/proc/self/status', 'utf8').replace(/^VmHWM:\\s+(\\d+) kB$/m, 'VmHWM $1'));
})();`;

function print(costs: ReadonlyMap<string, readonly Cost[]>, json: boolean): void {
  const rows = (['wall', 'processor', 'memory'] as const).flatMap((what) =>
    [...costs].map(([name, values]) => {
      const all = values.map((value) => value[what]).filter((value) => !Number.isNaN(value));
      const unit = what === 'memory' ? 'MB' : 's';
      return {
        name: `pull, ${what}: ${name}`,
        unit,
        median: median(all),
        p90: quantile(all, 0.9),
        samples: all.length,
      };
    }),
  );
  if (json) return void process.stdout.write(`${JSON.stringify({ rows }, null, 2)}\n`);
  process.stdout.write('| what | median | p90 | n |\n| --- | ---: | ---: | ---: |\n');
  for (const { name, unit, median: middle, p90, samples } of rows)
    if (samples > 0)
      process.stdout.write(
        `| ${name} | ${middle.toFixed(2)} ${unit} | ${p90.toFixed(2)} ${unit} | ${samples} |\n`,
      );
}
