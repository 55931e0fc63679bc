import type { Native } from '../native/types.js';
import type { StorageMaps } from './worker-plan.js';
import { StorageWorker } from './worker.js';

/** Runs a function with a worker of its own, which ends with it. */
export async function withWorker<T>(
  native: Native,
  root: string,
  maps: StorageMaps | undefined,
  work: (worker: StorageWorker) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const worker = await StorageWorker.start(native, root, maps);
  const onAbort = (): void => void worker.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    // It may have been while the worker started.
    signal?.throwIfAborted();
    const result = await work(worker);
    await worker.close();
    return result;
  } catch (error) {
    await worker.abort();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
