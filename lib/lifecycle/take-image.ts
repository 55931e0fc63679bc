import { copy } from '../oci/copy.js';
import type { CopyOptions } from '../oci/copy-options.js';
import type { ImageSource, Platform, TransferOptions } from '../oci/types.js';
import type { ImageRow } from '../store/images.js';
import type { Context } from './context.js';

/** Options of {@link takeImage}. */
export interface TakeOptions extends TransferOptions {
  /** Which image of an index. */
  platform?: Platform;
  /** What holds the image against the trust policy. */
  verify?: CopyOptions['verify'];
}

/**
 * Takes an image with its signatures into the store, whatever it comes from.
 *
 * @param names - full references that it gets
 * @throws what {@link copy} throws; the store is then as it was
 */
export async function takeImage(
  { store }: Pick<Context, 'store'>,
  source: ImageSource,
  names: readonly string[],
  options: TakeOptions,
): Promise<ImageRow> {
  const { signal, onProgress, platform, verify } = options;
  signal?.throwIfAborted();
  const { manifests } = await copy(source, store.sink({ names, ...(signal && { signal }) }), {
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(platform && { platform }),
    ...(verify && { verify }),
  });
  return store.images.find(manifests[0]?.config?.descriptor.digest ?? '').image;
}
