import { VainaError, type ErrorCode } from '../errors.js';
import { Authenticator } from './auth.js';
import { findCredentials } from './credentials.js';
import { Passing, statusFailure } from './failure.js';
import { settingsOf, type RegistryOptions, type Settings } from './options.js';
import { checkPolicy } from './retry.js';
import { discard, readBody, Transport, type Answer } from './transport.js';

/** Most bytes of the body of an error. */
const MAX_ERROR_BODY = 1024 * 1024;
/** Where the API of `docker.io` is. */
const DOCKER_API = 'registry-1.docker.io';

/** What a request to a registry needs beside its path. */
export interface Ask {
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** Statuses that are an answer; others are thrown. Default: 200. */
  accept?: readonly number[];
  /** The code of the error for 404. Default `ERR_REGISTRY`. */
  missing?: ErrorCode;
}

/** One repository of a registry, by the distribution protocol (distribution-spec 1.1). */
export class RegistryClient {
  readonly settings: Settings;
  readonly #host: string;
  readonly #repository: string;
  readonly #transport: Transport;
  readonly #secret: () => ReturnType<typeof findCredentials>;
  #origin: Promise<URL> | undefined;
  #authenticator: Authenticator | undefined;

  /**
   * @param domain - of the reference, e.g. `docker.io`, `localhost:5000`
   * @param repository - the path below it
   * @throws VainaError `ERR_INVALID_OPTION`
   */
  constructor(domain: string, repository: string, options: RegistryOptions = {}) {
    this.settings = settingsOf(options);
    checkPolicy(this.settings);
    this.#host = domain === 'docker.io' ? DOCKER_API : domain;
    this.#repository = repository;
    this.#transport = new Transport(this.#host, this.settings);
    let found: ReturnType<typeof findCredentials> | undefined;
    this.#secret = () => (found ??= findCredentials(domain, repository, options));
  }

  /**
   * One GET below `/v2/REPOSITORY/`, authenticated as the registry wants it. It is not tried again: who reads the
   * body decides that.
   *
   * @param path - e.g. `manifests/latest`
   * @throws VainaError, or {@link Passing} where another try is worth it
   */
  async get(path: string, ask: Ask = {}): Promise<Answer> {
    const { signal, headers } = ask;
    const origin = await (this.#origin ??= this.#findOrigin(signal).catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    }));
    const url = new URL(`/v2/${this.#repository}/${path}`, origin);
    const scope = `repository:${this.#repository}:pull`;
    const auth = (this.#authenticator ??= new Authenticator(
      origin,
      this.#transport,
      this.settings,
      this.#secret,
    ));
    const authorization = auth.known(scope);
    let answer = await this.#transport.send({ url, signal, authorization, ...(headers && { headers }) });
    const challenge = answer.header('www-authenticate');
    // Only the registry itself may ask who we are, not a place that it redirects to.
    if (answer.status === 401 && challenge !== undefined && answer.url.origin === origin.origin) {
      discard(answer);
      const fresh = await auth.answer(challenge, scope, authorization, signal);
      answer = await this.#transport.send({ url, signal, authorization: fresh, ...(headers && { headers }) });
    }
    if ((ask.accept ?? [200]).includes(answer.status)) return answer;
    const body = await readBody(answer, MAX_ERROR_BODY, this.settings.stallTimeout);
    const said = { status: answer.status, url: answer.url, retryAfter: answer.header('retry-after') };
    throw statusFailure(said, body, ask.missing ?? 'ERR_REGISTRY');
  }

  /** Closes the connections that are kept. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  /**
   * Where the registry is: HTTPS. Only where the user has given up on that, and nothing there answers by HTTPS, plain
   * HTTP.
   */
  async #findOrigin(signal: AbortSignal | undefined): Promise<URL> {
    const secure = this.#urlOf('https');
    if (this.settings.tlsVerify) return secure;
    try {
      discard(await this.#transport.send({ url: new URL('/v2/', secure), signal }));
      return secure;
    } catch (error) {
      signal?.throwIfAborted();
      const plain = this.#urlOf('http');
      try {
        discard(await this.#transport.send({ url: new URL('/v2/', plain), signal }));
        return plain;
      } catch {
        signal?.throwIfAborted();
        throw error instanceof Passing ? error.failure : error;
      }
    }
  }

  #urlOf(scheme: 'https' | 'http'): URL {
    const text = `${scheme}://${this.#host}/`;
    if (!URL.canParse(text)) throw new VainaError('ERR_INVALID_REFERENCE', `${this.#host} is not a host`);
    return new URL(text);
  }
}
