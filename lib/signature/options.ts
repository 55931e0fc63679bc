import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';

/** Where gpg is and how it is ended: options of all that signs or verifies with it. */
export const GPG = ['gnupgHome', 'signal'] as const;

/**
 * Refuses an option that is not known: one that is misspelt would be passed over, which is what must not happen to who
 * asks for safety.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkOptions(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new VainaError('ERR_INVALID_OPTION', `unknown option ${quote(name)}`);
  }
}
