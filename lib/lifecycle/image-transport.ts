import { parseReference, type Reference } from '../oci/reference.js';
import type { ImageSink, ImageSource } from '../oci/types.js';
import type { ImageStoreTransport } from '../transports/store.js';
import type { Context } from './context.js';
import { localName } from './image-names.js';
import { removeList } from './manifest-lists.js';
import { removeImage } from './remove-image.js';
import { untagImage } from './tag-image.js';

/** The images of a store for names that start with `vaina:`. */
export function imageTransport(context: Context): ImageStoreTransport {
  const { store } = context;
  return {
    async source(name): Promise<ImageSource> {
      const list = store.lists.find(name);
      return list ? store.listSource(list.id) : store.source(store.images.find(name).image.id);
    },
    references(name): Reference[] {
      const { names } = store.lists.find(name) ?? store.images.find(name).image;
      return names.map((one) => parseReference(one));
    },
    sink(name): ImageSink {
      return store.sink({ names: [localName(name)] });
    },
    async remove(name): Promise<void> {
      const list = store.lists.find(name);
      if (list) {
        await removeList(context, list.id);
        return;
      }
      const { image, name: found } = store.images.find(name);
      // An image with several names loses only the one it was called by.
      if (found !== undefined && image.names.length > 1) await untagImage(context, image.id, found);
      else await removeImage(context, image.id, {});
    },
  };
}
