import { requireContainer } from './catalogue.js';
import type { Context } from './context.js';

/**
 * Lets go of every container that this process started: closing the channel is the end of the lifeline, which ends all
 * but detached ones.
 */
export async function closeContainers(context: Context): Promise<void> {
  const ending = [];
  for (const [id, { channel, ended }] of context.owned) {
    if (requireContainer(context, id).record.options.detach) {
      // Who is no longer listed is let go of: the silence of his monitor does not mean that it was killed.
      context.owned.delete(id);
      channel.close();
    } else {
      ending.push(channel.signal(0, 9).then(() => ended));
    }
  }
  await Promise.allSettled(ending);
}
