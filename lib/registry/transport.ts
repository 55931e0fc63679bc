import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import type { Readable } from 'node:stream';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { AxiosStatic } from 'axios';
import { VainaError, type ErrorCode } from '../errors.js';
import { chunksOf } from '../util/chunks.js';
import { readAll } from '../util/read-all.js';
import { connectionFailure, publicUrl, statusFailure } from './failure.js';
import { follow } from './location.js';
import type { Settings } from './options.js';
import { Patience, sending, type Payload } from './payload.js';
import { proxyFor } from './proxy.js';
import { loadCertificates } from './tls.js';

/** The methods of the distribution protocol. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One request. */
export interface Request {
  method?: Method;
  url: URL;
  headers?: Readonly<Record<string, string>>;
  /** Shown to the origin of `url` only, never to where a redirect leads. */
  authorization?: string | undefined;
  /** Form to post. It may hold a secret, so it follows no redirect. */
  form?: URLSearchParams;
  /** Body to send. */
  payload?: Payload | undefined;
  signal?: AbortSignal | undefined;
}

/** One answer. Its body must be read to the end or destroyed. */
export interface Answer {
  /** The status. */
  status: number;
  /** Where it came from after redirects. */
  url: URL;
  /** A header, by its name in lower case. */
  header(name: string): string | undefined;
  /** The body. */
  body: Readable;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Those that say that the same method is to be used again. */
const KEEPS_METHOD = new Set([307, 308]);
const MAX_REDIRECTS = 10;
/** Least bytes of an unwanted body that make a new connection cheaper than reading it. */
const MAX_DRAIN = 64 * 1024;
/** Most bytes of the body of an error. */
export const MAX_ERROR_BODY = 1024 * 1024;

/** Requests over HTTP and HTTPS for one registry, whose certificates it holds. */
export class Transport {
  readonly #registry: string;
  readonly #settings: Settings;
  #http: Promise<HttpAgent> | undefined;
  #https: Promise<{ own: HttpsAgent; other: HttpsAgent }> | undefined;

  /** @param registry - `host[:port]` */
  constructor(registry: string, settings: Settings) {
    this.#registry = registry;
    this.#settings = settings;
  }

  /**
   * Sends a request and follows redirects: not from HTTPS to HTTP, and with the authorization left behind at the first
   * step to another origin (scheme, host and port). A request that changes something is repeated with its whole body
   * where the redirect keeps the method (307, 308), and refused where another client would drop it.
   *
   * @throws VainaError or {@link Passing} when no answer comes
   */
  async send(request: Request): Promise<Answer> {
    let { url, authorization } = request;
    const { method = 'GET', form } = request;
    for (let hops = 0; ; hops++) {
      const answer = await this.#exchange({ ...request, url, authorization });
      const location = answer.header('location');
      if (!REDIRECTS.has(answer.status) || location === undefined || form) return answer;
      discard(answer);
      if (hops === MAX_REDIRECTS)
        throw new VainaError('ERR_REGISTRY', `${publicUrl(request.url)} redirects too often`);
      if (method !== 'GET' && method !== 'HEAD' && !KEEPS_METHOD.has(answer.status)) {
        throw new VainaError(
          'ERR_REGISTRY',
          `${publicUrl(url)} redirects a ${method} with ${answer.status}, which would lose what it is to do`,
        );
      }
      const next = follow(location, url, this.#settings.tlsVerify);
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
  }

  /** Closes the connections that are kept. */
  async close(): Promise<void> {
    (await this.#http)?.destroy();
    const agents = await this.#https?.catch(() => undefined);
    agents?.own.destroy();
    agents?.other.destroy();
  }

  async #exchange(request: Request): Promise<Answer> {
    const { url, signal } = request;
    const { stallTimeout, env } = this.#settings;
    const agent = await this.#agentFor(url);
    signal?.throwIfAborted();
    const patience = new Patience(stallTimeout);
    const body = bodyOf(request, patience);
    try {
      const response = await loadAxios().request<Readable>({
        adapter: 'http',
        url: url.href,
        method: request.method ?? 'GET',
        headers: {
          'User-Agent': 'vaina',
          // Bytes must come as they are: they are counted and hashed.
          'Accept-Encoding': 'identity',
          ...request.headers,
          ...(request.authorization !== undefined && { Authorization: request.authorization }),
          ...body.headers,
        },
        data: body.data,
        responseType: 'stream',
        decompress: false,
        maxRedirects: 0,
        maxBodyLength: -1,
        validateStatus: () => true,
        proxy: proxyFor(url, env) ?? false,
        [url.protocol === 'https:' ? 'httpsAgent' : 'httpAgent']: agent,
        signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
      });
      const headers = response.headers as Record<string, unknown>;
      const header = (name: string): string | undefined => {
        const value = headers[name];
        return typeof value === 'string' ? value : undefined;
      };
      if (body.stream) abandonUnsent(body.stream, response.data);
      return { status: response.status, url, header, body: response.data };
    } catch (error) {
      body.stream?.destroy();
      signal?.throwIfAborted();
      if (body.failure) throw body.failure;
      throw connectionFailure(patience.signal.aborted ? stalled(stallTimeout) : error, url);
    } finally {
      patience.end();
    }
  }

  async #agentFor(url: URL): Promise<HttpAgent> {
    if (url.protocol === 'https:') {
      const agents = await (this.#https ??= this.#makeAgents());
      return url.host === this.#registry ? agents.own : agents.other;
    }
    return (this.#http ??= import('node:http').then(({ Agent }) => new Agent({ keepAlive: true })));
  }

  /** Node's own modules for this are loaded late too: a program that only runs containers does without. */
  async #makeAgents(): Promise<{ own: HttpsAgent; other: HttpsAgent }> {
    const [{ Agent }, { createSecureContext }] = await Promise.all([
      import('node:https'),
      import('node:tls'),
    ]);
    const { tlsVerify } = this.#settings;
    const { ca, cert, key } = await loadCertificates(this.#registry, this.#settings);
    // Reading some hundred authorities takes 50 ms: once here, not for each connection.
    const trusting: SecureContextOptions = { minVersion: 'TLSv1.2', ...(tlsVerify && { ca }) };
    const contextOf = (options: SecureContextOptions): SecureContext => {
      try {
        return createSecureContext(options);
      } catch (cause) {
        throw new VainaError(
          'ERR_INVALID_OPTION',
          `a certificate or key for ${this.#registry} is malformed`,
          { cause },
        );
      }
    };
    const common = { keepAlive: true, rejectUnauthorized: tlsVerify };
    const other = new Agent({ ...common, secureContext: contextOf(trusting) });
    if (cert.length === 0) return { own: other, other };
    return { own: new Agent({ ...common, secureContext: contextOf({ ...trusting, cert, key }) }), other };
  }
}

/** A body as the HTTP library takes it. */
interface Body {
  data: string | Buffer | Readable | undefined;
  headers: Record<string, string>;
  stream?: Readable;
  /** Why our own side could not go on. */
  failure?: Error;
}

function bodyOf({ method = 'GET', form, payload }: Request, patience: Patience): Body {
  if (form) {
    return {
      data: form.toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    };
  }
  if (!payload) {
    const writes = method === 'POST' || method === 'PUT' || method === 'PATCH';
    return { data: undefined, headers: writes ? { 'Content-Length': '0' } : {} };
  }
  const headers = { 'Content-Type': payload.type, 'Content-Length': String(payload.length) };
  const content = payload.open();
  if (Buffer.isBuffer(content)) return { data: content, headers };
  const body: Body = { data: undefined, headers };
  body.data = body.stream = sending(content, patience);
  body.stream.once('error', (error) => (body.failure ??= error));
  return body;
}

/** A registry may answer before it has read all: once its answer has been read, the connection is of no use. */
function abandonUnsent(sent: Readable, answer: Readable): void {
  if (sent.readableEnded) return;
  const abandon = (): void => {
    if (!sent.readableEnded) sent.destroy();
  };
  answer.once('end', abandon).once('close', abandon);
}

/**
 * Reads the body of an answer, within a size and as long as bytes come.
 *
 * @throws VainaError `ERR_REGISTRY` when it is larger
 */
export async function readBody(answer: Answer, limit: number, stallTimeout: number): Promise<Buffer> {
  const tooLarge = (): VainaError =>
    new VainaError('ERR_REGISTRY', `${publicUrl(answer.url)} answered with more than ${limit} bytes`);
  try {
    return await readAll(unstalled(answer.body, stallTimeout), limit, tooLarge);
  } catch (error) {
    throw connectionFailure(error, answer.url);
  }
}

/**
 * The error for an answer with a status that was not wanted, with what its body says; see {@link statusFailure}.
 *
 * @param missing - the code for 404
 */
export async function answerFailure(
  answer: Answer,
  stallTimeout: number,
  missing: ErrorCode,
): Promise<Error> {
  const { status, url } = answer;
  const body = await readBody(answer, MAX_ERROR_BODY, stallTimeout);
  return statusFailure({ status, url, retryAfter: answer.header('retry-after') }, body, missing);
}

/** The chunks of a body. It fails when none comes for a time; the time in which nobody asks for one does not count. */
export async function* unstalled(
  body: Readable,
  stallTimeout: number,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = chunksOf(body);
  let asked = false;
  // One that begins anew costs less than one for each chunk. Who is no longer asked for any is not kept alive by it.
  const timer = setTimeout(() => asked && body.destroy(stalled(stallTimeout)), stallTimeout).unref();
  try {
    for (;;) {
      asked = true;
      timer.refresh();
      const next = await chunks.next();
      asked = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    body.destroy();
  }
}

/** Puts away a body that nobody wants, so that a small one leaves the connection usable. */
export function discard(answer: Answer): void {
  answer.body.on('error', () => undefined);
  if (isSmall(answer)) answer.body.resume();
  else answer.body.destroy();
}

/** Puts it away before something else is sent, which then needs no new connection. */
export async function drain(answer: Answer, stallTimeout: number): Promise<void> {
  if (!isSmall(answer)) return discard(answer);
  // Whoever has answered is there, even if the rest of the answer does not come.
  await readBody(answer, MAX_DRAIN, stallTimeout).catch(() => undefined);
}

function isSmall(answer: Answer): boolean {
  return Number(answer.header('content-length') ?? Infinity) <= MAX_DRAIN;
}

function stalled(timeout: number): Error {
  return Object.assign(new Error(`no answer for ${timeout / 1000} s`), { code: 'ERR_REQUEST_STALLED' });
}

const load = createRequire(__filename);
let axios: AxiosStatic | undefined;

/** The HTTP library, loaded at the first request: it takes longer to load than all the rest, by `import()` even more. */
function loadAxios(): AxiosStatic {
  return (axios ??= load('axios') as AxiosStatic);
}
