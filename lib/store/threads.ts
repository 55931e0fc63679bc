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
  // In a checkout it is TypeScript; who has loaded this by `node -r` has told threads how to as well. What else started this
  // process, such as the program ts-node, is not to start in a thread once more.
  const loader =
    kind === '.ts' && !process.execArgv.includes('-r')
      ? { execArgv: ['-r', 'ts-node/register/transpile-only'] }
      : {};
  const thread = new Worker(join(__dirname, `unpack-thread${kind}`), {
    ...loader,
    resourceLimits: RESOURCES,
  });
  running++;
  thread.once('exit', () => running--);
  return thread;
}
