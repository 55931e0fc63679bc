import type { Context } from './context.js';

/** Locks a container against every other verb that changes it, in this process and in others. */
export async function lockContainer(
  context: Context,
  id: string,
  signal?: AbortSignal,
): Promise<AsyncDisposable> {
  return context.store.locks.acquire(`container-${id}`, signal ? { signal } : {});
}
