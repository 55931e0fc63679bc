import { Readable } from 'node:stream';
import { join } from 'node:path';
import { VainaError } from '../../errors.js';
import { rawOf } from '../../oci/convert.js';
import { digestOf, isDigest } from '../../oci/digest.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from '../../oci/limits.js';
import { parseManifest } from '../../oci/manifest.js';
import { MEDIA } from '../../oci/mediatypes.js';
import { parseReference, type Reference } from '../../oci/reference.js';
import type { Descriptor, Digest, ImageSource, RawManifest, Signature } from '../../oci/types.js';
import { formatImageName, type ImageName } from '../name.js';
import {
  chainOf,
  findImage,
  readBigData,
  readImages,
  readLayers,
  type StoredImage,
  type StoredLayer,
} from './catalogue.js';
import { locateStorage, type StorageUser } from './configuration.js';
import { storedSignatures } from './signatures.js';
import { assembleLayer } from './tar-split.js';

/** Takes a lock that excludes writers of the file's list; returns what releases it. */
export type SharedLock = (path: string) => Promise<() => void>;

/** Options of {@link containersStorageSource}. */
export interface StorageOptions {
  /** Whose configuration says where the store is. Default: this process. */
  user?: StorageUser;
  /** Takes the locks that podman takes itself. Without it nothing is locked: what is read is verified in any case. */
  lock?: SharedLock;
  /** Give the manifest as it came into the store; the layers that it names cannot be read then. Default false. */
  asPulled?: boolean;
}

/**
 * An image of podman's store, read from its files. Layers come as plain tars, put together again from the tree and the
 * metadata that podman keeps, and so the manifest names these instead of the compressed ones that were pulled.
 *
 * The lists of images and layers are read once, each under podman's own lock if one can be had. Podman may remove the image
 * while it is read: then a file is missing or a digest is wrong, and the read fails.
 *
 * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_UNSUPPORTED`, `ERR_PERMISSION`, `ERR_INVALID_IMAGE`
 */
export async function containersStorageSource(
  name: ImageName & { transport: 'containers-storage' },
  options: StorageOptions = {},
): Promise<ImageSource> {
  const location = await locateStorage(name.store, options.user);
  const roots = [location.root, ...location.additional];
  const where = `${location.driver}@${location.root}+${location.runroot}`;
  const images = await locked(options.lock, join(location.root, 'overlay-images/images.lock'), () =>
    readImages(roots),
  );
  const image = findImage(images, name.image, where);
  const layers = await locked(options.lock, join(location.root, 'overlay-layers/layers.lock'), () =>
    readLayers(roots),
  );
  return new ContainersStorageSource(
    formatImageName(name),
    image,
    chainOf(image, layers),
    options.asPulled ?? false,
  );
}

async function locked<T>(lock: SharedLock | undefined, path: string, work: () => Promise<T>): Promise<T> {
  const release = await lock?.(path);
  try {
    return await work();
  } finally {
    release?.();
  }
}

class ContainersStorageSource implements ImageSource {
  readonly name: string;
  readonly reference?: Reference;
  readonly #image: StoredImage;
  readonly #chain: readonly StoredLayer[];
  readonly #asPulled: boolean;
  #top: Promise<RawManifest> | undefined;

  constructor(name: string, image: StoredImage, chain: readonly StoredLayer[], asPulled: boolean) {
    this.name = name;
    this.#image = image;
    this.#chain = chain;
    this.#asPulled = asPulled;
    const [first] = image.names;
    if (first !== undefined) this.reference = parseReference(first);
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    const top = await (this.#top ??= this.#asPulled ? this.#original() : this.#describe());
    if (digest === undefined || digest === top.digest) return top;
    return this.#named(digest);
  }

  async blob({ digest }: Descriptor): Promise<Readable> {
    if (this.#image.bigData.includes(digest)) {
      return Readable.from([await readBigData(this.#image, digest, MAX_CONFIG_BYTES)]);
    }
    const layer = this.#chain.find(({ diffId }) => diffId === digest);
    if (!layer) throw new VainaError('ERR_INVALID_IMAGE', `${this.name} has no blob ${digest}`);
    const metadata = join(layer.root, 'overlay-layers', `${layer.id}.tar-split.gz`);
    return assembleLayer(metadata, join(layer.root, 'overlay', layer.id, 'diff'));
  }

  async signatures(digest: Digest): Promise<readonly Signature[]> {
    return storedSignatures(this.#image, digest);
  }

  async close(): Promise<void> {
    // Each read opens and closes its own files.
  }

  /** The manifest as it came into the store. */
  async #original(): Promise<RawManifest> {
    const keys = this.#image.bigData;
    for (const key of ['manifest', ...keys.filter((one) => one.startsWith('manifest-'))]) {
      if (!keys.includes(key)) continue;
      const bytes = await readBigData(this.#image, key, MAX_MANIFEST_BYTES);
      const parsed = parseManifest(bytes, '', `${this.name}: ${key}`);
      // The list that led to the image is kept beside the manifest of the image itself.
      if (parsed.kind === 'index' || !keys.includes(parsed.manifest.config.digest)) continue;
      return { bytes, mediaType: parsed.mediaType, digest: digestOf(bytes) };
    }
    throw new VainaError('ERR_INVALID_IMAGE', `${this.name} has no manifest for its configuration`);
  }

  /** A manifest that names plain layers. */
  async #describe(): Promise<RawManifest> {
    const original = await this.#original();
    const parsed = parseManifest(original.bytes, original.mediaType, this.name);
    if (parsed.kind === 'index') throw new VainaError('ERR_INTERNAL', `${this.name}: an index is no image`);
    const { manifest, mediaType } = parsed;
    if (manifest.layers.length !== this.#chain.length) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `${this.name}: the manifest has ${manifest.layers.length} layers, the store ${this.#chain.length}`,
      );
    }
    const type = mediaType === MEDIA.dockerManifest ? MEDIA.dockerLayer : MEDIA.ociLayer;
    const layers = this.#chain.map(({ id, diffId, size }): Descriptor => {
      if (diffId === undefined || size === undefined) {
        throw new VainaError(
          'ERR_INVALID_IMAGE',
          `${this.name}: the store does not know the digest of layer ${id}`,
        );
      }
      return { mediaType: type, digest: diffId, size };
    });
    return rawOf({ ...manifest, layers }, mediaType);
  }

  async #named(digest: Digest): Promise<RawManifest> {
    const key = `manifest-${digest}`;
    if (!this.#image.bigData.includes(key) || !isDigest(digest)) {
      throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.name} has no manifest ${digest}`);
    }
    return { bytes: await readBigData(this.#image, key, MAX_MANIFEST_BYTES), mediaType: '', digest };
  }
}
