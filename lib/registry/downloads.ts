import { Readable } from 'node:stream';
import type { Descriptor } from '../oci/types.js';
import type { RegistryClient } from './client.js';
import { deadline, type Deadline } from './deadline.js';
import { blobPieces } from './download.js';
import { Held } from './held.js';

const BUFFERED = 256 * 1024;

/** The downloads of one client. Who asks for a blob of which no byte has come yet shares the download. */
export class Downloads {
  readonly #client: RegistryClient;
  readonly #name: string;
  readonly #joinable = new Map<string, SharedDownload>();

  /** @param name - of the source, for messages */
  constructor(client: RegistryClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  /** A blob as a stream; see {@link blobPieces}. Its time begins now. */
  open(blob: Descriptor, signal: AbortSignal | undefined): Readable {
    const key = `${blob.digest} ${blob.size}`;
    const known = this.#joinable.get(key);
    const shared = known ?? new SharedDownload(this.#client, blob, () => void this.#joinable.delete(key));
    this.#joinable.set(key, shared);
    const time = deadline(this.#client.settings, `${this.#name}: blob ${blob.digest}`, signal);
    return shared.reader(time);
  }
}

/**
 * One download for any number of readers. A single one gets the bytes as they come; for several they are held, so that
 * none has to wait for another.
 */
class SharedDownload {
  readonly #stop = new AbortController();
  readonly #pieces: AsyncGenerator<Buffer, void>;
  readonly #size: number;
  /** No further reader may join. */
  readonly #onStart: () => void;
  #first: Promise<IteratorResult<Buffer, void>> | undefined;
  #held: Held | undefined;
  #joined = 0;
  #reading = 0;

  constructor(client: RegistryClient, blob: Descriptor, onStart: () => void) {
    this.#pieces = blobPieces(client, blob, this.#stop.signal);
    this.#size = blob.size;
    this.#onStart = onStart;
  }

  reader(time: Deadline): Readable {
    const { signal } = time;
    this.#joined++;
    this.#reading++;
    const next = this.#read();
    let started = false;
    const abort = (): void => {
      if (started) stream.destroy(signal.reason as Error);
    };
    const stream: Readable = new Readable({
      highWaterMark: BUFFERED,
      read: () => {
        started = true;
        if (signal.aborted) {
          abort();
          return;
        }
        next().then(
          ({ done, value }) => stream.destroyed || stream.push(done === true ? null : value),
          (error: Error) => stream.destroy(error),
        );
      },
      destroy: (error, done) => {
        signal.removeEventListener('abort', abort);
        time.clear();
        this.#leave();
        done(error);
      },
    });
    signal.addEventListener('abort', abort, { once: true });
    return stream;
  }

  /** What gives one reader the bytes, one piece after another. */
  #read(): () => Promise<IteratorResult<Buffer, void>> {
    let pieces: AsyncGenerator<Buffer, void> | undefined;
    const begin = async (): Promise<IteratorResult<Buffer, void>> => {
      const first = await (this.#first ??= this.#begin());
      pieces = this.#held?.read() ?? this.#pieces;
      return this.#held ? pieces.next() : first;
    };
    return () => (pieces ? pieces.next() : begin());
  }

  /** With the first bytes it is decided whether they are held. */
  async #begin(): Promise<IteratorResult<Buffer, void>> {
    try {
      const first = await this.#pieces.next();
      if (this.#joined > 1)
        this.#held = new Held(Readable.from(this.#from(first), { objectMode: false }), this.#size);
      return first;
    } finally {
      this.#onStart();
    }
  }

  async *#from(first: IteratorResult<Buffer, void>): AsyncGenerator<Buffer, void> {
    if (first.done === true) return;
    yield first.value;
    yield* this.#pieces;
  }

  /** The last reader leaves no request behind. */
  #leave(): void {
    if (--this.#reading > 0) return;
    this.#onStart();
    this.#stop.abort();
    void this.#held?.close();
  }
}
