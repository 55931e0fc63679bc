import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import type { KillTask } from '../support/children/kill.js';
import { FakeRegistry } from '../support/fake-registry.js';
import { dockerArchiveEntries, makeImage, tarOf, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { makeDirectory, nodeArguments, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { idOf } from '../support/store-box.js';

const MOMENTS = process.env['VAINA_LONG'] === '1' ? 100 : 12;
const WORKS = ['pull', 'load', 'rmi', 'prune'] as const;

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a store whose user is killed', function () {
  this.timeout(600_000);
  requires('root');
  checkLeftovers();
  let directory: string;
  let registry: FakeRegistry;
  let image: TestImage;
  let name: string;
  let archive: string;
  let places: Pick<KillTask, 'root' | 'runroot'>;

  before(async () => {
    directory = makeDirectory();
    places = { root: join(directory, 'root'), runroot: join(directory, 'run') };
    // The second is large enough for a thread, the third has many names.
    image = await makeImage({
      layers: await Promise.all([
        tarOf([{ name: 'a', content: 'a' }]),
        tarOf([{ name: 'noise', content: randomBytes(3 << 20) }]),
        tarOf(Array.from({ length: 500 }, (_, i) => ({ name: `d/${i}`, content: 'q'.repeat(i) }))),
      ]),
    });
    registry = await FakeRegistry.start();
    registry.add([image]);
    name = `${registry.host}/test/image:latest`;
    archive = join(directory, 'archive.tar');
    writeFileSync(archive, await tarOf(dockerArchiveEntries([{ image, tags: ['localhost/loaded:latest'] }])));
  });
  after(async () => {
    await registry?.stop();
    if (directory) removeDirectory(directory);
  });

  const whatOf = (work: KillTask['work']): string =>
    work === 'pull' || work === 'look' ? name : work === 'load' ? archive : idOf(image);

  const start = (work: KillTask['work']): ChildProcess => {
    const task: KillTask = { ...places, work, what: whatOf(work), archive };
    return spawn(process.execPath, [...nodeArguments('test/support/children/kill'), JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  };

  /** Makes the store what the work begins with. */
  const prepare = async (work: KillTask['work']): Promise<void> => {
    if (work === 'rmi' || work === 'prune') return void (await run('pull'));
    await using engine = await Engine.open(places);
    for (const { id } of await engine.images.list()) await (await engine.images.get(id)).remove();
  };

  /** Runs work; kills it some milliseconds after one of its lines. Gives when each line came after the first. */
  const run = async (
    work: KillTask['work'],
    kill?: { line: number; delay: number },
  ): Promise<{ times: number[]; signal: string | null; text: string }> => {
    const child = start(work);
    const times: number[] = [];
    let begun = 0;
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      begun ||= performance.now();
      text += chunk.toString();
      for (const _ of chunk.toString().match(/\n/g) ?? []) {
        times.push(performance.now() - begun);
        if (kill?.line === times.length - 1) setTimeout(() => child.kill('SIGKILL'), kill.delay);
      }
    });
    await once(child, 'close');
    return { times, signal: child.signalCode, text };
  };

  it(`is whole when it is opened again, in ${MOMENTS} moments`, async () => {
    const seed = Number(process.env['VAINA_SEED'] ?? Date.now() % 1_000_000);
    process.stdout.write(`      VAINA_SEED=${seed}\n`);
    const random = numbersOf(seed);
    const undisturbed = new Map<string, number[]>();
    for (const work of WORKS) {
      await prepare(work);
      undisturbed.set(work, (await run(work)).times);
    }
    let killed = 0;
    for (let moment = 0; moment < MOMENTS; moment++) {
      const work = WORKS[moment % WORKS.length] as KillTask['work'];
      const times = undisturbed.get(work) ?? [];
      await prepare(work);
      // Spread over the whole; or, every other time, just after something has been told.
      const round = Math.floor(moment / WORKS.length);
      const rounds = Math.ceil(MOMENTS / WORKS.length);
      const kill =
        round % 2 === 0
          ? { line: 0, delay: ((round + random()) / rounds) * (times.at(-1) ?? 0) }
          : { line: Math.floor(random() * (times.length - 1)), delay: random() * 10 };
      const label = `moment ${moment}: ${work}, ${kill.delay.toFixed(1)} ms after line ${kill.line}`;
      if ((await run(work, kill)).signal === 'SIGKILL') killed++;
      {
        await using engine = await Engine.open(places);
        const own = readdirSync(join(places.root, 'tmp')).filter((entry) => entry.endsWith('.lock'));
        expect(own, label).to.have.length.at.most(1);
        for (const { id } of await engine.images.list()) expect(id, label).to.equal(idOf(image));
      }
      expect((await run('look')).text.split('\n'), label).to.deep.equal(['begin', '[]', 'end', '']);
    }
    // Some come too late; most do not.
    expect(killed).to.be.at.least(MOMENTS / 3);
    await using engine = await Engine.open(places);
    await engine.images.prune({ all: true });
    expect(readdirSync(join(places.root, 'layers'))).to.deep.equal([]);
    expect(readdirSync(join(places.root, 'images/blobs/sha256'))).to.deep.equal([]);
  });
});
