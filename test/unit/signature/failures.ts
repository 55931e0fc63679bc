import { VainaError } from '../../../lib/errors.js';

/** The error of the engine that a function throws. */
export function thrown(work: () => unknown): VainaError {
  try {
    work();
  } catch (error) {
    if (VainaError.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
