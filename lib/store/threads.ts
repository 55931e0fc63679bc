import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Layers that are unpacked in threads at the same time: more would not be faster, and each has its memory. */
const MOST = 4;
/**
 * The chunks that come out of the decompressor are freed with the small objects that lead to them: the sooner there is no
 * room for more of these, the less memory waits for it.
 */
const RESOURCES = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 128 };

let running = 0;

/** A thread for one layer, which runs `unpack-thread`; undefined when there are enough of them. */
export function startThread(): Worker | undefined {
  if (running >= MOST) return undefined;
  const kind = extname(__filename);
  const file = join(__dirname, `unpack-thread${kind}`);
  // In a checkout it is TypeScript, which a thread has to be told how to read, whatever this process was started by.
  const thread =
    kind === '.ts'
      ? new Worker(`for (const module of ${JSON.stringify([typescript(), file])}) require(module);`, {
          eval: true,
          resourceLimits: RESOURCES,
        })
      : new Worker(file, { resourceLimits: RESOURCES });
  running++;
  thread.once('exit', () => running--);
  return thread;
}

function typescript(): string {
  return createRequire(__filename).resolve('ts-node/register/transpile-only');
}
