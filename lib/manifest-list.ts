import type { RemoveImageResult } from './lifecycle/remove-image.js';
import type { Context } from './lifecycle/context.js';
import { checkOptions } from './lifecycle/check-options.js';
import { jobs } from './lifecycle/jobs.js';
import type { ListAddOptions, ListEntryOptions, ListPushOptions } from './lifecycle/manifest-lists.js';
import type { CopyResult } from './transports/copy-image.js';
import type { ImageSource, Index } from './oci/types.js';

export type { ListAddOptions, ListEntryOptions, ListPushOptions };

/** A manifest list (image index) of the store: one name for images of several platforms. A handle by its id. */
export class ManifestList {
  /** 64 hexadecimal digits; stays the same when the content changes. */
  readonly id: string;
  readonly #context: Context;

  /** @internal */
  constructor(context: Context, id: string) {
    this.#context = context;
    this.id = id;
  }

  /** Full references, as they are now. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  get names(): readonly string[] {
    return this.#context.store.lists.require(this.id).names;
  }

  /** Digest of the index, as it is now. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  get digest(): string {
    return this.#context.store.lists.require(this.id).digest;
  }

  /**
   * Adds an image; an entry with the same digest gives way.
   * @param image - a name or id of the store, `docker://…`, or an opened source. What comes from elsewhere is kept in the
   * store without a name, and goes with the list
   * @returns the digests of the entries
   * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_OPTION; what the source or the registry throws
   */
  async add(image: string | ImageSource, options: ListAddOptions = {}): Promise<string[]> {
    checkOptions('listAdd', options);
    return jobs.manifestLists.addToList(this.#context, this.id, image, options);
  }

  /** Takes the entry with this digest out. Throws ERR_NO_SUCH_IMAGE when there is none. */
  async remove(digest: string): Promise<void> {
    await jobs.manifestLists.removeFromList(this.#context, this.id, digest);
  }

  /**
   * Changes what an entry says of its image.
   * @param digest - of the entry; undefined for the annotations of the list itself
   * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_OPTION
   */
  async annotate(digest: string | undefined, options: ListEntryOptions): Promise<void> {
    checkOptions('listAnnotate', options);
    await jobs.manifestLists.annotateList(this.#context, this.id, digest, options);
  }

  /** The index. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  async inspect(): Promise<Index> {
    return this.#context.store.lists.require(this.id).index;
  }

  /** The list with all its images, to be copied elsewhere. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  source(): ImageSource {
    return this.#context.store.listSource(this.id);
  }

  /**
   * Copies it to another place, with all its images.
   * @param destination - with its transport, as for `copyImage` of `vaina/transports`; without one, in a registry. Default: the registry
   * of its first name
   * @throws ERR_NO_SUCH_IMAGE when it was removed; ERR_INVALID_OPTION; as `copyImage` of `vaina/transports`
   */
  async push(destination?: string, options: ListPushOptions = {}): Promise<CopyResult> {
    return jobs.manifestLists.pushList(this.#context, this.id, destination, options);
  }

  /** Gives it one more name; whoever had it loses it. Throws ERR_INVALID_REFERENCE. */
  async tag(name: string): Promise<void> {
    await jobs.manifestLists.tagList(this.#context, this.id, name);
  }

  /**
   * Takes names away from it; the list stays.
   * @param name - one of its names; without it, all of them
   * @throws ERR_NO_SUCH_IMAGE when it does not have this name
   */
  async untag(name?: string): Promise<void> {
    await jobs.manifestLists.untagList(this.#context, this.id, name);
  }

  /** Removes it with its names, and the images that came with it and have no name of their own. */
  async delete(): Promise<RemoveImageResult> {
    return jobs.manifestLists.removeList(this.#context, this.id);
  }
}
