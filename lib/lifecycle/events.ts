import { channel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';

const CHANNELS = { container: channel('vaina:container'), image: channel('vaina:image') };
const debug = debuglog('vaina');

/** What happens to images, in podman's words. */
export type ImageEvent =
  | 'pull'
  | 'pull-error'
  | 'push'
  | 'tag'
  | 'untag'
  | 'remove'
  | 'loadfromarchive'
  | 'save'
  | 'import'
  | 'mount'
  | 'unmount';

/** Tells whoever listens on the diagnostics channel `vaina:container`, or set NODE_DEBUG=vaina, what happened. */
export function publish(verb: string, id: string, details: Record<string, unknown> = {}): void {
  tell('container', verb, id, details);
}

/**
 * The same for images, manifest lists among them, on `vaina:image`.
 *
 * @param id - of the image; empty where there is none
 */
export function publishImage(verb: ImageEvent, id: string, details: Record<string, unknown> = {}): void {
  tell('image', verb, id, details);
}

function tell(kind: keyof typeof CHANNELS, verb: string, id: string, details: Record<string, unknown>): void {
  const where = CHANNELS[kind];
  if (where.hasSubscribers) where.publish({ verb, id, ...details });
  if (debug.enabled) debug('%s %s %s %o', kind, verb, id, details);
}
