// Takes images in whose layers are unpacked in threads, and disturbs that. Argument: JSON of Task. Prints one line of JSON
// for each disturbance: what it failed with, and what was there before and after.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { rootlessMaps } from '../../../lib/lifecycle/subids.js';
import { native } from '../../../lib/native/index.js';
import { copy } from '../../../lib/oci/copy.js';
import { Store } from '../../../lib/store/store.js';
import { makeImage, tarOf, type TestImage } from '../images.js';
import { PacedSource } from '../memory-source.js';

export interface ThreadsTask {
  root: string;
  runroot: string;
  /** What is done, one after another. */
  steps: Step[];
  /** How often each is done. Default 1. */
  times?: number;
  /** Bytes of each layer. Default 3 MiB. */
  size?: number;
}

export type Step =
  'take' | 'take-six' | 'abort' | 'full' | 'kill' | 'stop-abort' | 'stop-fail' | 'late' | 'stall';

/** What came of a step. */
export interface StepResult {
  step: Step;
  /** Code of the error, or its name; `none`, or `hung`. */
  error: string;
  /** Milliseconds. */
  took: number;
  /** What is there afterwards and was not before: threads, descriptors, processes, files of `tmp`. */
  left: string[];
}

const HUNG_AFTER_MS = 20_000;

/** Processes below this one: monitors, and what they supervise. */
function descendants(): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
    } catch {
      /* it has ended */
    }
  }
  const below = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || below(parents.get(pid)));
  return [...parents.keys()].filter((pid) => pid !== process.pid && below(parents.get(pid)));
}

/** The storage workers: what monitors supervise. */
function workers(): number[] {
  return descendants().filter((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 4).startsWith(`${process.pid} `);
  });
}

function signalWorkers(signal: NodeJS.Signals): void {
  for (const pid of workers()) {
    try {
      process.kill(pid, signal);
    } catch {
      /* it has ended */
    }
  }
}

function census(task: ThreadsTask): Map<string, number> {
  return new Map([
    ['threads', readdirSync('/proc/self/task').length],
    ['descriptors', readdirSync('/proc/self/fd').length],
    ['processes', descendants().length],
    ['files', readdirSync(`${task.root}/tmp`, { recursive: true }).length],
  ]);
}

async function leftSince(then: Map<string, number>, task: ThreadsTask): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const now = census(task);
    const left = [...now].filter(([what, count]) => count > (then.get(what) ?? 0));
    if (left.length === 0) return [];
    if (tries === 100) return left.map(([what, count]) => `${what}: ${then.get(what)} -> ${count}`);
    await sleep(20);
  }
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as ThreadsTask;
  const { root, runroot, size = 3 << 20, times = 1 } = task;
  const user = userInfo();
  const maps = user.uid === 0 ? undefined : rootlessMaps(user);
  const store = await Store.open({ root, runroot, native: native(), ...(maps ? { maps } : {}) });
  const fresh = async (layers: number): Promise<TestImage> =>
    makeImage({
      layers: await Promise.all(
        Array.from({ length: layers }, (_, i) => tarOf([{ name: `f${i}`, content: randomBytes(size) }])),
      ),
      compress: 'none',
    });
  const take = async (image: TestImage, onPiece?: PacedSource['onPiece'], signal?: AbortSignal) => {
    const source = PacedSource.of(image);
    if (onPiece) source.onPiece = onPiece;
    const options = signal ? { signal } : {};
    await copy(source, store.sink(options), options);
    await store.deleteImage(image.config.descriptor.digest.slice('sha256:'.length));
  };
  const middle = size >> 1;
  /** Calls a function once, when the half of a layer has been given, and goes on. */
  const once = (work: () => Promise<void> | void): PacedSource['onPiece'] => {
    let called = false;
    return async (given) => {
      if (called || given < middle) return;
      called = true;
      await work();
    };
  };
  const STEPS: Record<Step, () => Promise<void>> = {
    take: async () => take(await fresh(3)),
    'take-six': async () => take(await fresh(6)),
    full: async () => take(await fresh(3)),
    abort: async () => {
      const stop = new AbortController();
      await take(
        await fresh(3),
        once(() => stop.abort()),
        stop.signal,
      );
    },
    kill: async () =>
      take(
        await fresh(3),
        once(() => signalWorkers('SIGKILL')),
      ),
    'stop-abort': async () => {
      const stop = new AbortController();
      await take(
        await fresh(3),
        once(() => {
          signalWorkers('SIGSTOP');
          setTimeout(() => stop.abort(), 200);
        }),
        stop.signal,
      );
    },
    // Its thread may be waiting for the pipe when the source fails.
    'stop-fail': async () => {
      let stopped: number | undefined;
      await take(await fresh(1), async (given) => {
        if (given < middle) return;
        if (stopped === undefined) signalWorkers('SIGSTOP');
        stopped ??= given;
        if (given < stopped + 4 * PacedSource.PIECE) return;
        await sleep(200);
        throw new Error('the source has failed');
      });
    },
    // What is wrong shows while nobody waits for the thread; then comes a whole piece, or the end.
    late: async () => {
      const good = await tarOf([{ name: 'good', content: Buffer.alloc(1 << 20) }]);
      const bad = Buffer.concat(
        [good.subarray(0, -1024), Buffer.alloc(5 * (256 << 10), 'no archive')],
        5 * (256 << 10),
      );
      const layer = Buffer.concat([bad, Buffer.alloc(1 << 20, 'no archive')]);
      await take(await makeImage({ layers: [layer], compress: 'none' }), async (given) => {
        if (given === bad.length) await sleep(500);
      });
    },
    stall: async () => {
      const stop = new AbortController();
      const silent = once(() => {
        setTimeout(() => stop.abort(), 300);
        return new Promise(() => undefined);
      });
      await take(await fresh(1), silent, stop.signal);
    },
  };
  // What Node.js starts at the first use of something is there from now on.
  if (task.steps.includes('full')) await take(await makeImage());
  else await STEPS['take-six']();
  for (const step of task.steps) {
    for (let i = 0; i < times; i++) {
      const then = census(task);
      const begun = performance.now();
      const limit = new AbortController();
      const error = await Promise.race([
        STEPS[step]().then(
          () => 'none',
          (failure: unknown) => {
            const { code, name } = failure as { code?: unknown; name?: string };
            return typeof code === 'string' ? code : `${name}: ${String(failure)}`;
          },
        ),
        sleep(HUNG_AFTER_MS, 'hung', { signal: limit.signal }).catch(() => 'hung'),
      ]);
      const took = Math.round(performance.now() - begun);
      limit.abort();
      const left = await leftSince(then, task);
      const result: StepResult = { step, error, took, left };
      process.stdout.write(`${JSON.stringify(result)}\n`);
      if (error === 'hung') process.exit(1);
    }
  }
  await store.close();
}

void main();
