import { VainaError } from '../errors.js';
import type { PackedLayer, PackLayerOptions } from '../store/pack-layer.js';
import { requireContainer } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { isPlainRootfs } from './files.js';
import { readSpec } from './spec-file.js';

/**
 * Packs what a container has changed into a layer of the store; see {@link Store.packLayer}. What was made to mount on,
 * such as an empty `etc/hosts` in an image that has none, is no change.
 *
 * @returns undefined when it has changed nothing
 * @throws VainaError `ERR_NO_SUCH_CONTAINER`; `ERR_UNSUPPORTED` when its root file system is used as it is, so that
 * nobody knows what has changed
 */
export async function packChanges(
  context: Context,
  id: string,
  options: Omit<PackLayerOptions, 'mounts'> = {},
): Promise<PackedLayer | undefined> {
  const { store } = context;
  const { record } = requireContainer(context, id);
  if (isPlainRootfs(record.options)) {
    throw new VainaError('ERR_UNSUPPORTED', `the container ${record.name} has no layer of its own to pack`, {
      subject: id,
    });
  }
  const below = record.imageId === undefined ? [] : store.layers.lowerDirectories(record.imageId);
  const points = readSpec(context, id).mounts.map(({ destination }) => destination);
  return store.packLayer(filesOf(context, id).upper, { ...options, mounts: { points, below } });
}
