import { isIP } from 'node:net';
import { performance } from 'node:perf_hooks';
import { VainaError } from '../errors.js';
import { parseChallenges, type Challenge } from './challenge.js';
import type { Secret } from './credentials.js';
import { publicUrl } from './failure.js';
import type { Settings } from './options.js';
import { retrying } from './retry.js';
import { answerFailure, readBody, type Transport } from './transport.js';

const MAX_TOKEN_BODY = 1024 * 1024;
/**
 * Scopes of distribution's token specification, separated by spaces, e.g. `repository:library/busybox:pull`. Empty for
 * requests which need none, such as `/v2/`.
 */
export type Scopes = string;

/** Least and default life of a token, in seconds, as at the peers. */
const MIN_LIFE = 60;

/** Gets and keeps what a registry wants to see, for each scope; tokens only in memory. */
export class Authenticator {
  readonly #registry: URL;
  readonly #transport: Transport;
  readonly #settings: Settings;
  readonly #secret: () => Promise<Secret | undefined>;
  readonly #known = new Map<string, { value: string; until: number }>();
  readonly #asking = new Map<string, { promise: Promise<string>; signal: AbortSignal | undefined }>();
  /** What a password makes is the same for all scopes. */
  #basic: string | undefined;

  /**
   * @param registry - its origin
   * @param secret - looks up the credentials; asked when the registry wants some
   */
  constructor(
    registry: URL,
    transport: Transport,
    settings: Settings,
    secret: () => Promise<Secret | undefined>,
  ) {
    this.#registry = registry;
    this.#transport = transport;
    this.#settings = settings;
    this.#secret = secret;
  }

  /** The Authorization header for scopes, if it is known already. */
  known(scopes: Scopes): string | undefined {
    const { registryToken } = this.#settings;
    if (registryToken !== undefined) return `Bearer ${registryToken}`;
    const entry = this.#known.get(scopes);
    if (!entry) return this.#basic;
    return entry.until > performance.now() ? entry.value : undefined;
  }

  /**
   * Answers the challenge of a 401. Many requests may be refused at once: one asks for the token, the others wait.
   *
   * @param header - WWW-Authenticate
   * @param refused - the header that was refused, if one was sent
   * @throws VainaError `ERR_UNAUTHORIZED` when there is no answer to it
   */
  async answer(
    header: string,
    scopes: Scopes,
    refused: string | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    for (;;) {
      const known = this.known(scopes);
      if (known !== undefined && known !== refused) return known;
      const asking = this.#asking.get(scopes) ?? {
        promise: this.#ask(header, scopes, refused, signal),
        signal,
      };
      this.#asking.set(scopes, asking);
      try {
        return await asking.promise;
      } catch (error) {
        // Who asked for all of us may have gone away, which is no answer to the others.
        signal?.throwIfAborted();
        if (asking.signal?.aborted !== true) throw error;
      } finally {
        if (this.#asking.get(scopes) === asking) this.#asking.delete(scopes);
      }
    }
  }

  async #ask(
    header: string,
    scopes: Scopes,
    refused: string | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    if (this.#settings.registryToken !== undefined) throw this.#refusal('refused the token');
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const secret = await this.#secret();
    let entry: { value: string; until: number };
    if (bearer) {
      entry = await retrying(this.#settings, signal, () => this.#fetchToken(bearer, scopes, secret, signal));
    } else if (challenges.some(({ scheme }) => scheme === 'basic') && secret?.kind === 'password') {
      entry = { value: basic(secret.username, secret.password), until: Infinity };
      if (entry.value !== refused) this.#basic = entry.value;
    } else {
      throw this.#refusal(secret ? 'wants another kind of authentication' : 'wants credentials');
    }
    if (entry.value === refused) throw this.#refusal('refused the credentials');
    this.#known.set(scopes, entry);
    return entry.value;
  }

  /** Gets a token (distribution's token and OAuth2 specifications). */
  async #fetchToken(
    challenge: Challenge,
    scopes: Scopes,
    secret: Secret | undefined,
    signal?: AbortSignal,
  ): Promise<{ value: string; until: number }> {
    const url = this.#realmOf(challenge, secret !== undefined);
    const service = challenge.params.get('service');
    const query = new URLSearchParams({ ...(service !== undefined && { service }) });
    const asked = performance.now();
    let request;
    if (secret?.kind === 'identity') {
      // OAuth2 has one parameter for all scopes, the older way one for each.
      if (scopes !== '') query.set('scope', scopes);
      query.set('grant_type', 'refresh_token');
      query.set('refresh_token', secret.token);
      query.set('client_id', 'vaina');
      request = { method: 'POST' as const, url, form: query };
    } else {
      for (const scope of scopes.split(' ')) if (scope !== '') query.append('scope', scope);
      if (secret) query.set('account', secret.username);
      for (const [name, value] of query) url.searchParams.append(name, value);
      request = { url, authorization: secret && basic(secret.username, secret.password) };
    }
    const answer = await this.#transport.send({
      ...request,
      signal,
      headers: { Accept: 'application/json' },
    });
    const { stallTimeout } = this.#settings;
    if (answer.status !== 200) throw await answerFailure(answer, stallTimeout, 'ERR_UNAUTHORIZED');
    const body = await readBody(answer, MAX_TOKEN_BODY, stallTimeout);
    const { token, life } = readToken(body, answer.url);
    return { value: `Bearer ${token}`, until: asked + life * 900 };
  }

  /**
   * The URL to get tokens from. It is the registry's word, so it must be https where the registry is, and credentials
   * go there only if it belongs to the registry's own domain or the user allowed it.
   */
  #realmOf(challenge: Challenge, withSecret: boolean): URL {
    const text = challenge.params.get('realm') ?? '';
    if (!URL.canParse(text)) throw this.#refusal('names no realm to get a token from');
    const url = new URL(text);
    const plain = url.protocol === 'http:' && this.#registry.protocol === 'http:';
    if ((url.protocol !== 'https:' && !plain) || url.username !== '' || url.password !== '') {
      throw this.#refusal(`names the realm ${publicUrl(url)}, which is not https`);
    }
    if (
      withSecret &&
      !sameSite(url.hostname, this.#registry.hostname) &&
      !this.#settings.realms.includes(url.hostname)
    ) {
      throw new VainaError(
        'ERR_UNAUTHORIZED',
        `registry ${this.#registry.host} wants the credentials to be sent to ${url.hostname}`,
        { subject: this.#registry.host, hint: `allow ${url.hostname} in the option realms if that is right` },
      );
    }
    return url;
  }

  #refusal(why: string): VainaError {
    return new VainaError('ERR_UNAUTHORIZED', `registry ${this.#registry.host} ${why}`, {
      subject: this.#registry.host,
    });
  }
}

function readToken(body: Buffer, url: URL): { token: string; life: number } {
  let parsed: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null;
  try {
    parsed = JSON.parse(body.toString('utf8')) as typeof parsed;
  } catch {
    throw new VainaError('ERR_REGISTRY', `${publicUrl(url)} did not answer with JSON`);
  }
  const token = parsed?.token ?? parsed?.access_token;
  // It becomes a header: visible characters only.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new VainaError('ERR_REGISTRY', `${publicUrl(url)} did not answer with a token`);
  }
  const expires = parsed?.expires_in;
  return { token, life: typeof expires === 'number' && expires > MIN_LIFE ? expires : MIN_LIFE };
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Whether two hosts belong together: the same, or below the same registered domain. */
function sameSite(a: string, b: string): boolean {
  if (a === b) return true;
  if (isIP(a.replace(/^\[|\]$/g, '')) !== 0 || isIP(b.replace(/^\[|\]$/g, '')) !== 0) return false;
  return siteOf(a) === siteOf(b);
}

/** The last two labels; three where the country registers below a second level (`co.uk`). */
function siteOf(host: string): string {
  const labels = host.split('.');
  const [second = '', top = ''] = labels.slice(-2);
  return labels.slice(top.length === 2 && second.length <= 3 ? -3 : -2).join('.');
}
