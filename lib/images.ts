import type { Readable } from 'node:stream';
import { VainaError } from './errors.js';
import { Image } from './image.js';
import { checkOptions } from './lifecycle/check-options.js';
import type { Context } from './lifecycle/context.js';
import type { ChosenImage } from './lifecycle/create.js';
import { localName } from './lifecycle/image-names.js';
import { listImages, type ImageFilter, type ImageSummary } from './lifecycle/list-images.js';
import { openArchive } from './oci/archive.js';
import { copy } from './oci/copy.js';
import { hostPlatform, parsePlatformName } from './oci/platform.js';
import { formatReference, parseReference, withDefaultTag } from './oci/reference.js';
import { rootfsSource } from './oci/rootfs-source.js';
import type { ImageSource, Platform, TransferOptions } from './oci/types.js';
import type { RegistryOptions } from './registry/options.js';
import { registrySource } from './registry/source.js';
import type { PullPolicy } from './containers.js';

/** Options of a pull. */
export interface PullOptions extends TransferOptions {
  /** Which image of an index: `os/architecture[/variant]`. Default: this host's. */
  platform?: string;
  /** Whether the registry must have TLS with a valid certificate. Default true. */
  tlsVerify?: boolean;
  /** User name and password. Default: looked up in `authFile` and in the files that podman and docker use. */
  creds?: {
    /** As the registry knows the user. */
    username: string;
    /** In plain text: it is sent to the registry and not kept. */
    password: string;
  };
  /** The only file to look credentials up in (containers-auth.json(5)). */
  authFile?: string;
  /** Directory with further CAs and client certificates. */
  certDir?: string;
}

/** Options of an import. */
export interface ImportOptions extends TransferOptions {
  /** The name that the image gets. Default: none. */
  reference?: string;
  /** Changes of the configuration in the syntax of a Containerfile, e.g. `CMD ["sh"]`, `ENV A=b`, `USER daemon`. */
  changes?: readonly string[];
  /** Comment in the image's history. */
  message?: string;
  /** Operating system of the image. Default `linux`. */
  os?: string;
  /** Architecture of the image, in Go's words. Default: this host's. */
  arch?: string;
  /** Variant of the architecture, as in `v8`. Default: none. */
  variant?: string;
}

/** The images of a store. */
export class Images {
  readonly #context: Context;

  /** @internal */
  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Pulls an image from its registry. What the store has already is not moved again.
   * @param reference - e.g. `docker.io/library/debian:13`, `debian` (the same with `latest`), `host/name@sha256:…`
   * @throws ERR_INVALID_REFERENCE, ERR_NO_SUCH_IMAGE, ERR_UNAUTHORIZED, ERR_REGISTRY, ERR_REGISTRY_UNREACHABLE,
   * ERR_DIGEST_MISMATCH, ERR_INVALID_LAYER, ERR_NO_MATCHING_PLATFORM, ERR_NO_SPACE; the reason of `signal`. The store is
   * then as it was
   */
  async pull(reference: string, options: PullOptions = {}): Promise<Image> {
    checkOptions('pull', options);
    const full = withDefaultTag(parseReference(reference));
    const { platform, tlsVerify, creds, authFile, certDir } = options;
    const registry: RegistryOptions = {
      ...(tlsVerify === undefined ? {} : { tlsVerify }),
      ...(creds === undefined ? {} : { credentials: creds }),
      ...(authFile === undefined ? {} : { authFile }),
      ...(certDir === undefined ? {} : { certDir }),
    };
    const source = registrySource(full, registry);
    const wanted = platform === undefined ? undefined : parsePlatformName(platform);
    return this.#take(source, [formatReference(full)], options, wanted);
  }

  /**
   * Loads the images of an archive: of `docker save`, or an OCI layout in a tar; plain or compressed by gzip or zstd.
   * @param source - a path, or the bytes of the archive
   * @throws ERR_NO_SUCH_PATH, ERR_INVALID_IMAGE, ERR_DIGEST_MISMATCH, ERR_INVALID_LAYER, ERR_NO_SPACE
   */
  async load(source: string | Readable, options: TransferOptions = {}): Promise<Image[]> {
    checkOptions('load', options);
    const archive = await openArchive(source);
    try {
      const images: Image[] = [];
      for (const archived of archive.images) {
        images.push(await this.#take(archived.source, archived.names, options));
      }
      return images;
    } finally {
      await archive.close();
    }
  }

  /**
   * Makes an image of one layer from the tar of a root file system, plain or compressed by gzip or zstd.
   * @param source - a path, or the bytes of the tar
   * @throws ERR_NO_SUCH_PATH, ERR_INVALID_OPTION for a change that is none, ERR_INVALID_REFERENCE, ERR_INVALID_LAYER
   */
  async import(source: string | Readable, options: ImportOptions = {}): Promise<Image> {
    checkOptions('import', options);
    const { reference, changes, message, os, arch, variant } = options;
    const name = reference === undefined ? undefined : localName(reference);
    const rootfs = rootfsSource(source, {
      ...(changes === undefined ? {} : { changes }),
      ...(message === undefined ? {} : { message }),
      ...(os === undefined && arch === undefined && variant === undefined
        ? {}
        : { platform: platformOf(os, arch, variant) }),
    });
    return this.#take(rootfs, name === undefined ? [] : [name], options);
  }

  /**
   * The image of this name or id.
   * @param nameOrId - a name (without a registry: `localhost/` first, then `docker.io/library/`), a digest, or a beginning
   * of an id that fits only one
   * @throws ERR_NO_SUCH_IMAGE, ERR_AMBIGUOUS_ID, ERR_INVALID_REFERENCE
   */
  async get(nameOrId: string): Promise<Image> {
    return new Image(this.#context, this.#context.store.images.find(nameOrId).image);
  }

  /** Whether there is an image of this name or id. */
  async exists(nameOrId: string): Promise<boolean> {
    try {
      this.#context.store.images.find(nameOrId);
      return true;
    } catch (error) {
      if (VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) return false;
      throw error;
    }
  }

  /** Images, newest first. */
  async list(filter: ImageFilter = {}): Promise<ImageSummary[]> {
    return listImages(this.#context, filter);
  }

  /**
   * The image that a container is to be made of, pulled if the policy says so.
   * @internal
   */
  async choose(image: string | Image, policy: PullPolicy, options: PullOptions = {}): Promise<ChosenImage> {
    const { images } = this.#context.store;
    if (image instanceof Image) return { row: images.find(image.id).image, name: image.names[0] ?? image.id };
    if (!['missing', 'always', 'never'].includes(policy)) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `pull must be missing, always or never, not ${String(policy)}`,
      );
    }
    if (policy !== 'always') {
      try {
        const { image: row, name } = images.find(image);
        return { row, name: name ?? row.names[0] ?? image };
      } catch (error) {
        if (policy === 'never' || !VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) throw error;
      }
    }
    const pulled = await this.pull(image, options);
    return {
      row: images.find(pulled.id).image,
      name: formatReference(withDefaultTag(parseReference(image))),
    };
  }

  async #take(
    source: ImageSource,
    names: readonly string[],
    options: TransferOptions,
    platform?: Platform,
  ): Promise<Image> {
    const { signal, onProgress } = options;
    const { store } = this.#context;
    try {
      signal?.throwIfAborted();
      const { manifests } = await copy(source, store.sink({ names, ...(signal ? { signal } : {}) }), {
        ...(signal ? { signal } : {}),
        ...(onProgress ? { onProgress } : {}),
        ...(platform ? { platform } : {}),
      });
      return new Image(this.#context, store.images.find(manifests[0]?.config?.descriptor.digest ?? '').image);
    } finally {
      await source.close();
    }
  }
}

function platformOf(os = 'linux', architecture = hostPlatform().architecture, variant?: string): Platform {
  return parsePlatformName([os, architecture, ...(variant === undefined ? [] : [variant])].join('/'));
}
