import { formatReference, isShortName, parseReference, withDefaultTag } from '../oci/reference.js';

/** The full name of an image made here: without a registry it is one of `localhost/`. Throws ERR_INVALID_REFERENCE. */
export function localName(reference: string): string {
  const full = isShortName(reference) ? `localhost/${reference}` : reference;
  return formatReference(withDefaultTag(parseReference(full)));
}
