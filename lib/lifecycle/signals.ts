import { VainaError } from '../errors.js';
import { signalNumber } from '../util/signals.js';

/** The number of a signal. Throws ERR_INVALID_OPTION when there is no such signal. */
export function requireSignal(signal: string | number): number {
  const number = signalNumber(signal);
  if (number === undefined)
    throw new VainaError('ERR_INVALID_OPTION', `there is no signal ${JSON.stringify(signal)}`);
  return number;
}
