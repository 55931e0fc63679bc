import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { algorithmOf } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';
import type { Store } from '../store/store.js';
import type { Upload } from '../store/upload.js';

const READ_BYTES = 256 * 1024;

/** What is fetched, and for which repository. */
export interface FetchedBlob {
  repository: string;
  digest: Digest;
  /** Bytes. */
  size: number;
}

/** Reads a blob while it comes. Must be disposed of. */
export interface BlobReader extends AsyncDisposable {
  /** Resolves when there is something to read. */
  ready(signal: AbortSignal): Promise<void>;
  /** Resolves when the whole blob is in the store. */
  whole(signal: AbortSignal): Promise<void>;
  /** The bytes. The last of them comes only when the whole is what it should be; else the stream fails. */
  stream(signal: AbortSignal): Readable;
}

/**
 * A blob on its way from another registry into the store: once, for any number of readers, who read what is there at
 * their own pace. What waits for the slow ones is on disk. When the last reader goes away before the end, it is given up.
 */
export class BlobFetch {
  readonly size: number;
  #upload: Upload | undefined;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #running: Promise<void>;
  readonly #onEnd: () => void;
  #readers = 0;
  #state: 'coming' | 'whole' | 'failed' = 'coming';
  #failure: unknown;

  /**
   * Begins to fetch.
   *
   * @param onEnd - called, once or more, when it is whole, has failed or is given up: there are to be no new readers
   */
  constructor(store: Store, blob: FetchedBlob, source: (signal: AbortSignal) => Readable, onEnd: () => void) {
    this.size = blob.size;
    this.#onEnd = onEnd;
    this.#running = this.#run(store, blob, source)
      .then(
        () => void (this.#state = 'whole'),
        (error: unknown) => {
          this.#state = 'failed';
          this.#failure = error;
        },
      )
      .then(async () => {
        onEnd();
        this.#wake();
        if (this.#readers === 0) await this.#upload?.close();
      });
  }

  /** One more reader. */
  reader(): BlobReader {
    this.#readers++;
    let open = true;
    return {
      ready: (signal) => this.#until(signal, () => this.#available() > 0),
      whole: (signal) => this.#until(signal, () => false),
      stream: (signal) =>
        Readable.from(this.#pieces(signal), { objectMode: false, highWaterMark: READ_BYTES }),
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        if (--this.#readers > 0) return;
        this.#onEnd();
        this.#abort.abort(new VainaError('ERR_CLOSED', 'nobody wants the blob any more'));
        if (this.#state !== 'coming') await this.#upload?.close();
      },
    };
  }

  /** Gives it up, and waits until nothing of it is left. */
  async close(): Promise<void> {
    this.#abort.abort(new VainaError('ERR_CLOSED', 'the registry was closed'));
    await this.#running;
    await this.#upload?.close();
  }

  async #run(store: Store, blob: FetchedBlob, source: (signal: AbortSignal) => Readable): Promise<void> {
    const { signal } = this.#abort;
    const upload = (this.#upload = await store.upload(algorithmOf(blob.digest)));
    signal.throwIfAborted();
    for await (const chunk of source(signal) as AsyncIterable<Buffer>) {
      await upload.write(chunk);
      this.#wake();
    }
    signal.throwIfAborted();
    await upload.commit(blob.digest, () => store.registry.addBlob(blob.repository, blob.digest));
  }

  /** Where readers may read to: not to the end of what may yet turn out to be wrong. */
  #available(): number {
    return this.#state === 'whole' ? this.size : Math.min(this.#upload?.size ?? 0, this.size - 1);
  }

  async *#pieces(signal: AbortSignal): AsyncGenerator<Buffer, void> {
    for (let at = 0; ;) {
      await this.#until(signal, () => at < this.#available());
      const rest = this.#available() - at;
      if (rest <= 0 || !this.#upload) return;
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, rest));
      const read = await this.#upload.read(buffer, at);
      if (read === 0) throw new VainaError('ERR_IO', 'a blob that is fetched has become shorter');
      at += read;
      yield buffer.subarray(0, read);
    }
  }

  /** Waits for something, or for the end. */
  async #until(signal: AbortSignal, reached: () => boolean): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#state === 'failed') throw this.#failure;
      if (this.#state === 'whole' || reached()) return;
      await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
