import { request, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import { digestOf } from '../../lib/oci/digest.js';

/** An answer of a registry. */
export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The code of the first error of the body. */
  code: string | undefined;
}

/** How to ask. */
export interface Asking {
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | string;
}

/** One request as it is written, without the help of a client that knows the protocol. */
export async function ask(
  origin: string,
  method: string,
  path: string,
  asking: Asking = {},
): Promise<Answered> {
  const { body, headers } = asking;
  const url = new URL(origin);
  const sent = request({
    host: url.hostname,
    port: url.port,
    method,
    // Not through URL, which would tidy it up.
    path,
    agent: false,
    headers: {
      ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
      ...headers,
    },
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  let code: string | undefined;
  if (response.headers['content-type'] === 'application/json' && (response.statusCode ?? 0) >= 400) {
    const text = bytes.toString();
    code = text === '' ? undefined : (JSON.parse(text) as { errors: { code: string }[] }).errors[0]?.code;
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: bytes, code };
}

/** Pushes a blob in one request, and gives its digest. */
export async function pushBlob(
  origin: string,
  repository: string,
  bytes: Buffer | string,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): Promise<string> {
  const digest = digestOf(Buffer.from(bytes), algorithm);
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const { status } = await ask(origin, 'POST', path, { body: Buffer.from(bytes) });
  if (status !== 201) throw new Error(`pushing a blob was answered with ${status}`);
  return digest;
}

/** A manifest of one layer whose blobs are pushed, in any wording. */
export async function pushImage(
  origin: string,
  repository: string,
  tag: string,
  more: { layer?: string; document?: object; query?: string } = {},
): Promise<{ digest: string; layer: string; config: string; bytes: Buffer; answer: Answered }> {
  const content = more.layer ?? `layer of ${tag}`;
  const layer = await pushBlob(origin, repository, content);
  const config = await pushBlob(origin, repository, '{}');
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config, size: 2 },
    layers: [{ mediaType: 'application/octet-stream', digest: layer, size: Buffer.byteLength(content) }],
    ...more.document,
  };
  const bytes = Buffer.from(JSON.stringify(document));
  const answer = await ask(origin, 'PUT', `/v2/${repository}/manifests/${tag}${more.query ?? ''}`, {
    body: bytes,
    headers: { 'Content-Type': document.mediaType },
  });
  return { digest: digestOf(bytes), layer, config, bytes, answer };
}
