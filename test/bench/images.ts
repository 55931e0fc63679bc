// npm run bench -- images [--json] [--quick]: images beside podman and skopeo, with a registry on loopback. Interleaved,
// each into a place of its own that is new; nothing is removed before the end, since the file system takes much longer to
// make files while others have just been removed. Vaina is its compiled package in a Node.js of its own, or its command line.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startDistribution } from '../support/distribution.js';
import { Podman } from '../support/podman.js';
import { makeDirectory, REPO, removeDirectory } from '../support/programs.js';
import { cost, type Cost } from './cost.js';
import { debianLayers } from './debian-layers.js';
import { measureParts } from './layer-parts.js';
import { Report } from './report.js';

/**
 * What vaina is to do, and the part of the package that a program which does just that loads. The arguments are the package, a
 * directory for its store, and those of the job.
 */
const JOBS = {
  pull: 'await open(); await engine.images.pull(argument, { tlsVerify: false });',
  save: 'await open(); await engine.images.save(argument, target, { format });',
  load: 'await open(); await engine.images.load(argument);',
  // What is loaded at the first request of a process is there at the second.
  inspect: `await inspectImage(argument, { tlsVerify: false });
    first = performance.now() - begin;
    begin = performance.now();
    await inspectImage(argument, { tlsVerify: false });`,
} as const;

const PROGRAM = (job: keyof typeof JOBS): string => `
const [repo, store, argument, target, format] = process.argv.slice(1);
const { Engine, inspectImage } = require(${job === 'inspect' ? "repo + '/dist/transports'" : 'repo'});
const delay = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 5 });
let engine, begin, first;
const open = async () => void (engine = await Engine.open({ root: store + '/root', runroot: store + '/run' }));
(async () => {
  begin = performance.now();
  delay.enable();
  ${JOBS[job]}
  delay.disable();
  const inside = performance.now() - begin;
  await engine?.close();
  // What is recorded has the time between two samples in it.
  console.log(JSON.stringify({ inside, first, delay: delay.percentile(99) / 1e6 - 5 }));
})();`;

interface Told {
  /** Milliseconds from the first call to the last. */
  inside: number;
  /** Of the call before, which was the first in the process. */
  first?: number;
  /** By how many milliseconds the event loop was late, at the 99th percentile. */
  delay: number;
}

function vaina(job: keyof typeof JOBS, store: string, ...args: readonly string[]): Cost {
  mkdirSync(store, { recursive: true });
  return cost(process.execPath, ['-e', PROGRAM(job), REPO, store, ...args]);
}

/** Podman takes no path of a store that has more than 50 characters. */
function podman(store: string, ...args: readonly string[]): Cost {
  mkdirSync(store, { recursive: true });
  return cost('podman', new Podman(store).arguments(...args));
}

function skopeo(...args: readonly string[]): Cost {
  return cost('skopeo', ['--insecure-policy', ...args]);
}

/** Our way and the peer's, each for the number of the sample. */
interface Pair {
  peer: string;
  ours: (sample: number) => Cost;
  theirs: (sample: number) => Cost;
}

function pairs(directory: string, reference: string): Record<string, Pair> {
  const at = (...names: (string | number)[]): string => join(directory, names.join('-'));
  const formats = ['docker-archive', 'oci-archive'] as const;
  const all: Record<string, Pair> = {
    pull: {
      peer: 'podman',
      ours: (i) => vaina('pull', at('vaina', i), reference),
      theirs: (i) => podman(at('p', i), 'pull', '--quiet', '--tls-verify=false', reference),
    },
  };
  // Out of the stores of the first pull.
  for (const format of formats)
    all[`save as ${format}`] = {
      peer: 'podman',
      ours: (i) => vaina('save', at('vaina', 0), reference, at(format, 'vaina', i), format),
      theirs: (i) =>
        podman(at('p', 0), 'save', '-q', '--format', format, '-o', at(format, 'podman', i), reference),
    };
  for (const format of formats)
    all[`load of ${format}`] = {
      peer: 'podman',
      ours: (i) => vaina('load', at('load', format, 'vaina', i), at(format, 'podman', 0)),
      theirs: (i) => podman(at(`${format.charAt(0)}p`, i), 'load', '-q', '-i', at(format, 'podman', 0)),
    };
  // As skopeo does it: a command line, and no store that has to do with it.
  all['copy to an OCI layout'] = {
    peer: 'skopeo',
    ours: (i) =>
      cost(join(REPO, 'dist/cli/main.js'), [
        ...['--insecure-policy', 'copy', '--quiet', '--src-tls-verify=false'],
        ...[`docker://${reference}`, `oci:${at('copy', 'vaina', i)}:latest`],
      ]),
    theirs: (i) =>
      skopeo(
        ...['copy', '--quiet', '--src-tls-verify=false'],
        ...[`docker://${reference}`, `oci:${at('copy', 'skopeo', i)}:latest`],
      ),
  };
  all['inspect'] = {
    peer: 'skopeo',
    ours: (i) => vaina('inspect', at('inspect', i), `docker://${reference}`),
    theirs: () => skopeo('inspect', '--tls-verify=false', `docker://${reference}`),
  };
  return all;
}

/** Measures what moves images, each against a peer. Sets the exit code when a bar was not met. */
export async function benchImages(quick: boolean, json: boolean): Promise<void> {
  if (!existsSync(join(REPO, 'dist/index.js'))) throw new Error('no dist/: run npm run build first');
  const samples = quick ? 1 : 3;
  const { layout, layers } = debianLayers();
  const directory = makeDirectory();
  const report = new Report();
  const registry = await startDistribution(directory);
  try {
    const reference = `${registry.host}/bench:latest`;
    const push = ['--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
    execFileSync('skopeo', [...push, `oci:${layout}:latest`, `docker://${reference}`]);
    let pull = 0;
    for (const [name, pair] of Object.entries(pairs(directory, reference))) {
      const ours: Cost[] = [];
      const theirs: Cost[] = [];
      for (let i = 0; i < samples; i++) {
        ours.push(pair.ours(i));
        theirs.push(pair.theirs(i));
      }
      const wall = addRows(report, name, pair.peer, ours, theirs);
      if (name === 'pull') pull = wall;
    }
    measureParts(report, layers, registry.host, directory, samples, pull);
  } finally {
    await registry.stop();
    removeDirectory(directory);
  }
  report.print(json, samples);
  // One sample shows that everything can be measured, not how fast it is.
  if (!quick && report.failed) process.exitCode = 1;
}

/** What the two took; returns our time. */
function addRows(
  report: Report,
  name: string,
  peer: string,
  ours: readonly Cost[],
  theirs: readonly Cost[],
): number {
  const of = (costs: readonly Cost[], what: 'wall' | 'processor' | 'memory'): number[] =>
    costs.map((one) => one[what]);
  // A command line has nothing to tell.
  const told = ours.flatMap(({ output }) => (output === '' ? [] : [JSON.parse(output) as Told]));
  const [factor, words] = name === 'pull' ? [0.4, `0.4 × ${peer}`] : [1, `${peer}’s`];
  const wall = report.add(`${name}: ${peer}`, 's', of(theirs, 'wall'));
  // A program of ours is already running where the library is used; a peer’s starts for each call.
  const mine = name === 'inspect' ? told.map(({ inside }) => inside / 1000) : of(ours, 'wall');
  const took = report.add(`${name}: vaina`, 's', mine, wall * factor, words);
  const processor = report.add(`${name}, processor time: ${peer}`, 's', of(theirs, 'processor'));
  if (name === 'pull')
    report.add(`${name}, processor time: vaina`, 's', of(ours, 'processor'), processor / 4, `0.25 × ${peer}`);
  else report.add(`${name}, processor time: vaina`, 's', of(ours, 'processor'));
  report.add(`${name}, peak memory: ${peer}`, 'MB', of(theirs, 'memory'));
  report.add(`${name}, peak memory: vaina`, 'MB', of(ours, 'memory'), 250, '250 MB');
  const firsts = told.flatMap(({ first }) => (first === undefined ? [] : [first / 1000]));
  // Loading a module blocks for longer than such a call takes.
  if (firsts.length > 0) report.add(`${name}, the first of a process: vaina`, 's', firsts);
  else if (told.length > 0)
    report.add(
      `${name}, event loop late at p99: vaina`,
      'ms',
      told.map(({ delay }) => delay),
      20,
      '20 ms',
    );
  return took;
}
