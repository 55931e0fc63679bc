import { channel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';

const container = channel('vaina:container');
const debug = debuglog('vaina');

/** Tells whoever listens on the diagnostics channel `vaina:container`, or set NODE_DEBUG=vaina, what happened. */
export function publish(verb: string, id: string, details: Record<string, unknown> = {}): void {
  if (container.hasSubscribers) container.publish({ verb, id, ...details });
  debug('%s %s %o', verb, id, details);
}
