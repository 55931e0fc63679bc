import type { Reference } from '../oci/reference.js';
import type { ImageSink, ImageSource } from '../oci/types.js';

/** A store of images as the transports need it: what an engine hands in, so that `vaina:NAME` means something. */
export interface ImageStoreTransport {
  /**
   * An image of the store, or a manifest list with its images, to be read.
   * @param name - a name, an id, or the beginning of an id
   * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`
   */
  source(name: string): Promise<ImageSource>;
  /**
   * What else an image of the store is called: a registry that one of the names is of may have its layers. Default: nothing
   * is known.
   */
  references?(name: string): readonly Reference[];
  /**
   * Where an image of this name is put.
   * @param name - as a user writes it
   * @throws VainaError `ERR_INVALID_REFERENCE`
   */
  sink(name: string): ImageSink;
  /**
   * Takes an image or a manifest list away.
   * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_IN_USE`
   */
  remove(name: string): Promise<void>;
}
