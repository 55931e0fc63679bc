import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import { READ_OPTIONS } from './options.js';

/**
 * Refuses an option that a verb does not have: one that is misspelled must not be ignored.
 *
 * @param own - options of the verb beside those of every request
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkKnown(verb: string, options: object, own: readonly string[]): void {
  const unknown = Object.entries(options).find(
    ([name, value]) => value !== undefined && !Object.hasOwn(READ_OPTIONS, name) && !own.includes(name),
  );
  if (unknown)
    throw new VainaError('ERR_INVALID_OPTION', `unknown option ${quote(unknown[0])} of ${verb}`, {
      subject: unknown[0],
    });
}
