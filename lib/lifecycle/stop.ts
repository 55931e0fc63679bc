import { VainaError } from '../errors.js';
import { requireContainer } from './catalogue.js';
import { openChannel } from './channel.js';
import type { Context } from './context.js';
import { publish } from './events.js';
import { lockContainer } from './lock.js';
import { assertAllowed } from './state.js';
import { readTruth } from './sync.js';
import { waitContainer } from './wait.js';

/**
 * Stops a container: its stop signal, then SIGKILL after the time-out. One that does not run is left alone.
 * @param timeout - seconds; default: the container's own stopTimeout
 */
export async function stopContainer(context: Context, id: string, timeout?: number): Promise<void> {
  await using _lock = await lockContainer(context, id);
  await stopLocked(context, id, timeout);
}

/** As {@link stopContainer}, by a verb that holds the lock. */
export async function stopLocked(context: Context, id: string, timeout?: number): Promise<void> {
  const entry = requireContainer(context, id);
  const { status } = readTruth(context, entry);
  assertAllowed('stop', status, entry.record.name);
  if (status !== 'running') return;
  const { channel, release } = openChannel(context, id, 'stop');
  try {
    await channel.stop(undefined, timeout === undefined ? undefined : Math.round(timeout * 1000));
  } catch (error) {
    // The monitor may end before its answer is read; that it ended is what was wanted.
    if (!VainaError.is(error, 'ERR_MONITOR_LOST')) throw error;
  } finally {
    release();
  }
  await ended(context, id);
  publish('stop', id);
}

/** What this process owns has saved its end only when its own promise has settled. */
async function ended(context: Context, id: string): Promise<void> {
  const owned = context.owned.get(id);
  if (owned) await owned.ended;
  else await waitContainer(context, id).catch(() => undefined);
}
