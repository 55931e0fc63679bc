import { VainaError } from '../errors.js';

/**
 * One of the images that lie together: by name; `@INDEX` is its place, from 0. Default: the only one.
 *
 * @param place - where they lie, for messages
 * @param find - finds the one of a name
 * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID` where there are several and no name was given; what `find` throws
 */
export function pickImage<T>(
  images: readonly T[],
  name: string | undefined,
  place: string,
  find: (name: string) => T | undefined,
): T {
  const [first, second] = images;
  if (name === undefined) {
    if (first === undefined) throw new VainaError('ERR_NO_SUCH_IMAGE', `${place} holds no image`);
    if (second === undefined) return first;
    throw new VainaError('ERR_AMBIGUOUS_ID', `${place} holds several images: name one`);
  }
  const at = /^@([0-9]{1,9})$/.exec(name)?.[1];
  const found = at === undefined ? find(name) : images[Number(at)];
  if (found !== undefined) return found;
  throw new VainaError('ERR_NO_SUCH_IMAGE', `${place} holds no image ${name}`, { subject: name });
}
