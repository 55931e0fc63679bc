import { VainaError } from '../errors.js';
import { formatReference, isShortName } from '../oci/reference.js';
import type { RegistriesConfig } from '../registry/registries-conf.js';
import type { FoundImage } from '../store/images.js';
import type { Context } from './context.js';
import { jobs } from './jobs.js';

/**
 * The image of a name or id; a short name also by its alias and the search registries.
 *
 * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`, `ERR_INVALID_REFERENCE`
 */
export async function findImage(
  { store: { images } }: Context,
  nameOrId: string,
  config?: RegistriesConfig | false,
): Promise<FoundImage> {
  try {
    return images.find(nameOrId);
  } catch (error) {
    if (!VainaError.is(error, 'ERR_NO_SUCH_IMAGE') || !mayBeShort(nameOrId)) throw error;
    for (const candidate of await jobs.localCandidates(nameOrId, config === undefined ? {} : { config })) {
      try {
        return images.find(formatReference(candidate));
      } catch (missing) {
        if (!VainaError.is(missing, 'ERR_NO_SUCH_IMAGE')) throw missing;
      }
    }
    throw error;
  }
}

/** Whether a text may be a name at all, not a digest or the id of an image. */
function mayBeShort(text: string): boolean {
  if (text.startsWith('sha256:')) return false;
  try {
    return isShortName(text);
  } catch {
    return false;
  }
}
