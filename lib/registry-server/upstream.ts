import { VainaError, type ErrorCode } from '../errors.js';
import { digestOf, verifyBytes } from '../oci/digest.js';
import { ACCEPT_MANIFESTS, baseMediaType, MEDIA } from '../oci/mediatypes.js';
import { isTag } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';
import { RegistryClient } from '../registry/client.js';
import { within } from '../registry/deadline.js';
import { Downloads } from '../registry/downloads.js';
import { readPages, type Page } from '../registry/pages.js';
import { retrying } from '../registry/retry.js';
import { discard, readBody } from '../registry/transport.js';
import type { RegistryManifest } from '../store/registry-catalogue.js';
import type { Store } from '../store/store.js';
import { parseStrictJson } from '../util/strict-json.js';
import { BlobFetch, type BlobReader, type FetchedBlob } from './blob-fetch.js';
import { isDescriptor, readManifest } from './manifest-document.js';
import { keepManifest, type FoundManifest } from './manifests.js';
import type { RegistryUpstream, ServerSettings } from './options.js';
import { Refusal } from './refusal.js';

/** How long nothing is asked of an upstream that was seen to be down, of what is in the cache. */
const REST_MS = 5000;
/** Most repositories to which connections are kept. */
const MAX_CLIENTS = 100;

/** What may pass by itself: until then the cache is believed. */
const DOWN: readonly ErrorCode[] = ['ERR_REGISTRY_UNREACHABLE', 'ERR_REGISTRY', 'ERR_TIMEOUT'];

/** A blob that upstream has. */
export interface UpstreamBlob {
  /** Bytes. */
  size: number;
  open(): Promise<BlobReader>;
}

/** Another registry, cached: what comes from it is kept in the repositories of this one. */
export class Upstream {
  readonly #store: Store;
  readonly #settings: ServerSettings;
  readonly #upstream: RegistryUpstream;
  readonly #onError: (error: unknown) => void;
  readonly #clients = new Map<string, RegistryClient>();
  readonly #manifests = new Map<string, Promise<FoundManifest | undefined>>();
  readonly #blobs = new Map<string, BlobFetch>();
  readonly #closing = new AbortController();
  #downUntil = 0;

  constructor(
    store: Store,
    settings: ServerSettings,
    upstream: RegistryUpstream,
    onError: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#settings = settings;
    this.#upstream = upstream;
    this.#onError = onError;
    // Bad options are told at once, not to the first client.
    void new RegistryClient(upstream.domain, 'a', upstream.options ?? {}).close();
  }

  /** A manifest by its digest, which never changes; undefined when upstream has none. */
  async manifest(repository: string, digest: Digest): Promise<FoundManifest | undefined> {
    return this.#once(`${repository}@${digest}`, async () => {
      const answer = await this.#ask(repository, digest);
      if (answer === 'gone' || answer === 'same') return undefined;
      verifyBytes(answer.bytes, { digest }, `manifest ${digest}`);
      return this.#keep(repository, digest, answer, []);
    });
  }

  /**
   * What a tag stands for: from the cache as long as that is fresh, or when upstream is down; undefined when there is
   * no such tag.
   */
  async tag(repository: string, tag: string): Promise<FoundManifest | undefined> {
    const { registry, content } = this.#store;
    const known = registry.tag(repository, tag);
    const manifest = known && registry.manifest(repository, known.digest);
    const own = manifest && content.get(manifest.digest) ? manifest : undefined;
    const now = Date.now();
    const fresh = (known?.checkedAt ?? 0) + (this.#upstream.revalidateMs ?? 60_000) > now;
    if (own && (fresh || now < this.#downUntil)) return own;
    return this.#once(`${repository}:${tag}`, async () => {
      try {
        const answer = await this.#ask(repository, tag, own?.digest);
        if (answer === 'gone') {
          registry.removeTag(repository, tag);
          return undefined;
        }
        if (answer === 'same' && own) {
          registry.setTag(repository, tag, own.digest);
          return own;
        }
        if (answer === 'same') throw new VainaError('ERR_REGISTRY', 'upstream says that nothing has changed');
        return await this.#keep(repository, digestOf(answer.bytes), answer, [tag]);
      } catch (error) {
        if (!own || !isDown(error)) throw error;
        this.#downUntil = Date.now() + REST_MS;
        this.#onError(error);
        return own;
      }
    });
  }

  /** Every tag of a repository; undefined when upstream does not tell. */
  async tags(repository: string): Promise<string[] | undefined> {
    const pages = await this.#pages(repository, 'tags/list');
    if (!pages) return undefined;
    const tags = pages.flatMap(itemsOf);
    return tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)).sort();
  }

  /** The referrers of a manifest after one, sorted by digest; undefined when upstream does not tell. */
  async referrers(
    repository: string,
    subject: Digest,
    options: { artifactType: string | undefined; after: string },
  ): Promise<RegistryManifest[] | undefined> {
    const pages = await this.#pages(repository, `referrers/${subject}`);
    if (!pages) return undefined;
    const { artifactType, after } = options;
    return pages
      .flatMap(itemsOf)
      .filter(isReferrer)
      .filter(
        (row) => row.digest > after && (artifactType === undefined || row.artifactType === artifactType),
      )
      .sort((one, other) => (one.digest < other.digest ? -1 : 1));
  }

  /** A blob; undefined when upstream has none. */
  async blob(repository: string, digest: Digest, signal: AbortSignal): Promise<UpstreamBlob | undefined> {
    const key = `${repository}@${digest}`;
    const size =
      this.#blobs.get(key)?.size ??
      this.#store.registry.sizeOf(repository, digest) ??
      (await this.#reporting(() => this.#sizeOf(repository, digest, signal)));
    if (size === undefined) return undefined;
    if (size > this.#settings.maxBlobBytes) {
      throw new Refusal('DENIED', `the blob is larger than ${this.#settings.maxBlobBytes} bytes`);
    }
    return {
      size,
      open: async () => {
        // Nothing is awaited between the look and the beginning, so that there is one fetch.
        let fetch = this.#blobs.get(key);
        if (!fetch) {
          const begun: BlobFetch = this.#fetch({ repository, digest, size }, () => {
            if (this.#blobs.get(key) === begun) this.#blobs.delete(key);
          });
          this.#blobs.set(key, (fetch = begun));
        }
        const reader = fetch.reader();
        try {
          await this.#reporting(() => reader.ready(signal));
          return { ...reader, whole: (gone) => this.#reporting(() => reader.whole(gone)) };
        } catch (error) {
          await reader[Symbol.asyncDispose]();
          throw error;
        }
      },
    };
  }

  /** Gives up all that is on its way. */
  async close(): Promise<void> {
    this.#closing.abort(new VainaError('ERR_CLOSED', 'the registry was closed'));
    await Promise.all([...this.#blobs.values()].map((fetch) => fetch.close()));
    await Promise.allSettled(this.#manifests.values());
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
    this.#clients.clear();
  }

  /** One request upstream for all who want the same. */
  async #once(
    key: string,
    work: () => Promise<FoundManifest | undefined>,
  ): Promise<FoundManifest | undefined> {
    let running = this.#manifests.get(key);
    if (!running) {
      running = work().finally(() => this.#manifests.delete(key));
      this.#manifests.set(key, running);
    }
    return this.#reporting(() => running);
  }

  async #ask(
    repository: string,
    reference: string,
    known?: Digest,
  ): Promise<{ bytes: Buffer; mediaType: string } | 'gone' | 'same'> {
    const client = this.#client(repository);
    const headers = {
      Accept: [...ACCEPT_MANIFESTS, '*/*;q=0.1'].join(', '),
      ...(known !== undefined && { 'If-None-Match': `"${known}"` }),
    };
    return this.#talking(client, `manifest ${reference}`, this.#closing.signal, async (signal) => {
      const answer = await client.get(`manifests/${reference}`, { headers, signal, accept: [200, 304, 404] });
      if (answer.status !== 200) {
        discard(answer);
        return answer.status === 404 ? 'gone' : 'same';
      }
      const bytes = await readBody(answer, this.#settings.maxManifestBytes, client.settings.stallTimeout);
      return { bytes, mediaType: baseMediaType(answer.header('content-type')) };
    });
  }

  async #keep(
    repository: string,
    digest: Digest,
    answer: { bytes: Buffer; mediaType: string },
    tags: readonly string[],
  ): Promise<FoundManifest> {
    const { bytes, mediaType } = answer;
    const document = readManifest(bytes, mediaType);
    // Its blobs come when somebody wants them.
    const lazy = { ...document, required: [] };
    const parts = { store: this.#store, view: undefined };
    await keepManifest(parts, { repository, bytes, digest, document: lazy, tags });
    return { digest, mediaType: document.mediaType };
  }

  #fetch(blob: FetchedBlob, onEnd: () => void): BlobFetch {
    const client = this.#client(blob.repository);
    const descriptor = { mediaType: 'application/octet-stream', digest: blob.digest, size: blob.size };
    const downloads = new Downloads(client, `${this.#upstream.domain}/${blob.repository}`);
    return new BlobFetch(this.#store, blob, (signal) => downloads.open(descriptor, signal), onEnd);
  }

  /** The size of a blob that no manifest of the cache tells of. */
  async #sizeOf(repository: string, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    const client = this.#client(repository);
    return this.#talking(client, `size of blob ${digest}`, signal, async (signal) => {
      const answer = await client.get(`blobs/${digest}`, { signal, accept: [200, 404] });
      answer.body.on('error', () => undefined).destroy();
      if (answer.status === 404) return undefined;
      const length = answer.header('content-length') ?? '';
      if (/^[0-9]{1,15}$/.test(length)) return Number(length);
      throw new VainaError('ERR_REGISTRY', 'upstream does not tell the size of a blob');
    });
  }

  /** All pages of a list; undefined when upstream has none, or is down. */
  async #pages(repository: string, path: string): Promise<unknown[] | undefined> {
    const client = this.#client(repository);
    const pages: unknown[] = [];
    let missing = false;
    const ask = { accept: [200, 404], headers: { Accept: MEDIA.ociIndex + ', application/json' } };
    const read = ({ answer, body }: Page): number => {
      missing ||= answer.status === 404;
      if (missing) return 0;
      const page = parseStrictJson(body, 'the list', 'ERR_REGISTRY');
      pages.push(page);
      return itemsOf(page).length;
    };
    try {
      await within(client.settings, path, this.#closing.signal, (signal) =>
        readPages(client, path, { ...ask, signal }, read),
      );
      return missing ? undefined : pages;
    } catch (failure) {
      if (!isDown(failure)) throw refusalOf(failure);
      this.#onError(failure);
      return undefined;
    }
  }

  /** One request, with its tries, in the time of an operation. */
  async #talking<T>(
    client: RegistryClient,
    what: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { settings } = client;
    return within(settings, what, signal, (timed) => retrying(settings, timed, () => work(timed)));
  }

  async #reporting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw refusalOf(error);
    }
  }

  #client(repository: string): RegistryClient {
    const { domain, prefix, options } = this.#upstream;
    let client = this.#clients.get(repository);
    if (!client) {
      client = new RegistryClient(
        domain,
        prefix === undefined ? repository : `${prefix}/${repository}`,
        options,
      );
      const [oldest] = this.#clients.keys();
      // Its connections are kept open, not its requests: those that are on their way go on.
      if (this.#clients.size >= MAX_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    }
    this.#clients.delete(repository);
    this.#clients.set(repository, client);
    return client;
  }
}

function isReferrer(value: unknown): value is RegistryManifest {
  return isDescriptor(value);
}

/** Whether upstream has failed in a way that may pass. */
function isDown(error: unknown): boolean {
  return DOWN.some((code) => VainaError.is(error, code));
}

/** How a failure of upstream is told to a client. */
function refusalOf(error: unknown): unknown {
  if (VainaError.is(error, 'ERR_UNAUTHORIZED')) {
    return new Refusal('DENIED', 'the upstream registry does not let this registry in', { cause: error });
  }
  const theirs: readonly ErrorCode[] = [...DOWN, 'ERR_DIGEST_MISMATCH', 'ERR_INVALID_IMAGE'];
  if (theirs.some((code) => VainaError.is(error, code)) || (error instanceof Refusal && error.status < 500)) {
    const message = 'the upstream registry does not answer as it should';
    return error instanceof Refusal && error.code === 'DENIED'
      ? error
      : new Refusal('UNKNOWN', message, { status: 502, cause: error });
  }
  return error;
}

/** The tags, or the manifests, of one page of a list. */
function itemsOf(page: unknown): unknown[] {
  const { tags, manifests } = (page ?? {}) as { tags?: unknown; manifests?: unknown };
  return [tags, manifests].find((list) => Array.isArray(list)) ?? [];
}
