import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { Descriptor, Digest, ImageSource, RawManifest, Signature } from '../oci/types.js';
import type { Content } from './content.js';
import type { ImageRow } from './images.js';

/** Reads an image of the store, to be pushed, saved or copied. */
export class StoreSource implements ImageSource {
  readonly name: string;
  readonly #image: Pick<ImageRow, 'id' | 'digest' | 'names'>;
  readonly #content: Content;

  /** @internal */
  constructor(image: Pick<ImageRow, 'id' | 'digest' | 'names'>, content: Content) {
    this.#image = image;
    this.#content = content;
    this.name = image.names[0] ?? `image ${image.id}`;
  }

  /** The image's manifest; with a digest, one of its manifests or the index that led to it. */
  async manifest(digest: Digest = this.#image.digest): Promise<RawManifest> {
    const row = this.#content.get(digest);
    if (!row)
      throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.name} has no manifest ${digest}`, {
        subject: digest,
      });
    return { bytes: await this.#content.read(digest), mediaType: row.mediaType, digest };
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    return this.#content.open(descriptor.digest);
  }

  async signatures(digest: Digest): Promise<readonly Signature[]> {
    return this.#content.signaturesOf(digest);
  }

  async close(): Promise<void> {}
}
