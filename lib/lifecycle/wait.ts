import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus } from './exit-status.js';
import { findContainer, requireContainer } from './catalogue.js';
import { connect } from './channel.js';
import type { Context } from './context.js';
import type { ExitStatus } from './records.js';
import { readTruth } from './sync.js';

/** How often a container that has no monitor yet is looked at, in milliseconds. */
const POLL = 50;

/** Waits for the end of a container, whoever started it; one that was never started is waited for all the same. */
export async function waitContainer(context: Context, id: string, signal?: AbortSignal): Promise<ExitStatus> {
  let last: ExitStatus | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const owned = context.owned.get(id);
    if (owned) {
      owned.channel.ref();
      return abortable(owned.ended, signal).finally(() => owned.channel.unref());
    }
    // An auto-removed container is gone when it has ended; what its monitor said is then all there is.
    const entry = last ? findContainer(context, id) : requireContainer(context, id);
    if (!entry) return last as ExitStatus;
    const { state } = readTruth(context, entry);
    if (state.exit && state.status !== 'running') return state.exit;
    last = state.status === 'running' ? await monitorEnded(context, id, signal) : undefined;
    if (!last) await sleep(POLL, undefined, signal ? { signal } : {});
  }
}

/** What the monitor says at the end, or undefined when it does not answer. */
async function monitorEnded(
  context: Context,
  id: string,
  signal?: AbortSignal,
): Promise<ExitStatus | undefined> {
  let channel;
  try {
    channel = connect(context, id);
  } catch {
    // It listens only after it has taken its lock, and no more when it is about to end.
    return undefined;
  }
  try {
    return exitStatus(await abortable(channel.wait(0), signal));
  } catch {
    signal?.throwIfAborted();
    return undefined;
  } finally {
    channel.close();
  }
}

/** The promise, unless the signal comes first: then its reason. */
export async function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => signal.removeEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(done);
  });
}
