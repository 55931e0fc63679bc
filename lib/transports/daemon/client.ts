import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import { fileFailure } from '../../oci/failure.js';
import { readAll } from '../../util/read-all.js';
import { quote } from '../../util/text.js';

/** Options of a Docker or podman that answers on a socket. */
export interface DaemonOptions {
  /**
   * Where it is: `unix:///PATH`, `tcp://HOST:PORT` (with TLS), `http://HOST:PORT`, `https://HOST:PORT`. Default:
   * `DOCKER_HOST`, else `unix:///var/run/docker.sock`.
   */
  daemonHost?: string;
  /** Directory with `ca.pem`, `cert.pem`, `key.pem`, as docker has it. Default for TLS: `DOCKER_CERT_PATH`. */
  certDir?: string;
  /** Whether its certificate must be valid. Default true. */
  tlsVerify?: boolean;
  /** Environment. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
}

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const MAX_ANSWER = 4 * 1024 * 1024;

/** A request to a daemon, and what it answers. */
export interface DaemonRequest {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  /** What is sent; sent in chunks. */
  body?: Readable;
  signal?: AbortSignal;
}

/** Talks to the API of a Docker or podman. */
export class DaemonClient {
  /** Where it is, for messages. */
  readonly host: string;
  readonly #url: URL;
  readonly #options: DaemonOptions;

  /** @throws VainaError `ERR_INVALID_OPTION` for a host that is none */
  constructor(options: DaemonOptions = {}) {
    const env = options.env ?? process.env;
    this.host = options.daemonHost ?? (env['DOCKER_HOST'] || DEFAULT_HOST);
    this.#options = options;
    this.#url = parseHost(this.host);
  }

  /**
   * Sends a request.
   *
   * @returns the answer if its status is 200; its body must be read or destroyed
   * @throws VainaError `ERR_NO_SUCH_IMAGE` for 404, `ERR_REGISTRY` for another status, `ERR_REGISTRY_UNREACHABLE`
   */
  async ask(request: DaemonRequest): Promise<IncomingMessage> {
    const { signal, body } = request;
    signal?.throwIfAborted();
    let answer: IncomingMessage;
    try {
      const sent = await this.#open(request);
      const answered = new Promise<IncomingMessage>((done, failed) => {
        sent.once('response', done);
        sent.once('error', failed);
      });
      if (body) {
        body.once('error', (error) => sent.destroy(error));
        body.pipe(sent);
      } else sent.end();
      answer = await answered;
    } catch (error) {
      body?.destroy();
      signal?.throwIfAborted();
      throw this.#failure(error);
    }
    if (answer.statusCode === 200) return answer;
    const said = spoken(await readAll(answer, MAX_ANSWER, () => new Error('the answer is too long')));
    throw new VainaError(
      answer.statusCode === 404 ? 'ERR_NO_SUCH_IMAGE' : 'ERR_REGISTRY',
      `${this.host} answered with ${answer.statusCode ?? 0}: ${said}`,
      { subject: this.host },
    );
  }

  async #open({ method, path, headers, signal }: DaemonRequest): Promise<ClientRequest> {
    const options: RequestOptions = { method, path, headers: { ...headers }, ...(signal && { signal }) };
    if (this.#url.protocol === 'unix:') {
      const { request } = await import('node:http');
      return request({ ...options, socketPath: decodeURIComponent(this.#url.pathname), host: 'd' });
    }
    const { hostname, port, protocol } = this.#url;
    const place = { ...options, host: hostname.replace(/^\[|\]$/g, ''), ...(port !== '' && { port }) };
    if (protocol === 'http:') {
      const { request } = await import('node:http');
      return request(place);
    }
    const { request } = await import('node:https');
    return request({
      ...place,
      ...(await this.#certificates()),
      rejectUnauthorized: this.#options.tlsVerify ?? true,
    });
  }

  /** docker's own names of the files in such a directory. */
  async #certificates(): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
    const directory = this.#options.certDir ?? (this.#options.env ?? process.env)['DOCKER_CERT_PATH'];
    if (!directory) return {};
    try {
      const names = await readdir(directory);
      const read = async (name: string): Promise<Buffer | undefined> =>
        names.includes(name) ? readFile(join(directory, name)) : undefined;
      const [ca, cert, key] = [await read('ca.pem'), await read('cert.pem'), await read('key.pem')];
      return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
    } catch (error) {
      throw fileFailure(error, directory);
    }
  }

  #failure(error: unknown): VainaError {
    if (VainaError.is(error)) return error;
    const { code, message } = error as NodeJS.ErrnoException;
    return new VainaError(
      'ERR_REGISTRY_UNREACHABLE',
      `cannot connect to the Docker daemon at ${this.host}: ${code ?? message}`,
      {
        subject: this.host,
        hint: 'start it (for podman: `podman system service`), or name its socket',
        ...(code !== undefined && /^E[A-Z]+$/.test(code) && { errno: code }),
        cause: error,
      },
    );
  }
}

function parseHost(host: string): URL {
  const unix = /^unix:\/\/(\/.*)$/s.exec(host);
  if (unix) return new URL(`unix://${encodeURI(unix[1] ?? '').replace(/[?#]/g, encodeURIComponent)}`);
  // docker's word for a host over the network; with TLS here, as at skopeo.
  const text = host.replace(/^tcp:\/\//, 'https://');
  const url = /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url && url.username === '' && url.pathname === '/' && url.search === '') return url;
  throw new VainaError(
    'ERR_INVALID_OPTION',
    `${quote(host)} is not the place of a daemon: unix:///PATH, tcp://HOST:PORT or http://HOST:PORT`,
  );
}

/** The message of an error in the daemon's JSON, fit for a terminal. */
function spoken(body: Buffer): string {
  try {
    const { message, cause } = JSON.parse(body.toString()) as { message?: unknown; cause?: unknown };
    if (typeof message === 'string') return quote(message.trim()).slice(1, -1);
    if (typeof cause === 'string') return quote(cause.trim()).slice(1, -1);
  } catch {
    // It is no JSON: shown as it is.
  }
  return quote(body.toString().trim()).slice(1, -1);
}
