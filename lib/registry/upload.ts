import { algorithmOf } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';
import type { Scopes } from './auth.js';
import type { Ask, RegistryClient } from './client.js';
import { Passing, publicUrl } from './failure.js';
import type { Held } from './held.js';
import { locationOf, withParameter } from './location.js';
import { checkStored } from './manifests.js';
import { Tries } from './retry.js';
import { answerFailure, discard, type Answer } from './transport.js';
import { VainaError } from '../errors.js';

const BINARY = 'application/octet-stream';
/** Bytes that the registry says it has kept which count as progress: after them, a cut is the first one again. */
const PROGRESS = 64 * 1024;
/** How long a registry is asked to forget an upload, in milliseconds. */
const CANCEL_TIME = 2000;

/** An upload that a registry has opened. */
export interface Session {
  /** Where the next request goes. */
  location: URL;
  /** Least bytes of a request that is not the last one. */
  minimum: number;
}

/** Reads what opened an upload (202). */
export function sessionOf(answer: Answer, tlsVerify: boolean): Session {
  const minimum = answer.header('oci-chunk-min-length') ?? '';
  return {
    location: locationOf(answer, tlsVerify),
    minimum: /^[0-9]{1,15}$/.test(minimum) ? Number(minimum) : 0,
  };
}

/** Asks a registry to forget an upload. Whether it does is its own affair. */
export async function cancelSession(client: RegistryClient, { location }: Session): Promise<void> {
  try {
    discard(
      await client.request(location, {
        method: 'DELETE',
        scopes: client.scope('pull,push'),
        signal: AbortSignal.timeout(CANCEL_TIME),
        accept: [200, 202, 204, 404],
      }),
    );
  } catch {
    // It ends by itself after some days.
  }
}

/**
 * The upload of one blob (distribution-spec, pushing blobs): in one request, or in chunks. When it is cut, the registry
 * is asked how far it has come and gets the rest; where it does not know any more, all of it again.
 */
export class Upload {
  readonly #client: RegistryClient;
  readonly #blob: Descriptor;
  readonly #held: Held;
  readonly #chunkSize: number;
  readonly #signal: AbortSignal;
  readonly #scopes: Scopes;
  #session: Session | undefined;
  /** Bytes that the registry has, by its own word. */
  #offset = 0;

  /**
   * @param session - one that is open already
   * @param chunkSize - most bytes of one request
   */
  constructor(
    client: RegistryClient,
    blob: Descriptor,
    held: Held,
    { session, chunkSize, signal }: { session?: Session | undefined; chunkSize: number; signal: AbortSignal },
  ) {
    this.#client = client;
    this.#blob = blob;
    this.#held = held;
    this.#session = session;
    this.#chunkSize = chunkSize;
    this.#signal = signal;
    this.#scopes = client.scope('pull,push');
  }

  /** What is to be cancelled when the upload has failed. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Uploads all of it. */
  async run(): Promise<void> {
    const tries = new Tries(this.#client.settings);
    let best = 0;
    for (;;) {
      try {
        this.#session ??= await this.#begin();
        await this.#send(this.#session);
        this.#session = undefined;
        return;
      } catch (error) {
        if (this.#held.failed) throw this.#held.failed.error;
        await tries.after(error, this.#signal);
        if (await this.#recover()) return;
        if (this.#offset >= best + PROGRESS) {
          best = this.#offset;
          tries.renew();
        }
      }
    }
  }

  async #begin(): Promise<Session> {
    const algorithm = algorithmOf(this.#blob.digest);
    const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`;
    this.#offset = 0;
    const answer = await this.#request(`blobs/uploads/${query}`, { method: 'POST', accept: [202] });
    discard(answer);
    return sessionOf(answer, this.#client.settings.tlsVerify);
  }

  async #send(session: Session): Promise<void> {
    const { size } = this.#blob;
    const chunk = Math.max(this.#chunkSize, session.minimum);
    if (this.#offset === 0 && size <= chunk) {
      await this.#finish(session, 0);
      return;
    }
    while (this.#offset < size) await this.#patch(session, Math.min(this.#offset + chunk, size));
    await this.#finish(session, size);
  }

  /** One chunk, up to before `end`. */
  async #patch(session: Session, end: number): Promise<void> {
    const start = this.#offset;
    const answer = await this.#onSession(session.location, {
      method: 'PATCH',
      headers: { 'Content-Range': `${start}-${end - 1}` },
      payload: this.#payload(start, end),
      accept: [200, 201, 202, 204],
    });
    if (answer.header('location') !== undefined)
      session.location = locationOf(answer, this.#client.settings.tlsVerify);
    // One that does not say how far it has come has taken it all.
    const has = answer.header('range') === undefined ? end : rangeEnd(answer);
    if (has === undefined || has < start || has > end) {
      throw new VainaError(
        'ERR_REGISTRY',
        `${publicUrl(answer.url)} answered with another range than the one from ${start} to ${end - 1}`,
      );
    }
    this.#offset = has;
    if (has === start) {
      throw new Passing(
        new VainaError('ERR_REGISTRY', `${publicUrl(answer.url)} does not take the bytes from ${start}`),
      );
    }
  }

  /** Closes the session, with the bytes from `start` as the body. */
  async #finish(session: Session, start: number): Promise<void> {
    const { digest, size } = this.#blob;
    // Nothing may be closed before it is known that the bytes are right.
    if (start === size) await this.#held.whole();
    const answer = await this.#onSession(withParameter(session.location, 'digest', digest), {
      method: 'PUT',
      accept: [200, 201, 204],
      ...(start < size && { payload: this.#payload(start, size) }),
    });
    checkStored(answer, digest);
  }

  #payload(start: number, end: number): NonNullable<Ask['payload']> {
    return { type: BINARY, length: end - start, open: () => this.#held.read(start, end) };
  }

  /** A request to the session. That it is unknown, or somewhere else, is no reason to give up. */
  async #onSession(location: URL, ask: Ask): Promise<Answer> {
    const answer = await this.#request(location, { ...ask, accept: [...(ask.accept ?? []), 404, 416] });
    if (answer.status !== 404 && answer.status !== 416) {
      discard(answer);
      return answer;
    }
    const failure = await answerFailure(answer, this.#client.settings.stallTimeout, 'ERR_REGISTRY');
    throw VainaError.is(failure) ? new Passing(failure) : failure;
  }

  /**
   * After a failure: finds out how far the registry has come, or begins anew.
   *
   * @returns whether it has the blob already: only the answer was lost
   */
  async #recover(): Promise<boolean> {
    const session = this.#session;
    if (!session) return false;
    this.#session = undefined;
    try {
      const answer = await this.#request(session.location, { accept: [200, 202, 204, 404] });
      discard(answer);
      const has = answer.status === 404 ? undefined : rangeEnd(answer);
      // `0-0` is said of one byte and of none.
      if (has !== undefined && has > 1 && has <= this.#blob.size) {
        if (answer.header('location') !== undefined)
          session.location = locationOf(answer, this.#client.settings.tlsVerify);
        this.#offset = has;
        this.#session = session;
        return false;
      }
      if (answer.status === 404) return await hasBlob(this.#client, this.#blob, this.#signal);
      await cancelSession(this.#client, session);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!(error instanceof Passing) && !VainaError.is(error)) throw error;
      // It begins anew, and what is wrong shows there.
    }
    return false;
  }

  #request(place: string | URL, ask: Ask): Promise<Answer> {
    return this.#client.request(place, { ...ask, scopes: this.#scopes, signal: this.#signal });
  }
}

/** Whether a repository has a blob, asked once. Where it says another size, it has not this one. */
export async function hasBlob(
  client: RegistryClient,
  blob: Descriptor,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await client.request(`blobs/${blob.digest}`, {
    method: 'HEAD',
    scopes: client.scope('pull,push'),
    signal,
    accept: [200, 404],
  });
  discard(answer);
  const length = answer.header('content-length');
  return answer.status === 200 && (length === undefined || Number(length) === blob.size);
}

/** The number of bytes that a Range header speaks of: `0-LAST`. */
function rangeEnd(answer: Answer): number | undefined {
  const match = /^(?:bytes[ =])?0-([0-9]{1,15})$/.exec(answer.header('range') ?? '');
  return match ? Number(match[1]) + 1 : undefined;
}
