import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { digestOf, hexOf, verifyBytes } from './digest.js';
import { MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES } from './limits.js';
import { signatureFromBytes } from './signature-blob.js';
import { DirectoryTree, readSmall } from './tree.js';
import type { Descriptor, Digest, ImageSource, RawManifest, Signature } from './types.js';

/** What the file `version` of an image directory holds. */
export const DIR_VERSION = 'Directory Transport Version: 1.1\n';

/** Names of the files of an image directory. */
export const DIR_FILES = {
  version: 'version',
  manifest: 'manifest.json',
  /** A manifest or index below the one that the directory is of. */
  instance: (digest: Digest): string => `${hexOf(digest)}.manifest.json`,
  blob: hexOf,
  /** `index` counts from 1; without a digest it is a signature of `manifest.json`. */
  signature: (index: number, digest?: Digest): string =>
    `${digest === undefined ? '' : `${hexOf(digest)}.`}signature-${index}`,
} as const;

/**
 * The image of a directory as `skopeo copy … dir:PATH` writes it: `manifest.json`, blobs by the hexadecimal digits of their digests,
 * `signature-N`.
 *
 * @param path - of the directory; it is opened when it is read
 */
export function dirSource(path: string): ImageSource {
  return new DirSource(path);
}

class DirSource implements ImageSource {
  readonly name: string;
  readonly #path: string;
  #tree: Promise<DirectoryTree> | undefined;
  #top: Promise<RawManifest> | undefined;

  constructor(path: string) {
    this.name = `dir:${path}`;
    this.#path = path;
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    const tree = await this.#open();
    if (digest === undefined || (await this.#isTop(digest))) return this.#readTop();
    const file = DIR_FILES.instance(digest);
    if ((await tree.size(file)) === undefined) {
      throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.#path} has no manifest ${digest}`, {
        subject: digest,
      });
    }
    const bytes = await readSmall(tree, file, MAX_MANIFEST_BYTES);
    verifyBytes(bytes, { digest }, `manifest ${digest}`);
    return { bytes, mediaType: '', digest };
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    return (await this.#open()).stream(DIR_FILES.blob(descriptor.digest));
  }

  async signatures(digest: Digest): Promise<Signature[]> {
    const tree = await this.#open();
    const of = (await this.#isTop(digest)) ? undefined : digest;
    const found: Signature[] = [];
    for (let index = 1; index <= MAX_SIGNATURES; index++) {
      const file = DIR_FILES.signature(index, of);
      if ((await tree.size(file)) === undefined) return found;
      found.push(
        signatureFromBytes(await readSmall(tree, file, MAX_SIGNATURE_BYTES), `${this.#path}/${file}`),
      );
    }
    throw new VainaError('ERR_INVALID_IMAGE', `${this.#path} has more than ${MAX_SIGNATURES} signatures`);
  }

  async close(): Promise<void> {
    const tree = await this.#tree?.catch(() => undefined);
    await tree?.close();
  }

  #open(): Promise<DirectoryTree> {
    return (this.#tree ??= DirectoryTree.open(this.#path));
  }

  #readTop(): Promise<RawManifest> {
    const read = async (): Promise<RawManifest> => {
      const tree = await this.#open();
      if ((await tree.size(DIR_FILES.manifest)) === undefined) {
        throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.#path} has no ${DIR_FILES.manifest}`, {
          path: this.#path,
        });
      }
      const bytes = await readSmall(tree, DIR_FILES.manifest, MAX_MANIFEST_BYTES);
      return { bytes, mediaType: '', digest: digestOf(bytes) };
    };
    return (this.#top ??= read());
  }

  async #isTop(digest: Digest): Promise<boolean> {
    return (await this.#readTop()).digest === digest;
  }
}
