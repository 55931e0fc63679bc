import { VainaError } from '../errors.js';
import type { Settings } from './options.js';
import { unwrapped } from './retry.js';

/** The time that one operation has, beside the signal of its caller. */
export interface Deadline {
  /** Aborted by the caller, or with `ERR_TIMEOUT` when the time is over. */
  signal: AbortSignal;
  /** The operation is over. */
  clear(): void;
}

/**
 * Begins the time of an operation (`RegistryOptions.timeout`).
 *
 * @param what - names the operation in the message
 */
export function deadline(
  settings: Pick<Settings, 'timeout'>,
  what: string,
  signal: AbortSignal | undefined,
): Deadline {
  const { timeout } = settings;
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new VainaError('ERR_TIMEOUT', `${what} took longer than ${timeout / 1000} s`)),
    timeout,
  );
  // The time of an operation is no reason for a program to go on.
  timer.unref();
  return {
    signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal,
    clear: () => clearTimeout(timer),
  };
}

/** Does something within the time that one operation has. */
export async function within<T>(
  settings: Pick<Settings, 'timeout'>,
  what: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const time = deadline(settings, what, signal);
  try {
    return await work(time.signal);
  } catch (error) {
    time.signal.throwIfAborted();
    throw unwrapped(error);
  } finally {
    time.clear();
  }
}
