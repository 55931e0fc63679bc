import { Container } from './container.js';
import type { Image } from './image.js';
import type { Images } from './images.js';
import { findContainer, requireContainer } from './lifecycle/catalogue.js';
import type { Context } from './lifecycle/context.js';
import { jobs } from './lifecycle/jobs.js';
import { listContainers, type ContainerFilter, type ContainerSummary } from './lifecycle/list.js';
import type { PullOptions, PullPolicy } from './lifecycle/pull-image.js';
import { type StartOptions } from './lifecycle/start.js';
import type { ContainerOptions } from './spec/options.js';

export type { PullPolicy };

/** Options of a new container, and of the pull that it may take. */
export interface CreateOptions extends ContainerOptions {
  /** When the image is pulled. Default `missing`. */
  pull?: PullPolicy;
  /** What a pull takes, but for `policy` and `allTags`: credentials, platform, trust, progress, signal. */
  pullOptions?: Omit<PullOptions, 'policy' | 'allTags'>;
}

/** The containers of a store. */
export class Containers {
  readonly #context: Context;
  readonly #images: Images;

  /** @internal */
  constructor(context: Context, images: Images) {
    this.#context = context;
    this.#images = images;
  }

  /**
   * Makes a container without starting it.
   * @param image - a name, an id, an {@link Image}; null with the option `rootfs`
   * @throws ERR_INVALID_OPTION, ERR_INVALID_NAME, ERR_NAME_IN_USE, ERR_NO_SUCH_IMAGE, ERR_NO_SUCH_PATH, ERR_NO_SUCH_USER
   */
  async create(image: string | Image | null, options: CreateOptions = {}): Promise<Container> {
    const { pull, pullOptions, ...container } = options;
    const chosen =
      image === null ? undefined : await this.#images.choose(image, pull ?? 'missing', pullOptions);
    const { entry, lock } = await jobs.createContainer(this.#context, chosen, container);
    lock.release();
    return new Container(this.#context, entry);
  }

  /** Makes a container and starts it. When it cannot be started it is removed again. */
  async run(image: string | Image | null, options: CreateOptions & StartOptions = {}): Promise<Container> {
    const { stdio, rows, columns, ...create } = options;
    const container = await this.create(image, create);
    try {
      await container.start({
        ...(stdio === undefined ? {} : { stdio }),
        ...(rows === undefined ? {} : { rows }),
        ...(columns === undefined ? {} : { columns }),
      });
    } catch (error) {
      await container.remove({ force: true, timeout: 0 });
      throw error;
    }
    return container;
  }

  /**
   * The container of this name or id.
   * @param nameOrId - the name, the id, or a beginning of the id that fits only one
   * @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID
   */
  async get(nameOrId: string): Promise<Container> {
    return new Container(this.#context, requireContainer(this.#context, nameOrId));
  }

  /** Whether there is a container of this name or id. */
  async exists(nameOrId: string): Promise<boolean> {
    return findContainer(this.#context, nameOrId) !== undefined;
  }

  /** Containers, newest first: those that run, or those the filter says. */
  async list(filter: ContainerFilter = {}): Promise<ContainerSummary[]> {
    return listContainers(this.#context, filter);
  }
}
