import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, Problem } from '../../lib/index.js';
import type { KillTask } from './children/kill.js';
import { FakeRegistry } from './fake-registry.js';
import { dockerArchiveEntries, makeImage, tarOf, type TestImage } from './images.js';
import { startNode } from './programs.js';
import { idOf } from './store-box.js';

/** The work on a store that is interrupted. */
export const WORKS = ['pull', 'load', 'rmi', 'prune'] as const;

/** A moment of a work: some milliseconds after it has printed a line. */
export interface Moment {
  work: (typeof WORKS)[number];
  line: number;
  delay: number;
}

/** When the lines of a work come, in milliseconds after the first, where nobody has measured it. */
const TYPICAL: Readonly<Record<Moment['work'], readonly number[]>> = {
  pull: Array.from({ length: 16 }, (_, line) => line * 10),
  load: [0, 200],
  rmi: [0, 60],
  prune: [0, 60],
};

/** How many moments this run takes: VAINA_MOMENTS, or some by day and more with VAINA_LONG=1. */
export function momentsOfRun(everyday: number, long: number): number {
  return Number(process.env['VAINA_MOMENTS'] ?? (process.env['VAINA_LONG'] === '1' ? long : everyday));
}

/** The seed of this run: VAINA_SEED, or one that is printed so that it can be given. */
export function seedOfRun(): number {
  const seed = Number(process.env['VAINA_SEED'] ?? Date.now() % 1_000_000);
  process.stdout.write(`      VAINA_SEED=${seed}\n`);
  return seed;
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Works on one store in processes that can be interrupted, with an image in a registry and in an archive. */
export class Interrupted {
  readonly places: Pick<KillTask, 'root' | 'runroot'>;
  readonly image: TestImage;
  readonly name: string;
  readonly archive: string;
  readonly registry: FakeRegistry;
  /** By work: when its lines came after the first, undisturbed. */
  readonly #times = new Map<Moment['work'], readonly number[]>(WORKS.map((work) => [work, TYPICAL[work]]));

  private constructor(directory: string, root: string, image: TestImage, registry: FakeRegistry) {
    this.places = { root, runroot: join(directory, 'run') };
    this.image = image;
    this.registry = registry;
    this.name = `${registry.host}/test/image:latest`;
    this.archive = join(directory, 'archive.tar');
  }

  static async make(directory: string, root: string): Promise<Interrupted> {
    // The second is large enough for a thread, the third has many names.
    const image = await makeImage({
      layers: await Promise.all([
        tarOf([{ name: 'a', content: 'a' }]),
        tarOf([{ name: 'noise', content: randomBytes(3 << 20) }]),
        tarOf(Array.from({ length: 500 }, (_, i) => ({ name: `d/${i}`, content: 'q'.repeat(i) }))),
      ]),
    });
    const registry = await FakeRegistry.start();
    registry.add([image]);
    const made = new Interrupted(directory, root, image, registry);
    writeFileSync(
      made.archive,
      await tarOf(dockerArchiveEntries([{ image, tags: ['localhost/loaded:latest'] }])),
    );
    return made;
  }

  /** Measures how long each work takes undisturbed; `prepare` makes the store what it begins with. */
  async measure(prepare: (work: Moment['work']) => Promise<void>): Promise<void> {
    for (const work of WORKS) {
      await prepare(work);
      this.#times.set(work, (await this.run(work)).times);
    }
  }

  /** One of so many moments: spread over the whole; or, every other time, just after something has been told. */
  moment(index: number, moments: number, random: () => number): Moment {
    const work = WORKS[index % WORKS.length] as Moment['work'];
    const times = this.#times.get(work) ?? TYPICAL[work];
    const round = Math.floor(index / WORKS.length);
    const rounds = Math.ceil(moments / WORKS.length);
    return round % 2 === 0
      ? { work, line: 0, delay: ((round + random()) / rounds) * (times.at(-1) ?? 0) }
      : { work, line: Math.floor(random() * (times.length - 1)), delay: random() * 10 };
  }

  /** How many lines a work prints undisturbed. */
  linesOf(work: Moment['work']): number {
    return (this.#times.get(work) ?? TYPICAL[work]).length;
  }

  /**
   * Runs a work. At the moment it is interrupted, and then killed; should that not come, when it has ended.
   *
   * @returns when each line came after the first; what it had printed when it was interrupted
   */
  async run(
    work: KillTask['work'],
    moment?: Omit<Moment, 'work'>,
    interrupt: () => Promise<void> | void = () => undefined,
  ): Promise<{ times: number[]; signal: string | null; told: string }> {
    const task: KillTask = { ...this.places, work, what: this.#whatOf(work) };
    const child = startNode('test/support/children/kill', [JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const times: number[] = [];
    let begun = 0;
    let text = '';
    let told: string | undefined;
    let interrupted: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      told = text;
      await interrupt();
      child.kill('SIGKILL');
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      begun ||= performance.now();
      text += chunk.toString();
      for (const _ of chunk.toString().match(/\n/g) ?? []) {
        times.push(performance.now() - begun);
        if (moment?.line !== times.length - 1) continue;
        const { delay } = moment;
        interrupted = new Promise((done) => setTimeout(done, delay)).then(stop);
      }
    });
    await once(child, 'close');
    await (interrupted ?? (moment && stop()));
    return { times, signal: child.signalCode, told: told ?? text };
  }

  /** What is wrong with a store that `engine` has just opened, before it takes the image in anew and afterwards. */
  async problems(engine: Engine): Promise<Problem[]> {
    const before = await engine.check({ trees: true });
    await engine.images.pull(this.name, { tlsVerify: false });
    await engine.images.load(this.archive);
    return [...before, ...(await engine.check())];
  }

  #whatOf(work: KillTask['work']): string {
    return work === 'pull' ? this.name : work === 'load' ? this.archive : idOf(this.image);
  }
}
