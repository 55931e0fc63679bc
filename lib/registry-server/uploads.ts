import { randomUUID } from 'node:crypto';
import type { DigestAlgorithm } from '../oci/digest.js';
import type { Store } from '../store/store.js';
import type { Upload } from '../store/upload.js';
import type { ServerSettings } from './options.js';
import { Refusal } from './refusal.js';

/** An upload that a client has begun. */
export interface OpenUpload {
  readonly id: string;
  readonly repository: string;
  readonly content: Upload;
  /** Whether a request is writing to it. */
  busy: boolean;
}

interface Entry extends OpenUpload {
  timer: NodeJS.Timeout;
}

/** The uploads that are open: known to this process alone, and gone with it. */
export class Uploads {
  readonly #store: Store;
  readonly #settings: ServerSettings;
  readonly #entries = new Map<string, Entry>();
  #opening = 0;

  constructor(store: Store, settings: ServerSettings) {
    this.#store = store;
    this.#settings = settings;
  }

  /**
   * Begins an upload.
   *
   * @throws Refusal `TOOMANYREQUESTS`
   */
  async open(repository: string, algorithm: DigestAlgorithm): Promise<OpenUpload> {
    if (this.#entries.size + this.#opening >= this.#settings.maxUploads) {
      throw new Refusal('TOOMANYREQUESTS', 'too many uploads are open', { headers: { 'Retry-After': '5' } });
    }
    this.#opening++;
    try {
      const content = await this.#store.upload(algorithm);
      const id = randomUUID();
      const entry: Entry = { id, repository, content, busy: false, timer: this.#timer(id) };
      this.#entries.set(id, entry);
      return entry;
    } finally {
      this.#opening--;
    }
  }

  /**
   * An upload of the repository.
   *
   * @throws Refusal `BLOB_UPLOAD_UNKNOWN`
   */
  find(repository: string, id: string): OpenUpload {
    const entry = this.#entries.get(id);
    if (entry?.repository !== repository) throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'there is no such upload');
    return entry;
  }

  /** Runs a function that alone may write to an upload. */
  async using<T>(upload: OpenUpload, work: () => Promise<T>): Promise<T> {
    const entry = upload as Entry;
    entry.busy = true;
    clearTimeout(entry.timer);
    try {
      return await work();
    } finally {
      entry.busy = false;
      if (this.#entries.has(entry.id)) entry.timer = this.#timer(entry.id);
    }
  }

  /** Ends an upload, and removes what was not committed. */
  async end(upload: OpenUpload): Promise<void> {
    const entry = upload as Entry;
    clearTimeout(entry.timer);
    this.#entries.delete(entry.id);
    await entry.content.close();
  }

  /** Ends them all. */
  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.end(entry)));
  }

  #timer(id: string): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const entry = this.#entries.get(id);
      if (entry && !entry.busy) void this.end(entry);
    }, this.#settings.uploadTimeoutMs);
    return timer.unref();
  }
}
