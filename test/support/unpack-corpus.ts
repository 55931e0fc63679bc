import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { VainaError } from '../../lib/errors.js';
import type { Native } from '../../lib/native/types.js';
import { unpackLayer } from '../../lib/store/unpack.js';
import { withWorker } from '../../lib/store/with-worker.js';
import type { StorageMaps } from '../../lib/store/worker-plan.js';
import { layerCorpus, type Places } from './layer-corpus.js';

/** What came of one case. */
export interface CaseResult {
  /** The code of the error; for a failure that has none, its text. */
  error?: string;
  message?: string;
  milliseconds: number;
  /** Growth of this process, in bytes. */
  memory: number;
}

/**
 * Unpacks each layer of the corpus into `tmp/cases/N/diff` below a root, each with a worker of its own, as the store
 * does it.
 */
export async function unpackCorpus(
  native: Native,
  root: string,
  maps: StorageMaps | undefined,
  places: Places,
  only?: (name: string) => boolean,
): Promise<Record<string, CaseResult>> {
  const results: Record<string, CaseResult> = {};
  for (const [index, { name, archive }] of layerCorpus(places).entries()) {
    if (only && !only(name)) continue;
    const bytes = archive();
    const directory = join(root, 'tmp', 'cases', String(index));
    mkdirSync(join(directory, 'diff'), { recursive: true, mode: 0o700 });
    const start = performance.now();
    const before = process.memoryUsage.rss();
    const result: CaseResult = { milliseconds: 0, memory: 0 };
    try {
      await withWorker(native, root, maps, async (worker) => {
        await worker.begin(`tmp/cases/${index}/diff`);
        await unpackLayer(Readable.from(pieces(bytes)), { what: 'layer', worker });
      });
    } catch (error) {
      result.error = VainaError.is(error) ? error.code : String((error as Error).stack);
      result.message = String((error as Error).message);
    }
    result.milliseconds = performance.now() - start;
    result.memory = process.memoryUsage.rss() - before;
    results[name] = result;
  }
  return results;
}

/** As a network would bring them: headers and contents cut anywhere. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  const size = bytes.length < 100_000 ? 700 : 65_536;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
