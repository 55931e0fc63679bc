import { VainaError } from '../errors.js';
import type { Context } from './context.js';
import { hasLabel, listImages } from './list-images.js';
import { removeImage } from './remove-image.js';

/** Which images are removed. */
export interface PruneImagesOptions {
  /** All that no container is made of, not only those without a name. Default false. */
  all?: boolean;
  /** Which of them. */
  filters?: {
    /** Made before this moment. */
    until?: Date;
    /** `key` or `key=value`; all of them. */
    label?: readonly string[];
    /** `key` or `key=value`; none of them. */
    labelNot?: readonly string[];
    /** Whether only those without a name; the opposite of `all`. */
    dangling?: boolean;
  };
}

/** An image that was removed. */
export interface PrunedImage {
  /** 64 hexadecimal digits. */
  id: string;
  /** Names that it had. */
  names: readonly string[];
  /** Bytes that became free, of what the store keeps unpacked. */
  size: number;
}

/** Removes images that nothing needs. */
export async function pruneImages(context: Context, options: PruneImagesOptions): Promise<PrunedImage[]> {
  const { all = false, filters = {} } = options;
  const { until, label = [], labelNot = [], dangling = !all } = filters;
  const pruned: PrunedImage[] = [];
  for (const image of listImages(context, { manifest: false })) {
    if (image.containers > 0 || (dangling && !image.dangling)) continue;
    if (until && image.created >= until) continue;
    if (!label.every((one) => hasLabel(image.labels, one))) continue;
    if (labelNot.some((one) => hasLabel(image.labels, one))) continue;
    const size = image.size - sharedSizeOf(context, image.id);
    try {
      await removeImage(context, image.id, {});
      pruned.push({ id: image.id, names: image.names, size });
    } catch (error) {
      // Somebody has begun to use it, or was faster.
      if (!VainaError.is(error, 'ERR_IN_USE') && !VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) throw error;
    }
  }
  return pruned;
}

/** Bytes of the layers of an image that others have as well. */
function sharedSizeOf({ store: { images, layers } }: Context, id: string): number {
  const shared = images.layersOf(id).filter((chainId) => images.usersOf(chainId) > 1);
  return shared.reduce((sum, chainId) => sum + (layers.get(chainId)?.size ?? 0), 0);
}
