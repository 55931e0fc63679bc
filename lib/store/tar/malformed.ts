import { VainaError } from '../../errors.js';

/** The error of a layer archive that is not as it must be. */
export function malformed(why: string): VainaError {
  return new VainaError('ERR_INVALID_LAYER', `the layer archive is malformed: ${why}`);
}

/** The error of a layer archive that is well-formed but not accepted. */
export function refused(why: string): VainaError {
  return new VainaError('ERR_INVALID_LAYER', `the layer archive was refused: ${why}`);
}

/** A name from an archive, fit for a message. */
export function show(name: Buffer): string {
  const text = name.length > 160 ? `${name.toString('utf8', 0, 160)}…` : name.toString('utf8');
  return JSON.stringify(text);
}
