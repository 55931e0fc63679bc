import { checkOptions } from './lifecycle/check-options.js';
import type { Change } from './lifecycle/image-diff.js';
import type { HistoryRow } from './lifecycle/image-history.js';
import type { ImageTree } from './lifecycle/image-tree.js';
import type { ImageInspect } from './lifecycle/inspect-image.js';
import { jobs } from './lifecycle/jobs.js';
import type { Context } from './lifecycle/context.js';
import type { PushOptions } from './lifecycle/push-image.js';
import type { RemoveImageResult } from './lifecycle/remove-image.js';
import type { ImageRow } from './store/images.js';
import type { CopyResult } from './transports/copy-image.js';

export type { ImageInspect, RemoveImageResult };

/** An image of the store: a handle by its id, with what was known when it was looked up. */
export class Image {
  /** 64 hexadecimal digits: of the digest of its configuration. */
  readonly id: string;
  /** Digest of its manifest. */
  readonly digest: string;
  /** Full references, as they were when it was looked up. */
  readonly names: readonly string[];
  readonly #context: Context;

  /** @internal */
  constructor(context: Context, row: ImageRow) {
    this.#context = context;
    this.id = row.id;
    this.digest = row.digest;
    this.names = row.names;
  }

  /** All that is known of it, in podman's form. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  async inspect(): Promise<ImageInspect> {
    return jobs.inspectImage(this.#context, this.id);
  }

  /**
   * Gives it one more name; another image that had the name loses it.
   * @param name - without a registry it is one of `localhost/`, without a tag `latest`
   * @throws ERR_INVALID_REFERENCE, ERR_NO_SUCH_IMAGE
   */
  async tag(name: string): Promise<void> {
    await jobs.tags.tagImage(this.#context, this.id, name);
  }

  /**
   * Takes names away from it; the image stays.
   * @param name - one of its names; without it, all of them
   * @throws ERR_NO_SUCH_IMAGE when it does not have this name
   */
  async untag(name?: string): Promise<void> {
    await jobs.tags.untagImage(this.#context, this.id, name);
  }

  /** How it came to be, the newest step first. Throws ERR_NO_SUCH_IMAGE when it was removed. */
  async history(): Promise<HistoryRow[]> {
    return jobs.imageHistory(this.#context, this.id);
  }

  /**
   * Its layers, the lowest first.
   * @param options - `whatRequires`: its top layer and all that the store has on top of that
   * @throws ERR_NO_SUCH_IMAGE
   */
  async tree(options: { whatRequires?: boolean } = {}): Promise<ImageTree> {
    checkOptions('imageTree', options);
    return jobs.imageTree(this.#context, this.id, options);
  }

  /**
   * What its top layer changes of those below: paths as bytes, sorted.
   * @param base - another image, by name or id: what has to change of that to make this one
   * @throws ERR_NO_SUCH_IMAGE
   */
  async diff(base?: string): Promise<Change[]> {
    const other = base === undefined ? undefined : this.#context.store.images.find(base).image.id;
    return jobs.imageDiff(this.#context, this.id, other);
  }

  /**
   * Mounts its root file system, read-only, and tells where: a directory below the root of the store. Each call is counted.
   * @throws ERR_UNSUPPORTED for an ordinary user; ERR_NO_SUCH_IMAGE
   */
  async mount(): Promise<string> {
    return jobs.mounts.mountImage(this.#context, this.id);
  }

  /**
   * Takes one {@link Image.mount} back; the last one is unmounted.
   * @param options - `force`: unmount it however often it was mounted
   * @returns false when it was not mounted
   * @throws ERR_IO when something still uses the mount
   */
  async unmount(options: { force?: boolean } = {}): Promise<boolean> {
    checkOptions('unmountImage', options);
    return jobs.mounts.unmountImage(this.#context, this.id, options);
  }

  /**
   * Copies it to a registry, or to another place: {@link Images.push}.
   * @param destination - Default: the first of its names
   * @throws as {@link Images.push}
   */
  async push(destination?: string, options: PushOptions = {}): Promise<CopyResult> {
    const [name] = this.names;
    const image = name === undefined ? { id: this.id } : { id: this.id, name };
    return jobs.pushImage(this.#context, image, destination, options);
  }

  /**
   * Removes it with all its names, and the layers that only it needs.
   * @param options - `force`: remove the containers made of it too, running ones included
   * @throws ERR_IN_USE when a container is made of it; ERR_NO_SUCH_IMAGE
   */
  async remove(options: { force?: boolean } = {}): Promise<RemoveImageResult> {
    checkOptions('removeImage', options);
    return jobs.removeImage(this.#context, this.id, options);
  }
}
