import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { digestOf } from '../../lib/oci/digest.js';
import type { Descriptor } from '../../lib/oci/types.js';
import { FakeUploads } from './fake-uploads.js';
import { blobsOf, type TestImage } from './images.js';

/** One request as a fake registry saw it. */
export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
  bytes: Buffer;
}

/** Takes a request over from the registry; true when it has answered. */
export type Fault = (seen: Seen, response: ServerResponse) => boolean | void;

/** A server that speaks the distribution protocol and misbehaves where a test wants it. */
export class FakeRegistry {
  readonly seen: Seen[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly types = new Map<string, string>();
  readonly tags = new Map<string, string>();
  /** Asked in order for each request before the registry answers. */
  readonly faults: Fault[] = [];
  /** What is written to it. */
  readonly uploads = new FakeUploads(this);
  host = '';
  origin = '';
  readonly #sockets = new Set<Socket>();
  #stop: () => Promise<void> = async () => undefined;

  /**
   * @param address - of the loopback: different ones are different hosts
   * @param tls - paths of a certificate and its key
   */
  static async start(address = '127.0.0.1', tls?: { cert: string; key: string }): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      void registry.#handle(request, response);
    const server = tls
      ? createTlsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, handle)
      : createServer(handle);
    server.on('connection', (socket: Socket) => {
      registry.#sockets.add(socket);
      socket.once('close', () => registry.#sockets.delete(socket));
    });
    server.listen(0, address);
    await once(server, 'listening');
    registry.host = `${address}:${(server.address() as AddressInfo).port}`;
    registry.origin = `${tls ? 'https' : 'http'}://${registry.host}`;
    registry.#stop = async () => {
      registry.#stop = async () => undefined;
      for (const socket of registry.#sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    };
    return registry;
  }

  /** Takes images in, and gives `tag` to the first or to the index over them. */
  add(images: readonly TestImage[], tag = 'latest', index?: { bytes: Buffer; descriptor: Descriptor }): void {
    const all = images.flatMap(blobsOf);
    for (const bytes of index ? [...all, index.bytes] : all) this.blobs.set(digestOf(bytes), bytes);
    for (const { manifest } of images)
      this.types.set(manifest.descriptor.digest, manifest.descriptor.mediaType);
    if (index) this.types.set(index.descriptor.digest, index.descriptor.mediaType);
    const top = index?.descriptor ?? images[0]?.manifest.descriptor;
    if (top) this.tags.set(tag, top.digest);
  }

  /** The requests for a path that matches. */
  requests(pattern: RegExp): Seen[] {
    return this.seen.filter(({ url }) => pattern.test(url));
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        const kept = this.uploads.cutAfter(method, url, chunks);
        if (kept === undefined) continue;
        this.seen.push({ method, url, headers, body: '', bytes: kept });
        request.socket.destroy();
        return;
      }
    } catch {
      // The client has gone away.
      return;
    }
    const bytes = Buffer.concat(chunks);
    const seen = { method, url, headers, body: bytes.toString(), bytes };
    this.seen.push(seen);
    for (const fault of [...this.faults]) if (fault(seen, response) === true) return;
    this.#serve(seen, response);
  }

  #serve(seen: Seen, response: ServerResponse): void {
    const { url, headers, method } = seen;
    if (this.uploads.serve(seen, response)) return;
    if (url === '/v2/') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      return;
    }
    const [, kind, name = ''] = /^\/v2\/[a-z0-9/_-]+\/(manifests|blobs)\/([^/?]+)$/.exec(url) ?? [];
    const digest = this.tags.get(name) ?? name;
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      const code = kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
      sendError(response, 404, code, `${kind ?? 'path'} unknown`);
      return;
    }
    if (method === 'HEAD') {
      response.writeHead(200, { 'content-length': bytes.length, 'docker-content-digest': digest }).end();
      return;
    }
    const type = kind === 'manifests' ? (this.types.get(digest) ?? 'text/plain') : 'application/octet-stream';
    sendRange(response, bytes, headers.range, { 'content-type': type, 'docker-content-digest': digest });
  }
}

/** Sends bytes, or the part of them that a Range header asks for. */
export function sendRange(
  response: ServerResponse,
  bytes: Buffer,
  range: string | undefined,
  headers: Record<string, string> = {},
): void {
  const start = /^bytes=([0-9]+)-$/.exec(range ?? '')?.[1];
  const rest = bytes.subarray(Number(start ?? 0));
  const part = { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start === undefined ? 200 : 206, {
    ...headers,
    'content-length': rest.length,
    ...(start !== undefined && part),
  });
  response.end(rest);
}

/** Sends an error as the distribution-spec has it. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

/** A fault that demands a bearer token of a token server, and takes those that it has given out. */
export function demandToken(realm: string, isGood: (token: string) => boolean, service = 'test'): Fault {
  return ({ url, headers }, response) => {
    if (!url.startsWith('/v2/')) return false;
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    if (token !== undefined && isGood(token)) return false;
    const challenge = `Bearer realm="${realm}",service="${service}",scope="repository:any:pull"`;
    sendError(response, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    return true;
  };
}
