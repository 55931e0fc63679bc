import { open } from 'node:fs/promises';
import type { Digest } from '../oci/types.js';
import type { Exchange } from './exchange.js';
import { readDigest } from './names.js';
import type { ServerParts } from './parts.js';
import { wantedRange } from './ranges.js';
import { Refusal } from './refusal.js';

const READ_BYTES = 256 * 1024;

/** Whether a blob is in a repository: of the registry, or of the store's images. */
export function blobIsHere(
  parts: Pick<ServerParts, 'store' | 'view'>,
  repository: string,
  digest: Digest,
): boolean {
  const here = parts.store.registry.hasBlob(repository, digest) || parts.view?.hasBlob(repository, digest);
  return here === true && parts.store.content.get(digest) !== undefined;
}

/** GET and HEAD of a blob: end-2. */
export async function giveBlob(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  const digest = readDigest(reference);
  if (blobIsHere(parts, repository, digest)) {
    // Who asks whether it is here is about to push a manifest that needs it.
    if (exchange.request.method === 'HEAD') parts.store.registry.useBlob(repository, digest);
    return giveStored(parts, exchange, digest);
  }
  if (!parts.upstream) throw unknown(digest);
  const fetched = await parts.upstream.blob(repository, digest, exchange.signal);
  if (!fetched) throw unknown(digest);
  if (exchange.request.method === 'HEAD') {
    exchange.send(200, { ...blobHeaders(digest), 'Content-Length': fetched.size });
    return;
  }
  await using reader = await fetched.open();
  if (exchange.header('range') !== undefined) {
    // A part alone could not be held against the digest.
    await reader.whole(exchange.signal);
    return giveStored(parts, exchange, digest);
  }
  await exchange.stream(
    200,
    { ...blobHeaders(digest), 'Content-Length': fetched.size },
    reader.stream(exchange.signal),
  );
}

/** DELETE of a blob: end-10. */
export function deleteBlob(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): void {
  const digest = readDigest(reference);
  if (!parts.store.registry.removeBlob(repository, digest)) {
    if (parts.view?.hasBlob(repository, digest) === true) {
      throw new Refusal('UNSUPPORTED', 'an image of the store is not deleted here');
    }
    throw unknown(digest);
  }
  parts.sweeper.soon();
  exchange.send(202, {});
}

async function giveStored(parts: ServerParts, exchange: Exchange, digest: Digest): Promise<void> {
  const { request } = exchange;
  const { content } = parts.store;
  const row = content.get(digest);
  if (!row) throw unknown(digest);
  const headers = blobHeaders(digest);
  if (matches(exchange, digest)) {
    exchange.send(304, headers);
    return;
  }
  if (request.method === 'HEAD') {
    exchange.send(200, { ...headers, 'Content-Length': row.size });
    return;
  }
  const ifRange = exchange.header('if-range');
  const header = ifRange === undefined || ifRange === `"${digest}"` ? exchange.header('range') : undefined;
  const range = wantedRange(header, row.size);
  if (range === 'unsatisfiable') {
    throw new Refusal('SIZE_INVALID', 'the blob does not have this range', {
      status: 416,
      headers: { 'Content-Range': `bytes */${row.size}` },
    });
  }
  // Opened, it can be read to its end even if it is deleted meanwhile.
  const file = await open(content.pathOf(digest)).catch(() => {
    throw unknown(digest);
  });
  const length = range ? range.end - range.start + 1 : row.size;
  if (length === 0) {
    await file.close();
    exchange.send(200, headers);
    return;
  }
  await exchange.stream(
    range ? 206 : 200,
    {
      ...headers,
      'Content-Length': length,
      ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${row.size}` }),
    },
    file.createReadStream({ highWaterMark: READ_BYTES, ...(range ?? { start: 0, end: row.size - 1 }) }),
  );
}

/** Whether the client has it already (RFC 9110 §13.1.2). */
export function matches(exchange: Exchange, digest: Digest): boolean {
  const tags = exchange.header('if-none-match')?.split(',') ?? [];
  return tags.some((tag) => tag.trim().replace(/^W\//, '') === `"${digest}"`);
}

function blobHeaders(digest: Digest): Record<string, string> {
  return {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    'Accept-Ranges': 'bytes',
    ETag: `"${digest}"`,
    // The bytes are anybody's: no browser is to take them for a page.
    'X-Content-Type-Options': 'nosniff',
  };
}

function unknown(digest: Digest): Refusal {
  return new Refusal('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } });
}
