import type { Readable } from 'node:stream';
import { openDockerArchive } from '../../oci/docker-archive.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import type { Descriptor, Digest, ImageSource, RawManifest, TransferOptions } from '../../oci/types.js';
import { formatImageName, type ImageName } from '../name.js';
import { DaemonClient, type DaemonOptions } from './client.js';

type DaemonName = ImageName & { transport: 'docker-daemon' };

/** Options of {@link daemonSource}. */
export interface DaemonSourceOptions extends DaemonOptions {
  /** Directory of the temporary file that the image is kept in. */
  tmpDir?: string;
  /** Aborting stops the work. */
  signal?: AbortSignal;
}

/**
 * An image of a Docker or podman that answers on a socket. It gives an image only as a whole, as a docker-archive, which
 * is kept in a nameless temporary file until the source is closed; nothing is asked before the source is read.
 *
 * The source fails with `ERR_NO_SUCH_IMAGE`, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY`, `ERR_INVALID_IMAGE`,
 * `ERR_NO_SPACE`.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function daemonSource(name: DaemonName, options: DaemonSourceOptions = {}): ImageSource {
  return new DaemonSource(name, options);
}

class DaemonSource implements ImageSource {
  readonly name: string;
  readonly reference?: Reference;
  readonly #client: DaemonClient;
  readonly #wanted: string;
  readonly #options: DaemonSourceOptions;
  #archive: Promise<ImageSource> | undefined;

  constructor(name: DaemonName, options: DaemonSourceOptions) {
    this.name = formatImageName(name);
    if (name.reference) this.reference = name.reference;
    this.#client = new DaemonClient(options);
    this.#wanted = name.reference ? formatReference(name.reference) : (name.id ?? '');
    this.#options = options;
  }

  async manifest(digest?: Digest, options?: TransferOptions): Promise<RawManifest> {
    return (await this.#open()).manifest(digest, options);
  }

  async blob(descriptor: Descriptor, options?: TransferOptions): Promise<Readable> {
    return (await this.#open()).blob(descriptor, options);
  }

  async close(): Promise<void> {
    const archive = await this.#archive?.catch(() => undefined);
    await archive?.close();
  }

  #open(): Promise<ImageSource> {
    return (this.#archive ??= this.#fetch());
  }

  async #fetch(): Promise<ImageSource> {
    const { tmpDir, signal } = this.#options;
    const path = `/images/${encodeURIComponent(this.#wanted)}/get`;
    const answer = await this.#client.ask({ method: 'GET', path, ...(signal && { signal }) });
    // Asked for one image, it answers with one, under whichever names it has.
    return openDockerArchive(answer, undefined, {
      ...(tmpDir !== undefined && { tmpDir }),
      ...(signal && { signal }),
    });
  }
}
