import { PassThrough, type Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import { dockerArchiveSink } from '../../oci/docker-archive-sink.js';
import { formatReference } from '../../oci/reference.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  ImageSink,
  SinkTakes,
  TransferOptions,
} from '../../oci/types.js';
import { readAll } from '../../util/read-all.js';
import { quote } from '../../util/text.js';
import { formatImageName, type ImageName } from '../name.js';
import { DaemonClient, type DaemonOptions } from './client.js';

type DaemonName = ImageName & { transport: 'docker-daemon' };

const MAX_ANSWER = 16 * 1024 * 1024;

/** Options of {@link daemonSink}. */
export interface DaemonSinkOptions extends DaemonOptions {
  /** Aborting stops the work. */
  signal?: AbortSignal;
}

/**
 * Loads an image into a Docker or podman that answers on a socket, as a docker-archive that is sent while it is made.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE` for a name that an image cannot be given: an id, or one with a digest
 */
export function daemonSink(name: DaemonName, options: DaemonSinkOptions = {}): ImageSink {
  const { reference } = name;
  if (reference?.tag === undefined || reference.digest !== undefined) {
    throw new VainaError(
      'ERR_INVALID_REFERENCE',
      `${formatImageName(name)}: a destination must be a reference with a tag and without a digest`,
    );
  }
  return new DaemonSink(formatImageName(name), formatReference(reference), options);
}

class DaemonSink implements ImageSink {
  readonly name: string;
  readonly takes?: SinkTakes;
  readonly #client: DaemonClient;
  readonly #options: DaemonSinkOptions;
  readonly #stop = new AbortController();
  readonly #stream = new PassThrough({ highWaterMark: 1024 * 1024 });
  readonly #archive: ImageSink;
  #answer: Promise<Buffer> | undefined;
  #committed = false;

  constructor(name: string, reference: string, options: DaemonSinkOptions) {
    this.name = name;
    this.#client = new DaemonClient(options);
    this.#options = options;
    this.#archive = dockerArchiveSink(this.#stream, [reference]);
    if (this.#archive.takes) this.takes = this.#archive.takes;
  }

  async hasBlob(descriptor: Descriptor, about: BlobRole, options?: TransferOptions): Promise<boolean> {
    return this.#archive.hasBlob(descriptor, about, options);
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    about: BlobRole,
    options?: TransferOptions,
  ): Promise<void> {
    void this.#begin();
    await this.#unlessRefused(this.#archive.putBlob(descriptor, content, about, options));
  }

  async commit(image: CommittedImage, options?: TransferOptions): Promise<void> {
    const answer = this.#begin();
    await this.#unlessRefused(this.#archive.commit(image, options));
    this.#stream.end();
    checkAnswer(await answer, this.#client.host);
    this.#committed = true;
  }

  async close(): Promise<void> {
    await this.#archive.close().catch(() => undefined);
    if (this.#committed) return;
    // A daemon that has not seen the end of the archive loads nothing of it.
    this.#stop.abort();
    this.#stream.destroy();
    await this.#answer?.catch(() => undefined);
  }

  #begin(): Promise<Buffer> {
    return (this.#answer ??= this.#send());
  }

  async #send(): Promise<Buffer> {
    const { signal } = this.#options;
    const answer = await this.#client.ask({
      method: 'POST',
      path: '/images/load?quiet=1',
      headers: { 'Content-Type': 'application/x-tar' },
      body: this.#stream,
      signal: signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal,
    });
    return readAll(
      answer,
      MAX_ANSWER,
      () => new VainaError('ERR_REGISTRY', `${this.#client.host} answers without end`),
    );
  }

  /** A daemon may refuse while it is being sent to: then nothing drains the stream, and waiting would have no end. */
  async #unlessRefused(work: Promise<void>): Promise<void> {
    const refused = new Promise<never>((_, failed) => {
      void this.#answer?.catch(failed);
    });
    await Promise.race([work, refused]);
  }
}

/** Docker reports failures in a stream of JSON that came with status 200. */
function checkAnswer(body: Buffer, host: string): void {
  for (const line of body.toString().split('\n')) {
    let message: unknown;
    try {
      message = (JSON.parse(line) as { error?: unknown } | null)?.error;
    } catch {
      // Not a line of that kind.
    }
    if (typeof message === 'string') {
      throw new VainaError('ERR_REGISTRY', `${host} did not load the image: ${quote(message)}`, {
        subject: host,
      });
    }
  }
}
