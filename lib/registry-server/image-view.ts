import { parseReference } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import type { Store } from '../store/store.js';
import { isRepositoryName } from './names.js';

/** A name of an image, as the registry shows it. */
interface ShownName {
  imageId: string;
  digest: Digest;
  tag?: string;
}

/** The images of a store as repositories that can only be read. */
export class ImageView {
  readonly #store: Store;
  readonly #toRepository: (name: string) => string | undefined;

  /** @param toRepository - see {@link RegistryServerOptions.imageRepository} */
  constructor(store: Store, toRepository: (name: string) => string | undefined = withoutDomain) {
    this.#store = store;
    this.#toRepository = toRepository;
  }

  /** Every repository, sorted. */
  repositories(): string[] {
    return [...this.#shown().keys()].sort();
  }

  /** Whether an image has a name in the repository. */
  hasRepository(repository: string): boolean {
    return this.#shown().has(repository);
  }

  /** The tags of a repository, sorted. */
  tags(repository: string): string[] {
    const tags = (this.#shown().get(repository) ?? []).flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
    return [...new Set(tags)].sort();
  }

  /** The manifest that a tag stands for. Of several images with the same name, the first one's. */
  tag(repository: string, tag: string): Digest | undefined {
    return this.#shown()
      .get(repository)
      ?.find((name) => name.tag === tag)?.digest;
  }

  /** Whether an image of the repository has this manifest. */
  hasManifest(repository: string, digest: Digest): boolean {
    return this.#ids(repository).some((id) => this.#store.images.hasManifest(id, digest));
  }

  /** Whether an image of the repository has this blob. */
  hasBlob(repository: string, digest: Digest): boolean {
    return this.#ids(repository).some((id) => this.#store.images.hasBlob(id, digest));
  }

  #ids(repository: string): string[] {
    return (this.#shown().get(repository) ?? []).map(({ imageId }) => imageId);
  }

  /** Read anew each time: other processes name images too. */
  #shown(): Map<string, ShownName[]> {
    const shown = new Map<string, ShownName[]>();
    for (const { name, imageId, digest } of this.#store.images.names()) {
      const { domain, path, tag } = parseReference(name);
      const repository = this.#toRepository(`${domain}/${path}`);
      if (repository === undefined || !isRepositoryName(repository)) continue;
      const one = { imageId, digest, ...(tag === undefined ? {} : { tag }) };
      const list = shown.get(repository);
      if (list) list.push(one);
      else shown.set(repository, [one]);
    }
    return shown;
  }
}

function withoutDomain(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}
