import { VainaError, type ErrorDetails } from '../errors.js';
import { fileFailure } from './failure.js';

/** Which side of a transfer something happened on. */
export type Side = 'source' | 'destination';

/** An error of a transfer, with the side it came from; `cause` is the error of that side. */
export function sideFailure(error: unknown, side: Side, name: string): VainaError {
  const known = VainaError.is(error) ? error : fileFailure(error, name);
  const { op, syscall, errno, path, hint } = known;
  const details: ErrorDetails = { op: op ?? 'copy', subject: name, cause: error };
  const kept = Object.entries({ syscall, errno, path, hint }).filter(([, value]) => value !== undefined);
  const message = known.message.startsWith(name) ? known.message : `${name}: ${known.message}`;
  return new VainaError(known.code, `${side} ${message}`, { ...details, ...Object.fromEntries(kept) });
}

/**
 * Runs a part of a transfer, and marks its failure with the side. An abort is passed on as it is.
 */
export async function onSide<T>(
  side: Side,
  name: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw sideFailure(error, side, name);
  }
}
