import { parseSize } from '../util/bytes.js';
import { invalid } from './invalid.js';

/** A size of the options as bytes; 0 and undefined are no limit. Throws ERR_INVALID_OPTION. */
export function sizeOption(option: string, value: number | string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const bytes = typeof value === 'number' ? value : parseSize(value);
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw invalid(
      option,
      `${option} ${JSON.stringify(value)} is no size`,
      'write bytes, or a number with k, m or g',
    );
  }
  return bytes === 0 ? undefined : bytes;
}
