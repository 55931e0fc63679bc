import { expect } from 'chai';
import { type ErrorCode, VainaError } from '../../../lib/errors.js';

/** Runs what must throw a VainaError of this code, and returns it. */
export function thrown(code: ErrorCode, work: () => unknown): VainaError {
  try {
    work();
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    expect(error.code, error.message).to.equal(code);
    expect(error.message)
      .to.match(/^[^A-Z]/)
      .and.not.match(/\.$/);
    return error;
  }
  throw new Error(`nothing was thrown, ${code} should have been`);
}
