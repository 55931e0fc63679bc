import { VainaError } from '../errors.js';

/** The error for an option that is malformed or contradicts another one. */
export function invalid(option: string, message: string, hint?: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message, {
    subject: option,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The error for an option that the engine knows of but cannot honour. */
export function unsupported(option: string, message: string, hint?: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', message, {
    subject: option,
    ...(hint === undefined ? {} : { hint }),
  });
}
