import type { ServerResponse } from 'node:http';
import { digestOf, isDigest, algorithmOf } from '../../lib/oci/digest.js';
import { sendError, type FakeRegistry, type Seen } from './fake-registry.js';

const UPLOAD = /^\/v2\/([a-z0-9/_-]+)\/blobs\/uploads\/([^/?]*)(?:\?(.*))?$/;
const MANIFEST = /^\/v2\/([a-z0-9/_-]+)\/manifests\/([^/?]+)$/;

/** The writing half of a fake registry: one store for all its repositories. */
export class FakeUploads {
  readonly #registry: FakeRegistry;
  readonly #sessions = new Map<string, Buffer>();
  #made = 0;
  /** Places in a blob at which the connection is cut, each once. */
  readonly cuts: number[] = [];
  /** Whether a session outlives a cut, with what it has got. */
  resumable = true;
  /** What Location starts with. */
  base = '';
  /** Repositories that blobs may be mounted from. */
  readonly mountable = new Set<string>();
  /** Whether `OCI-Subject` is answered, and the list of referrers kept. */
  referrers = false;
  headers: Record<string, string> = {};

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  /** Uploads that were neither closed nor cancelled. */
  get open(): number {
    return this.#sessions.size;
  }

  /** Cuts where a test wants it; what had come up to there. */
  cutAfter(method: string, url: string, chunks: readonly Buffer[]): Buffer | undefined {
    const [, , id = ''] = UPLOAD.exec(url) ?? [];
    const before = this.#sessions.get(id);
    const [cut] = this.cuts;
    if (!before || cut === undefined || (method !== 'PATCH' && method !== 'PUT')) return undefined;
    const all = Buffer.concat([before, ...chunks]);
    if (all.length < cut) return undefined;
    this.cuts.shift();
    if (this.resumable) this.#sessions.set(id, all.subarray(0, cut));
    else this.#sessions.delete(id);
    return all.subarray(before.length, cut);
  }

  /** Answers what concerns writing. */
  serve(seen: Seen, response: ServerResponse): boolean {
    const upload = UPLOAD.exec(seen.url);
    if (upload) {
      this.#upload(seen, response, upload[2] ?? '', new URLSearchParams(upload[3]));
      return true;
    }
    const [, , name] = MANIFEST.exec(seen.url) ?? [];
    if (name === undefined) return false;
    if (seen.method === 'PUT') this.#putManifest(seen, response, name);
    else if (seen.method === 'DELETE') this.#deleteManifest(response, name);
    else return false;
    return true;
  }

  #upload(seen: Seen, response: ServerResponse, id: string, query: URLSearchParams): void {
    const { method, bytes, headers } = seen;
    const [, repository = ''] = UPLOAD.exec(seen.url) ?? [];
    if (method === 'POST') {
      const mount = query.get('mount');
      if (mount !== null && this.mountable.has(query.get('from') ?? '') && this.#registry.blobs.has(mount)) {
        response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
        return;
      }
      const session = `session-${++this.#made}`;
      this.#sessions.set(session, Buffer.alloc(0));
      response
        .writeHead(202, { ...this.headers, location: this.#location(repository, session), range: '0-0' })
        .end();
      return;
    }
    const before = this.#sessions.get(id);
    if (!before) {
      sendError(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'no such upload');
      return;
    }
    const location = this.#location(repository, id);
    const range = `0-${Math.max(0, before.length - 1)}`;
    const start = /^([0-9]+)-/.exec(headers['content-range'] ?? '')?.[1];
    if (method === 'GET') response.writeHead(204, { location, range }).end();
    else if (method === 'DELETE') {
      this.#sessions.delete(id);
      response.writeHead(204).end();
    } else if (start !== undefined && Number(start) !== before.length) {
      sendError(response, 416, 'RANGE_INVALID', 'out of order', { location, range });
    } else if (method === 'PATCH') {
      const all = Buffer.concat([before, bytes]);
      this.#sessions.set(id, all);
      response.writeHead(202, { location, range: `0-${Math.max(0, all.length - 1)}` }).end();
    } else this.#close(response, repository, id, Buffer.concat([before, bytes]), query.get('digest') ?? '');
  }

  #close(response: ServerResponse, repository: string, id: string, all: Buffer, digest: string): void {
    if (!isDigest(digest) || digestOf(all, algorithmOf(digest)) !== digest) {
      sendError(response, 400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
      return;
    }
    this.#sessions.delete(id);
    this.#registry.blobs.set(digest, all);
    response
      .writeHead(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
      .end();
  }

  #putManifest(seen: Seen, response: ServerResponse, name: string): void {
    const digest = isDigest(name) ? name : digestOf(seen.bytes);
    if (digestOf(seen.bytes, algorithmOf(digest)) !== digest) {
      sendError(response, 400, 'DIGEST_INVALID', 'another digest');
      return;
    }
    this.#registry.blobs.set(digest, seen.bytes);
    this.#registry.types.set(digest, seen.headers['content-type'] ?? '');
    if (!isDigest(name)) this.#registry.tags.set(name, digest);
    const subject = (JSON.parse(seen.body) as { subject?: { digest: string } }).subject?.digest;
    response
      .writeHead(201, {
        location: seen.url,
        'docker-content-digest': digest,
        ...(this.referrers && subject !== undefined && { 'oci-subject': subject }),
      })
      .end();
  }

  #deleteManifest(response: ServerResponse, name: string): void {
    const { tags, blobs } = this.#registry;
    if (!tags.delete(name) && !blobs.delete(name)) {
      sendError(response, 404, 'MANIFEST_UNKNOWN', 'no such manifest');
      return;
    }
    for (const [tag, digest] of tags) if (digest === name) tags.delete(tag);
    response.writeHead(202).end();
  }

  #location(repository: string, session: string): string {
    return `${this.base}/v2/${repository}/blobs/uploads/${session}?_state=a%20b~`;
  }
}
