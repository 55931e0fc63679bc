import { Readable } from 'node:stream';

/** A body to send, which can be opened again: a request may have to be repeated or to follow a redirect. */
export interface Payload {
  /** Media type. */
  type: string;
  /** In bytes. */
  length: number;
  /** The bytes from the first on: in one piece, or as they come. */
  open(): Buffer | AsyncIterable<Buffer>;
}

/** A payload of bytes in memory. */
export function payloadOf(bytes: Buffer, type: string): Payload {
  return { type, length: bytes.length, open: () => bytes };
}

/** Runs out when one side of a connection is silent; it can stand still while we are the ones to wait for. */
export class Patience {
  readonly #limit = new AbortController();
  readonly #milliseconds: number;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.restart();
  }

  /** Aborted when it has run out. */
  get signal(): AbortSignal {
    return this.#limit.signal;
  }

  /** The other side has done something, or its turn begins. */
  restart(): void {
    this.stop();
    if (this.#ended) return;
    this.#timer = setTimeout(() => this.#limit.abort(), this.#milliseconds);
  }

  /** It is our turn. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Nobody is waited for any more. */
  end(): void {
    this.#ended = true;
    this.stop();
  }
}

/**
 * The bytes of a payload as the stream that a connection reads. The other side must take each piece in time; how long
 * the next one takes to come from our side does not count.
 */
export function sending(content: AsyncIterable<Buffer>, patience: Patience): Readable {
  async function* pieces(): AsyncGenerator<Buffer, void> {
    patience.stop();
    for await (const piece of content) {
      patience.restart();
      yield piece;
      patience.stop();
    }
    patience.restart();
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
}
