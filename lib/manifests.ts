import { checkOptions } from './lifecycle/check-options.js';
import type { Context } from './lifecycle/context.js';
import { localName } from './lifecycle/image-names.js';
import { jobs } from './lifecycle/jobs.js';
import type { ImageRegistryOptions } from './lifecycle/image-registry-options.js';
import { ManifestList } from './manifest-list.js';

/** How a manifest list is made. */
export interface CreateListOptions extends ImageRegistryOptions {
  /** Of images that are lists, add all their images. Default false. */
  all?: boolean;
  /** Where the list exists, add to it. Default false: ERR_NAME_IN_USE. */
  amend?: boolean;
  /** Annotations of the list. */
  annotations?: Readonly<Record<string, string>>;
}

/** The manifest lists of a store. */
export class Manifests {
  readonly #context: Context;

  /** @internal */
  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes a manifest list.
   * @param name - without a registry it is one of `localhost/`, without a tag `latest`
   * @param images - names or ids of the store, or `docker://…`
   * @throws ERR_NAME_IN_USE, ERR_INVALID_REFERENCE, ERR_NO_SUCH_IMAGE; for an image of a registry as {@link Images.pull}
   */
  async create(
    name: string,
    images: readonly string[] = [],
    options: CreateListOptions = {},
  ): Promise<ManifestList> {
    checkOptions('listCreate', options);
    const { amend, annotations, ...add } = options;
    const create = {
      ...(amend === undefined ? {} : { amend }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    const list = new ManifestList(
      this.#context,
      await jobs.manifestLists.createList(this.#context, localName(name), create),
    );
    for (const image of images) await list.add(image, add);
    return list;
  }

  /** The list of this name or id. Throws ERR_NO_SUCH_IMAGE. */
  async get(nameOrId: string): Promise<ManifestList> {
    return new ManifestList(this.#context, this.#context.store.lists.require(nameOrId).id);
  }

  /** Whether there is a list of this name or id. */
  async exists(nameOrId: string): Promise<boolean> {
    return this.#context.store.lists.find(nameOrId) !== undefined;
  }

  /** All lists, newest first. */
  async list(): Promise<ManifestList[]> {
    return this.#context.store.lists.list().map(({ id }) => new ManifestList(this.#context, id));
  }
}
