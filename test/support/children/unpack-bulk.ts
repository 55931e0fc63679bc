// Unpacks one bulk layer below a directory. Arguments: the directory, the name of the layer. Prints a line of JSON: what
// came of it, by how much this process and its worker grew at their highest, and how long it and its removal took.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { VainaError } from '../../../lib/errors.js';
import { native } from '../../../lib/native/index.js';
import { unpackLayer } from '../../../lib/store/unpack.js';
import { withWorker } from '../../../lib/store/with-worker.js';
import { BULK_LAYERS } from '../bulk-layers.js';

/** A line of /proc/PID/status in bytes. */
function memory(process: string, line: 'VmHWM' | 'VmRSS'): number {
  const text = readFileSync(`/proc/${process}/status`, 'utf8');
  return Number(new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

/** The most that any child of this process has had so far. */
function childPeak(): number {
  const peaks = readdirSync('/proc/self/task').flatMap((task) => {
    const children = readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ');
    return children.filter(Boolean).map((child) => {
      try {
        return memory(child, 'VmHWM');
      } catch {
        // It has just ended.
        return 0;
      }
    });
  });
  return Math.max(0, ...peaks);
}

async function main(): Promise<void> {
  const [root = '', name = ''] = process.argv.slice(2);
  const layer = BULK_LAYERS.find((one) => one.name === name);
  if (!layer) throw new Error(`no layer ${name}`);
  mkdirSync(join(root, 'tmp/bulk/diff'), { recursive: true });
  const result: { error?: string; message?: string; grown?: number; worker?: number; seconds?: number[] } =
    {};
  const base = memory('self', 'VmRSS');
  // From here on the high-water mark is that of the work.
  writeFileSync('/proc/self/clear_refs', '5');
  let worker = 0;
  const begun = performance.now();
  const watch = setInterval(() => (worker = Math.max(worker, childPeak())), 50);
  try {
    await withWorker(native(), root, undefined, async (storage) => {
      await storage.begin('tmp/bulk/diff');
      await unpackLayer(Readable.from(layer.pieces(), { highWaterMark: 1 }), {
        what: 'layer',
        worker: storage,
      });
      worker = Math.max(worker, childPeak());
    });
  } catch (error) {
    result.error = VainaError.is(error) ? error.code : String((error as Error).stack);
    result.message = String((error as Error).message);
  }
  clearInterval(watch);
  result.grown = memory('self', 'VmHWM') - base;
  result.worker = worker;
  const unpacked = performance.now();
  await withWorker(native(), root, undefined, (storage) => storage.remove('tmp/bulk'));
  result.seconds = [unpacked - begun, performance.now() - unpacked].map((ms) => Math.round(ms) / 1000);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

void main();
