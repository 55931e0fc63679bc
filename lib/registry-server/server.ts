import { once } from 'node:events';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { VainaError } from '../errors.js';
import type { Store } from '../store/store.js';
import { demand } from './authorize.js';
import { dispatch } from './dispatch.js';
import { Exchange } from './exchange.js';
import { ImageView } from './image-view.js';
import {
  checkUnusedMs,
  listenOptions,
  settingsOf,
  type RegistryListenOptions,
  type RegistryServerOptions,
  type ServerSettings,
} from './options.js';
import type { ServerParts } from './parts.js';
import { Refusal } from './refusal.js';
import { route } from './router.js';
import { Sweeper } from './sweeper.js';
import { Uploads } from './uploads.js';
import { Upstream } from './upstream.js';

/** A registry that listens. */
export interface ListeningRegistry extends AsyncDisposable {
  /** E.g. `http://127.0.0.1:5000`. */
  readonly url: string;
  /** The port. */
  readonly port: number;
  /** Stops to listen and closes the connections. The registry itself stays open. */
  close(): Promise<void>;
}

/** Most header bytes of a request: a scope of many repositories makes a long token. */
const MAX_HEADER_BYTES = 32 * 1024;

/**
 * A registry by the OCI distribution-spec 1.1 over a store. It has no socket of its own: give {@link handler} to a server,
 * or let {@link listen} make one. `docs/registry-server.md` tells what it does where the specification leaves a choice.
 *
 * @example
 * ```ts
 * const registry = engine.registry({ images: true });
 * http.createServer(registry.handler).listen(5000);
 * ```
 */
export class RegistryServer implements AsyncDisposable {
  /** Answers one request: for `http.createServer`, `https.createServer`, or as the middleware of a framework. */
  readonly handler: RequestListener;
  readonly #settings: ServerSettings;
  readonly #parts: ServerParts;
  readonly #active = new Map<ServerResponse, Promise<void>>();
  readonly #listening = new Set<ListeningRegistry>();
  readonly #onClose: () => void;
  #closing: Promise<void> | undefined;

  /**
   * @throws VainaError `ERR_INVALID_OPTION`
   * @internal
   */
  constructor(store: Store, options: RegistryServerOptions = {}, onClose: () => void = () => undefined) {
    const settings = (this.#settings = settingsOf(options));
    this.#onClose = onClose;
    const onError = (error: unknown): void => settings.onError?.(error);
    this.#parts = {
      store,
      settings,
      onError,
      uploads: new Uploads(store, settings),
      sweeper: new Sweeper(store, onError),
      view: settings.images ? new ImageView(store, settings.imageRepository) : undefined,
      upstream: settings.upstream ? new Upstream(store, settings, settings.upstream, onError) : undefined,
    };
    this.handler = (request, response) => {
      const work = this.#answer(request, response).finally(() => this.#active.delete(response));
      this.#active.set(response, work);
    };
  }

  /**
   * Starts a server of its own.
   *
   * @throws VainaError `ERR_INVALID_OPTION`, `ERR_CLOSED`; the error of Node when the address cannot be had or the certificate is malformed
   */
  async listen(options: RegistryListenOptions = {}): Promise<ListeningRegistry> {
    if (this.#closing) throw new VainaError('ERR_CLOSED', 'the registry was closed');
    const { port = 0, host = '127.0.0.1', tls } = listenOptions(options);
    // Loaded late: who only runs containers does without.
    const server = tls
      ? (await import('node:https')).createServer({ maxHeaderSize: MAX_HEADER_BYTES, ...tls }, this.handler)
      : (await import('node:http')).createServer({ maxHeaderSize: MAX_HEADER_BYTES }, this.handler);
    // An upload may take hours as long as something comes; the stall timeout ends what stands still.
    server.requestTimeout = 0;
    server.listen(port, host);
    await once(server, 'listening');
    const { port: bound } = server.address() as AddressInfo;
    const shown = host.includes(':') ? `[${host}]` : host;
    const close = async (): Promise<void> => {
      this.#listening.delete(running);
      await closed(server);
    };
    const running: ListeningRegistry = {
      url: `${tls ? 'https' : 'http'}://${shown}:${bound}`,
      port: bound,
      close,
      [Symbol.asyncDispose]: close,
    };
    this.#listening.add(running);
    return running;
  }

  /**
   * Removes blobs that no manifest of their repository refers to. Deleting a manifest does so too.
   *
   * @param unusedMs - spares those that were pushed or asked for in this time. Default: the option `unusedBlobMs`
   * @returns how many were taken out of repositories; files go when nothing else refers to them
   * @throws VainaError `ERR_INVALID_OPTION`
   */
  async prune(unusedMs: number = this.#settings.unusedBlobMs): Promise<number> {
    checkUnusedMs(unusedMs);
    const removed = this.#parts.store.registry.removeUnusedBlobs(Date.now() - unusedMs + 1);
    await this.#parts.store.collectGarbage();
    return removed;
  }

  /** Breaks off what is on its way, gives up open uploads, and stops servers of {@link listen}. Idempotent. */
  async close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const response of this.#active.keys()) response.destroy();
    await this.#parts.upstream?.close();
    await Promise.all(this.#active.values());
    await Promise.all([...this.#listening].map((one) => one.close()));
    await this.#parts.uploads.close();
    await this.#parts.sweeper.close();
    this.#onClose();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '/';
    const cut = url.indexOf('?');
    const query = new URLSearchParams(cut === -1 ? '' : url.slice(cut + 1));
    const exchange = new Exchange(request, response, query, this.#settings.stallTimeoutMs);
    try {
      if (this.#closing) throw new Refusal('UNKNOWN', 'the registry was closed', { status: 503 });
      response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
      const target = route(cut === -1 ? url : url.slice(0, cut));
      if (!target) throw new Refusal('UNSUPPORTED', 'there is no such endpoint', { status: 404 });
      await dispatch(this.#parts, exchange, target, (access) =>
        demand(this.#settings.authorize, exchange, access),
      );
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    // Who has gone away is told nothing.
    if (exchange.signal.aborted || (exchange.request.destroyed && !exchange.request.complete)) {
      exchange.response.destroy();
      return;
    }
    const refusal = error instanceof Refusal ? error : failureOf(error);
    if (refusal.status >= 500) this.#parts.onError(refusal.cause ?? error);
    else if (exchange.response.headersSent) this.#parts.onError(error);
    exchange.refuse(refusal);
  }
}

/** A failure of the server's own, of which clients are told no paths. */
function failureOf(error: unknown): Refusal {
  if (VainaError.is(error, 'ERR_NO_SPACE')) {
    return new Refusal('UNKNOWN', 'no space left', { status: 507, cause: error });
  }
  if (VainaError.is(error, 'ERR_CLOSED')) {
    return new Refusal('UNKNOWN', 'the registry was closed', { status: 503, cause: error });
  }
  return new Refusal('UNKNOWN', 'the registry has failed', { cause: error });
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
