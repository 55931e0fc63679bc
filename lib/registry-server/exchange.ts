import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Refusal } from './refusal.js';

/** Most bytes of an unwanted body that are read so that the client sees the answer; then the connection is closed. */
const MAX_DRAIN = 4 * 1024 * 1024;

/** One request and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Aborted when the client has gone away. */
  readonly signal: AbortSignal;

  readonly #stallTimeoutMs: number;

  /** @param stallTimeoutMs - how long the client may be silent while it sends or reads */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
    stallTimeoutMs: number,
  ) {
    this.request = request;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.response = response;
    this.query = query;
    const gone = new AbortController();
    this.signal = gone.signal;
    response.once('close', () => gone.abort());
    response.on('timeout', () => response.destroy());
  }

  /** A header of the request that may be there once. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The length that the request announces; undefined when it does not. */
  get contentLength(): number | undefined {
    const header = this.header('content-length');
    return header === undefined ? undefined : Number(header);
  }

  /**
   * The body as it comes. Leaving the loop early does not close the connection, so that the client still gets an answer.
   */
  async *body(): AsyncGenerator<Buffer, void> {
    this.#watch();
    try {
      yield* this.request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
    } finally {
      // What we do now may take its time.
      this.response.setTimeout(0);
    }
  }

  /** Answers with a small body, or none. For HEAD the body is only counted. */
  send(status: number, headers: OutgoingHttpHeaders, body: Buffer | string = ''): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const length = status === 204 || status === 304 ? {} : { 'Content-Length': bytes.length };
    this.#watch();
    this.response.writeHead(status, { ...length, ...headers });
    this.response.end(this.request.method === 'HEAD' ? undefined : bytes);
  }

  /** Answers with JSON. */
  json(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
    this.send(status, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(value));
  }

  /** Answers with what a stream gives. When that fails, or the client goes away, both ends are destroyed. */
  async stream(status: number, headers: OutgoingHttpHeaders, content: Readable): Promise<void> {
    this.#watch();
    this.response.writeHead(status, headers);
    await pipeline(content, this.response);
  }

  /** Answers with an error. */
  refuse(refusal: Refusal): void {
    const { response } = this;
    if (response.headersSent || response.destroyed) {
      // What is half sent cannot be called back: the client must see that it is not whole.
      response.destroy();
      return;
    }
    this.#putAwayBody();
    this.send(refusal.status, { 'Content-Type': 'application/json', ...refusal.headers }, refusal.body());
  }

  /** From now on we wait for the client. */
  #watch(): void {
    this.response.setTimeout(this.#stallTimeoutMs);
  }

  /** Reads what the client is still sending, up to a limit: else it might miss the answer. */
  #putAwayBody(): void {
    const { request, response } = this;
    if (request.complete || request.readableEnded || request.destroyed) return;
    response.setHeader('Connection', 'close');
    let rest = MAX_DRAIN;
    request.on('data', (chunk: Buffer) => {
      rest -= chunk.length;
      if (rest < 0) request.destroy();
    });
    request.on('error', () => undefined);
    request.resume();
  }
}
