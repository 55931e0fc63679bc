import type { Readable, Writable } from 'node:stream';
import { VainaError } from './errors.js';
import { Image } from './image.js';
import { checkOptions } from './lifecycle/check-options.js';
import type { Context } from './lifecycle/context.js';
import type { ChosenImage } from './lifecycle/create.js';
import { findImage } from './lifecycle/find-image.js';
import type { ImportOptions } from './lifecycle/import-image.js';
import { jobs } from './lifecycle/jobs.js';
import { chooseImage } from './lifecycle/local-image.js';
import { listImages, type ImageFilter, type ImageSummary } from './lifecycle/list-images.js';
import type { MountedImage } from './lifecycle/mount-image.js';
import type { PrunedImage, PruneImagesOptions } from './lifecycle/prune-images.js';
import type { LoadOptions } from './lifecycle/load-images.js';
import type { PullOptions, PullPolicy } from './lifecycle/pull-image.js';
import type { PushedImage, PushOptions } from './lifecycle/push-image.js';
import type { ScpOptions } from './lifecycle/scp-image.js';
import type { SavedImage, SaveOptions } from './lifecycle/save-images.js';
import type { SearchOptions, SearchResult } from './registry/search.js';
import type { CopyResult } from './transports/copy-image.js';

export type { ImportOptions, LoadOptions, PullOptions, PushOptions, SaveOptions };

/** The images of a store. */
export class Images {
  readonly #context: Context;

  /** @internal */
  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Pulls an image from its registry, or from another place. What the store has already is not moved again. The trust policy
   * is asked; the signatures are kept with the image.
   * @param reference - e.g. `docker.io/library/debian:13`, `host/name@sha256:…`; a name without a registry, as in
   * `debian`, is resolved by the configuration of registries (containers-registries.conf(5)), without one at docker.io;
   * or a name with a transport (containers-transports(5)), as in `oci:DIR:NAME`, `docker-archive:FILE`,
   * `containers-storage:NAME`
   * @throws ERR_INVALID_REFERENCE, ERR_NO_SUCH_IMAGE, ERR_UNAUTHORIZED, ERR_REGISTRY, ERR_REGISTRY_UNREACHABLE,
   * ERR_REGISTRY_BLOCKED, ERR_SHORT_NAME, ERR_POLICY_REJECTED, ERR_DIGEST_MISMATCH, ERR_INVALID_LAYER,
   * ERR_NO_MATCHING_PLATFORM, ERR_NO_SPACE; the reason of `signal`. The store is then as it was, but for the other images of
   * `allTags`
   */
  async pull(reference: string, options: PullOptions & { allTags: true }): Promise<Image[]>;
  async pull(reference: string, options?: PullOptions): Promise<Image>;
  async pull(reference: string, options: PullOptions = {}): Promise<Image | Image[]> {
    const pulled = await jobs.pulls.pullImages(this.#context, reference, options);
    const images = pulled.map(({ row }) => new Image(this.#context, row));
    return options.allTags === true ? images : (images[0] as Image);
  }

  /**
   * Copies an image of the store to a registry, or to another place. Blobs that are there are not moved, and those that the
   * registry has in another repository of the image are mounted. Layers that are not compressed are compressed for a registry.
   * @param image - a name, an id, or an {@link Image}
   * @param destination - a name with a transport (containers-transports(5)), or one of a registry. Default: the name of the image
   * @throws ERR_NO_SUCH_IMAGE; ERR_INVALID_REFERENCE, also for an image without a name and a destination; ERR_UNAUTHORIZED,
   * ERR_REGISTRY, ERR_REGISTRY_UNREACHABLE; ERR_UNSUPPORTED for what the destination cannot hold, and for podman's store;
   * the reason of `signal`
   */
  async push(image: string | Image, destination?: string, options: PushOptions = {}): Promise<CopyResult> {
    return jobs.pushImage(this.#context, await this.#pushed(image), destination, options);
  }

  /**
   * Writes images to an archive or a directory. An image that is called by a name has that one there, an {@link Image} all its
   * names, and one that is called by its id none.
   * @param images - names, ids, or {@link Image}s: one, but for a `docker-archive`, which holds any number
   * @param target - a path, or for an archive a stream, which is ended. An archive in Docker's format is not replaced
   * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_OPTION, ERR_NAME_IN_USE, ERR_PERMISSION, ERR_NO_SPACE, ERR_IO; nothing is left of a file
   * then
   */
  async save(
    images: string | Image | readonly (string | Image)[],
    target: string | Writable,
    options: SaveOptions = {},
  ): Promise<void> {
    const all = typeof images === 'string' || images instanceof Image ? [images] : images;
    const saved: SavedImage[] = [];
    for (const image of all) saved.push(await this.#saved(image));
    await jobs.saveImages(this.#context, saved, target, options);
  }

  /**
   * Loads the images of an archive or a directory: what `save` writes in any of its formats, `docker save`, or an OCI layout;
   * archives plain or compressed. The trust policy is asked for each, as the transport that it would be.
   * @param source - a path, an `http:` or `https:` URL of an archive, or the bytes of one
   * @throws ERR_NO_SUCH_PATH, ERR_INVALID_IMAGE, ERR_POLICY_REJECTED, ERR_DIGEST_MISMATCH, ERR_INVALID_LAYER, ERR_NO_SPACE; the
   * images before the one that failed are there
   */
  async load(source: string | Readable, options: LoadOptions = {}): Promise<Image[]> {
    const rows = await jobs.loadImages(this.#context, source, options);
    return rows.map((row) => new Image(this.#context, row));
  }

  /**
   * Copies an image between the stores of users, machines and engines (podman-image-scp(1)): an archive goes through a pipe
   * from the engine that has the image to the one that gets it. A place is `[USER@]HOST[:PORT]::`, which `ssh` is asked for,
   * `CONNECTION::`, the same for a machine that `podman system connection` has a name for, or `[USER@]localhost::`, the store of
   * this or, for root, of another user. The trust policy is asked by the engine that gets it.
   * @param source - a name or id, or `PLACE::NAME`
   * @param destination - `PLACE::`. Default: this store
   * @returns the names that the image has where it came to, as the engine there says them
   * @throws ERR_INVALID_OPTION, also for another name at the destination, which it cannot get; ERR_NO_SUCH_IMAGE;
   * ERR_PERMISSION for the store of another user; ERR_NO_SUCH_USER; ERR_UNSUPPORTED for the path of a socket, and for a
   * connection without ssh; ERR_HOST_UNSUPPORTED for a program that is not there; ERR_PEER_FAILED with what the program said last
   */
  async scp(source: string, destination?: string, options: ScpOptions = {}): Promise<string[]> {
    return jobs.scpImage(this.#context, source, destination, options);
  }

  /**
   * Makes an image of one layer from the tar of a root file system, plain or compressed by gzip or zstd. No trust policy is asked:
   * it is no image yet.
   * @param source - a path, an `http:` or `https:` URL, or the bytes of the tar
   * @throws ERR_NO_SUCH_PATH, ERR_INVALID_OPTION for a change that is none, ERR_INVALID_REFERENCE, ERR_INVALID_LAYER
   */
  async import(source: string | Readable, options: ImportOptions = {}): Promise<Image> {
    return new Image(this.#context, await jobs.importImage(this.#context, source, options));
  }

  /**
   * The image of this name or id.
   * @param nameOrId - a name (without a registry: `localhost/` first, then `docker.io/library/`, then its alias and the
   * search registries of containers-registries.conf(5)), a digest, or a beginning of an id that fits only one
   * @throws ERR_NO_SUCH_IMAGE, ERR_AMBIGUOUS_ID, ERR_INVALID_REFERENCE
   */
  async get(nameOrId: string): Promise<Image> {
    return new Image(this.#context, (await findImage(this.#context, nameOrId)).image);
  }

  /** Whether there is an image of this name or id. */
  async exists(nameOrId: string): Promise<boolean> {
    try {
      await findImage(this.#context, nameOrId);
      return true;
    } catch (error) {
      if (VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) return false;
      throw error;
    }
  }

  /**
   * Searches registries for images by a term. An ordinary answer of one registry is not lost when another one fails.
   * @param term - `REGISTRY/TERM`, or a term alone for all search registries of containers-registries.conf(5)
   * @throws as {@link search}
   */
  async search(term: string, options: SearchOptions = {}): Promise<SearchResult[]> {
    return jobs.search(term, options);
  }

  /** Images, newest first. */
  async list(filter: ImageFilter = {}): Promise<ImageSummary[]> {
    return listImages(this.#context, filter);
  }

  /**
   * Removes images that nothing needs: those without a name, or with `all` those that no container is made of.
   * @returns what was removed, with the bytes that became free
   * @throws ERR_INVALID_OPTION
   */
  async prune(options: PruneImagesOptions = {}): Promise<PrunedImage[]> {
    checkOptions('pruneImages', options);
    return jobs.pruneImages(this.#context, options);
  }

  /** The images that are mounted by {@link Image.mount}. */
  async mounted(): Promise<MountedImage[]> {
    return jobs.mounts.mountedImages(this.#context);
  }

  /**
   * The image that a container is to be made of, pulled if the policy says so.
   * @internal
   */
  async choose(image: string | Image, policy: PullPolicy, options: PullOptions = {}): Promise<ChosenImage> {
    if (image instanceof Image) {
      return { row: this.#context.store.images.find(image.id).image, name: image.names[0] ?? image.id };
    }
    if (options.policy !== undefined || options.allTags !== undefined) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        'pullOptions have no policy and no allTags: pull is the policy',
      );
    }
    const { row, name } = await chooseImage(this.#context, image, { ...options, policy });
    return { row, name: name ?? row.names[0] ?? row.id };
  }

  async #pushed(image: string | Image): Promise<PushedImage> {
    if (image instanceof Image) return pushedBy(image.id, image.names[0]);
    const found = await findImage(this.#context, image);
    return pushedBy(found.image.id, found.name ?? found.image.names[0]);
  }

  async #saved(image: string | Image): Promise<SavedImage> {
    if (image instanceof Image) return image;
    const { image: row, name } = await findImage(this.#context, image);
    return { id: row.id, names: name === undefined ? [] : [name] };
  }
}

function pushedBy(id: string, name: string | undefined): PushedImage {
  return name === undefined ? { id } : { id, name };
}
