import { VainaError } from '../errors.js';
import { endOptions } from './check-options.js';
import { formatImageName, parseImageName } from './name.js';
import { registryOptions, withinTime, type EndOptions, type TransportOptions } from './options.js';
import { deleteManifest } from '../registry/delete.js';
import { deleteFromLayout } from './delete-layout.js';

/** Options of {@link deleteImage}. */
export interface DeleteImageOptions extends EndOptions, TransportOptions {}

/**
 * Deletes an image where it is (skopeo-delete(1)). In a registry it is the manifest that goes, and with it every tag
 * of it; the registry must allow it, and collects what nobody refers to in its own time. Of an `oci:` layout the name goes, and
 * the blobs that no other image of it needs; blobs in a shared directory stay.
 *
 * @param name - `docker://…`, `oci:…` or `vaina:…`
 * @throws VainaError `ERR_UNSUPPORTED` for other transports; `ERR_NO_SUCH_IMAGE`, `ERR_IN_USE`, `ERR_INVALID_REFERENCE`; for a
 * registry as {@link inspectImage}
 */
export async function deleteImage(name: string, options: DeleteImageOptions = {}): Promise<void> {
  const end = endOptions('deleteImage', options);
  const parsed = parseImageName(name);
  await withinTime(options, async (signal) => {
    switch (parsed.transport) {
      case 'docker': {
        return void (await deleteManifest(parsed.reference, registryOptions(end, signal)));
      }
      case 'oci': {
        return deleteFromLayout(parsed.path, parsed.name, end.sharedBlobDirectory !== undefined, signal);
      }
      case 'vaina':
        if (options.store) return options.store.remove(parsed.image);
        throw new VainaError('ERR_INVALID_OPTION', `${formatImageName(parsed)}: no store was given`);
      default:
        throw new VainaError(
          'ERR_UNSUPPORTED',
          `deleting images is not implemented for ${parsed.transport}: images`,
          { subject: name, hint: 'delete it with what made it; docker://, oci: and vaina: are deleted here' },
        );
    }
  });
}
