// npm run bench [-- --json] [-- --quick]: what README's figures come from. Every comparison is interleaved in one run, so
// that a busy moment of the machine falls on all of them alike.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Engine } from '../../lib/index.js';
import {
  makeBusyboxRoot,
  makeDirectory,
  packRoot,
  removeAll,
  removeDirectory,
  REPO,
} from '../support/containers.js';
import { monitorPids } from '../support/leftovers.js';
import { benchImages } from './images.js';
import { Floor } from './floor.js';
import { findPeers, type Peer } from './peers.js';
import { Report } from './report.js';
import { median } from './statistics.js';

const QUICK = process.argv.includes('--quick');
const JSON_OUTPUT = process.argv.includes('--json');
const SAMPLES = QUICK ? 10 : 200;
const FEW = QUICK ? 5 : 100;
const MANY = QUICK ? 100 : 1000;

const report = new Report();
const add = report.add.bind(report);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Each of `lanes` once, again and again, in an order that turns: name → milliseconds. */
async function interleave(
  lanes: ReadonlyMap<string, () => Promise<number>>,
  samples: number,
): Promise<Map<string, number[]>> {
  const values = new Map([...lanes.keys()].map((name) => [name, [] as number[]]));
  const names = [...lanes.keys()];
  for (let i = 0; i < samples + 5; i++) {
    for (let k = 0; k < names.length; k++) {
      const name = names[(i + k) % names.length] ?? '';
      const value = await lanes.get(name)?.();
      // The first rounds fill caches.
      if (i >= 5 && value !== undefined) values.get(name)?.push(value);
    }
  }
  return values;
}

const OURS = 'vaina';
const FLOOR = 'the floor';

async function benchRuns(engine: Engine, image: string, floor: Floor, peers: readonly Peer[]): Promise<void> {
  const lanes = new Map<string, () => Promise<number>>([
    [FLOOR, () => floor.measure('run')],
    [OURS, () => timed(() => engine.run(image, ['/bin/true'], { network: 'none' }))],
    ...peers.map((peer) => [peer.name, peer.run] as const),
  ]);
  const values = await interleave(lanes, SAMPLES);
  const get = (name: string): number[] => values.get(name) ?? [];
  const bottom = add(`run /bin/true: ${FLOOR}`, 'ms', get(FLOOR));
  add(`run /bin/true: ${OURS}`, 'ms', get(OURS), bottom * 2, '2 × the floor');
  for (const peer of peers) {
    add(`run /bin/true: ${peer.name}`, 'ms', get(peer.name));
    if (peer.name.startsWith('crun'))
      add(
        `run /bin/true: ${OURS}, beside ${peer.name}`,
        'ms',
        get(OURS),
        median(get(peer.name)),
        `${peer.name}’s own run`,
      );
  }
}

async function benchExecs(
  engine: Engine,
  image: string,
  floor: Floor,
  peers: readonly Peer[],
): Promise<void> {
  const container = await engine.containers.run(image, { command: ['/bin/sleep', '100000'] });
  const lanes = new Map<string, () => Promise<number>>([
    [FLOOR, () => floor.measure('exec')],
    [OURS, () => timed(() => container.exec(['/bin/true']))],
  ]);
  for (const peer of peers) if (peer.exec) lanes.set(peer.name, peer.exec);
  const values = await interleave(lanes, SAMPLES);
  const bottom = add(`exec /bin/true: ${FLOOR}`, 'ms', values.get(FLOOR) ?? []);
  add(`exec /bin/true: ${OURS}`, 'ms', values.get(OURS) ?? [], bottom * 2, '2 × its floor');
  for (const peer of peers)
    if (peer.exec) add(`exec /bin/true: ${peer.name}`, 'ms', values.get(peer.name) ?? []);
  await container.remove({ force: true, timeout: 0 });
}

async function benchMany(engine: Engine, image: string): Promise<void> {
  const cycle = async (): Promise<number> =>
    timed(async () => {
      const container = await engine.containers.create(image, { command: ['/bin/true'], network: 'none' });
      await container.start();
      await container.wait();
      await container.remove();
    });
  const sample = async (): Promise<number[]> => {
    const values: number[] = [];
    for (let i = 0; i < FEW + 5; i++) {
      const value = await cycle();
      if (i >= 5) values.push(value);
    }
    return values;
  };
  const first = await sample();
  for (let i = 0; i < MANY; i++) await engine.containers.create(image, { command: ['/bin/true'] });
  const list: number[] = [];
  for (let i = 0; i < FEW; i++) {
    list.push(
      await timed(async () => {
        const { length } = await engine.containers.list({ all: true });
        if (length !== MANY) throw new Error(`listed ${length} of ${MANY}`);
      }),
    );
  }
  const last = await sample();
  const base = add('create, start, wait, remove: the 1st container', 'ms', first);
  // The same within what two halves of the same series differ by.
  add(
    `create, start, wait, remove: container ${MANY + 1}`,
    'ms',
    last,
    base * 1.1,
    'the 1st + 10 % for noise',
  );
  add(`list of ${MANY} containers`, 'ms', list, 10, '10 ms');
  await removeAll(engine);
}

function privateMemory(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  let total = 0;
  for (const [, value] of text.matchAll(/^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB$/gm))
    total += Number(value);
  return total;
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}

async function benchMemory(engine: Engine, image: string): Promise<void> {
  const known = new Set(monitorPids());
  const containers = [];
  for (let i = 0; i < FEW; i++)
    containers.push(await engine.containers.run(image, { command: ['/bin/sleep', '100000'] }));
  await containers[0]?.exec(['/bin/true']);
  // Ours are our children; others may run theirs at the same time.
  const monitors = monitorPids().filter((pid) => !known.has(pid) && parentOf(pid) === process.pid);
  if (monitors.length !== FEW) throw new Error(`${monitors.length} monitors for ${FEW} containers`);
  add('private memory of a monitor', 'kB', monitors.map(privateMemory), 400, '400 kB');
  await Promise.all(containers.map((container) => container.remove({ force: true, timeout: 0 })));
}

function benchImport(): void {
  if (!existsSync(join(REPO, 'dist/index.js'))) throw new Error('no dist/: run npm run build first');
  const script = `const t = process.hrtime.bigint(); require(${JSON.stringify(REPO)}); console.log(Number(process.hrtime.bigint() - t) / 1e6)`;
  const values: number[] = [];
  for (let i = 0; i < FEW + 3; i++) {
    const { stdout, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    if (status !== 0) throw new Error('importing the package failed');
    if (i >= 3) values.push(Number(stdout));
  }
  add('import of the package', 'ms', values, 60, '60 ms');
}

async function main(): Promise<void> {
  if (process.argv.includes('images')) return benchImages(QUICK, JSON_OUTPUT);
  const directory = makeDirectory();
  const root = makeBusyboxRoot(directory);
  const archive = packRoot(root);
  const engine = await Engine.open({ root: join(directory, 'root'), runroot: join(directory, 'run') });
  const floor = new Floor(root, directory);
  const image = 'localhost/bench';
  await engine.images.import(archive, { reference: image, changes: ['ENV PATH=/bin'] });
  const peers = await findPeers(root, archive, directory, floor);
  try {
    await benchRuns(engine, image, floor, peers);
    await benchExecs(engine, image, floor, peers);
    await benchMany(engine, image);
    await benchMemory(engine, image);
    benchImport();
  } finally {
    for (const peer of peers) await peer.dispose();
    await floor.close();
    await removeAll(engine);
    await engine.close();
    removeDirectory(directory);
  }
  report.print(JSON_OUTPUT, SAMPLES);
  // A handful of samples shows that everything can be measured, not how fast it is.
  if (!QUICK && report.failed) process.exitCode = 1;
}

void main();
