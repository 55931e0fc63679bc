import type { Context } from './context.js';
import { publish } from './events.js';
import { openChannel, requestFailure } from './channel.js';
import { requireSignal } from './signals.js';

/** Sends a signal to the main process of a container, by its monitor: never by a pid. */
export async function killContainer(context: Context, id: string, signal: string | number): Promise<void> {
  const number = requireSignal(signal);
  const { channel, release } = openChannel(context, id, 'kill');
  try {
    await channel.signal(0, number);
  } catch (error) {
    throw requestFailure(error, 'kill', id);
  } finally {
    release();
  }
  publish('kill', id, { signal: number });
}
