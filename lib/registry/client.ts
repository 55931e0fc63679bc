import { VainaError, type ErrorCode } from '../errors.js';
import { Authenticator, type Scopes } from './auth.js';
import { findCredentials } from './credentials.js';
import { spoken, spokeNoTls } from './failure.js';
import { settingsOf, type RegistryOptions, type Settings } from './options.js';
import type { Payload } from './payload.js';
import { loadRegistries } from './registries-files.js';
import { isInsecure } from './registries-match.js';
import { checkPolicy, unwrapped } from './retry.js';
import {
  answerFailure,
  drain,
  MAX_ERROR_BODY,
  readBody,
  Transport,
  type Answer,
  type Method,
} from './transport.js';

/** Where the API of `docker.io` is. */
const DOCKER_API = 'registry-1.docker.io';

/** What a request to a registry needs beside its place. */
export interface Ask {
  /** Default GET. */
  method?: Method;
  /** Headers beside those that every request has. */
  headers?: Readonly<Record<string, string>>;
  /** Body to send. */
  payload?: Payload;
  /** Aborting stops the request. */
  signal?: AbortSignal | undefined;
  /** Statuses that are an answer; others are thrown. Default: 200. */
  accept?: readonly number[];
  /** The code of the error for 404. Default `ERR_REGISTRY`. */
  missing?: ErrorCode;
  /** What to be allowed (distribution's token specification), separated by spaces. Default: to pull of the repository. */
  scopes?: Scopes;
}

/** One repository of a registry, by the distribution protocol (distribution-spec 1.1). */
export class RegistryClient {
  /** The options, with the defaults filled in. */
  readonly settings: Settings;
  readonly #domain: string;
  readonly #host: string;
  readonly #repository: string;
  readonly #transport: Transport;
  readonly #secret: () => ReturnType<typeof findCredentials>;
  readonly #tlsGiven: boolean;
  #origin: { promise: Promise<URL>; signal: AbortSignal | undefined } | undefined;
  #authenticator: Authenticator | undefined;

  /**
   * @param domain - of the reference, e.g. `docker.io`, `localhost:5000`
   * @param repository - the path below it; empty for what concerns the registry as a whole
   * @throws VainaError `ERR_INVALID_OPTION`
   */
  constructor(domain: string, repository: string, options: RegistryOptions = {}) {
    this.settings = settingsOf(options);
    checkPolicy(this.settings);
    this.#domain = domain;
    this.#tlsGiven = options.tlsVerify !== undefined;
    this.#host = domain === 'docker.io' ? DOCKER_API : domain;
    this.#repository = repository;
    this.#transport = new Transport(this.#host, this.settings);
    let found: ReturnType<typeof findCredentials> | undefined;
    this.#secret = () => (found ??= findCredentials(domain, repository, options));
  }

  /** The host that is talked to: `host[:port]`. */
  get host(): string {
    return this.#host;
  }

  /** The repository below it; empty for the registry as a whole. */
  get repository(): string {
    return this.#repository;
  }

  /** The scope for actions on the repository, e.g. `pull,push`. */
  scope(actions: string, repository = this.#repository): Scopes {
    return `repository:${repository}:${actions}`;
  }

  /** {@link request} with GET. */
  async get(place: string | URL, ask: Ask = {}): Promise<Answer> {
    return this.request(place, ask);
  }

  /**
   * One request, authenticated as the registry wants it, if it goes to the registry: a place of another origin, such as
   * an upload's, is told nothing. It is not tried again: who reads the body decides that.
   *
   * @param place - a URL, or the path below `/v2/REPOSITORY/`, e.g. `manifests/latest`, or one that starts with a slash
   * @throws VainaError, or an error that has it as `failure` where another try is worth it
   */
  async request(place: string | URL, ask: Ask = {}): Promise<Answer> {
    const { signal, headers, method = 'GET', payload, scopes = this.scope('pull') } = ask;
    const origin = await this.origin(signal);
    const url = place instanceof URL ? place : new URL(this.#pathOf(place), origin);
    const request = { method, url, signal, payload, ...(headers && { headers }) };
    const auth = (this.#authenticator ??= new Authenticator(
      origin,
      this.#transport,
      this.settings,
      this.#secret,
    ));
    const authorization = url.origin === origin.origin ? auth.known(scopes) : undefined;
    let answer = await this.#transport.send({ ...request, authorization });
    const challenge = answer.header('www-authenticate');
    // Only the registry itself may ask who we are, not a place that it sends us to.
    const itself = url.origin === origin.origin && answer.url.origin === origin.origin;
    if (answer.status === 401 && challenge !== undefined && itself) {
      const said = spoken(await readBody(answer, MAX_ERROR_BODY, this.settings.stallTimeout));
      const fresh = await auth.answer(challenge, scopes, authorization, signal).catch((error: unknown) => {
        throw said !== '' && VainaError.is(error, 'ERR_UNAUTHORIZED') ? withWords(error, said) : error;
      });
      answer = await this.#transport.send({ ...request, authorization: fresh });
    }
    if ((ask.accept ?? [200]).includes(answer.status)) return answer;
    throw await answerFailure(answer, this.settings.stallTimeout, ask.missing ?? 'ERR_REGISTRY');
  }

  /** Where the registry is; found out at the first request. */
  async origin(signal?: AbortSignal): Promise<URL> {
    for (;;) {
      const finding = (this.#origin ??= { promise: this.#findOrigin(signal), signal });
      try {
        return await finding.promise;
      } catch (error) {
        if (this.#origin === finding) this.#origin = undefined;
        // Who looked for all of us may have gone away, which says nothing about the registry.
        signal?.throwIfAborted();
        if (finding.signal?.aborted !== true) throw error;
      }
    }
  }

  /** Closes the connections that are kept. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  /**
   * Where the registry is: HTTPS. Only where the user, or the configuration of registries, has given up on that, and
   * nothing there answers by HTTPS, plain HTTP.
   */
  async #findOrigin(signal: AbortSignal | undefined): Promise<URL> {
    const secure = this.#urlOf('https');
    // Nothing has been sent yet, so that what has these settings has not used them.
    const insecure = isInsecure(await loadRegistries(this.settings), this.#domain, this.#repository);
    if (insecure && !this.#tlsGiven) this.settings.tlsVerify = false;
    if (this.settings.tlsVerify) return secure;
    try {
      await this.#knock(secure, signal);
      return secure;
    } catch (error) {
      signal?.throwIfAborted();
      const plain = this.#urlOf('http');
      if (spokeNoTls(error)) return plain;
      try {
        await this.#knock(plain, signal);
        return plain;
      } catch {
        signal?.throwIfAborted();
        throw unwrapped(error);
      }
    }
  }

  async #knock(origin: URL, signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.#transport.send({ url: new URL('/v2/', origin), signal });
    await drain(answer, this.settings.stallTimeout);
  }

  #pathOf(place: string): string {
    return place.startsWith('/') ? place : `/v2/${this.#repository}/${place}`;
  }

  #urlOf(scheme: 'https' | 'http'): URL {
    const text = `${scheme}://${this.#host}/`;
    if (!URL.canParse(text)) throw new VainaError('ERR_INVALID_REFERENCE', `${this.#host} is not a host`);
    return new URL(text);
  }
}

/** The refusal with what the registry said to it. */
function withWords({ code, message, subject, hint }: VainaError, said: string): VainaError {
  return new VainaError(code, `${message}: ${said}`, {
    ...(subject !== undefined && { subject }),
    ...(hint !== undefined && { hint }),
  });
}
