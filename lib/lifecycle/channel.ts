import { VainaError } from '../errors.js';
import { ControlChannel } from '../native/control.js';
import { requireContainer } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { assertAllowed, type Verb } from './state.js';
import { readTruth } from './sync.js';

/** A way to the monitor of a running container. */
export interface OpenChannel {
  channel: ControlChannel;
  /** Closes the channel if it was opened for this once. */
  release: () => void;
}

/** The channel that this process has to the monitor, or one for this once. */
export function openChannel(context: Context, id: string, verb: Verb): OpenChannel {
  const owned = context.owned.get(id);
  if (owned) return { channel: owned.channel, release: () => undefined };
  const entry = requireContainer(context, id);
  assertAllowed(verb, readTruth(context, entry).status, entry.record.name);
  try {
    const channel = connect(context, id);
    return { channel, release: () => channel.close() };
  } catch (error) {
    throw new VainaError(
      'ERR_INVALID_STATE',
      `cannot ${verb} container ${entry.record.name}: its monitor does not answer`,
      { op: `container.${verb}`, subject: entry.record.name, cause: error },
    );
  }
}

/** What went wrong in a request to the monitor: that it is gone means that its container has ended meanwhile. */
export function requestFailure(error: unknown, verb: Verb, id: string): unknown {
  if (!VainaError.is(error, 'ERR_MONITOR_LOST')) return error;
  return new VainaError('ERR_INVALID_STATE', `cannot ${verb} container ${id}: it has just ended`, {
    op: `container.${verb}`,
    subject: id,
    cause: error,
  });
}

/** A control channel to the monitor of a container that another process may own. */
export function connect(context: Context, id: string): ControlChannel {
  return ControlChannel.connect(context.native, filesOf(context, id).runDirectory);
}
