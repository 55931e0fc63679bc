import { VainaError } from '../errors.js';
import type { Lock } from '../store/locks.js';
import { filesOf, type Context } from './context.js';

/**
 * Locks a container against every other verb that changes it, in this process and in others. The lock's file is one of the
 * container's, and goes with them.
 * @throws ERR_NO_SUCH_CONTAINER when they are gone
 */
export async function lockContainer(context: Context, id: string): Promise<Lock> {
  try {
    return await context.store.locks.acquireAt(filesOf(context, id).lock);
  } catch (error) {
    throw gone(error, id);
  }
}

/** As {@link lockContainer}, if that is possible at once; else undefined. */
export function tryLockContainer(context: Context, id: string): Lock | undefined {
  try {
    return context.store.locks.tryAcquireAt(filesOf(context, id).lock);
  } catch (error) {
    throw gone(error, id);
  }
}

function gone(error: unknown, id: string): unknown {
  if (!VainaError.is(error, 'ERR_IO') || error.errno !== 'ENOENT') return error;
  return new VainaError('ERR_NO_SUCH_CONTAINER', `no container with id ${id}`, { subject: id, cause: error });
}
