import { VainaError } from '../errors.js';
import type { DigestAlgorithm } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';
import { demand } from './authorize.js';
import { blobIsHere } from './blobs.js';
import type { Exchange } from './exchange.js';
import { isRepositoryName, readDigest } from './names.js';
import type { ServerParts } from './parts.js';
import { chunkRange } from './ranges.js';
import { Refusal } from './refusal.js';
import type { OpenUpload } from './uploads.js';

/** Most repositories that are looked through for a mount without `from`. */
const MAX_MOUNT_SOURCES = 20;

/** POST `/v2/NAME/blobs/uploads/`: end-4a, 4b, 4c and 11. */
export async function beginUpload(parts: ServerParts, exchange: Exchange, repository: string): Promise<void> {
  const { query, response } = exchange;
  const mount = query.get('mount');
  if (mount !== null && (await mounted(parts, exchange, repository, readDigest(mount)))) {
    created(exchange, repository, mount);
    return;
  }
  const whole = query.get('digest');
  const digest = whole === null ? undefined : readDigest(whole);
  const algorithm = digest
    ? algorithmParameter(digest.split(':', 1)[0] ?? '')
    : algorithmParameter(query.get('digest-algorithm') ?? 'sha256');
  const upload = await parts.uploads.open(repository, algorithm);
  if (digest) {
    try {
      await parts.uploads.using(upload, () => receive(parts, exchange, upload));
      await commit(parts, upload, digest);
    } finally {
      await parts.uploads.end(upload);
    }
    created(exchange, repository, digest);
    return;
  }
  const { minChunkBytes } = parts.settings;
  if (minChunkBytes > 0) response.setHeader('OCI-Chunk-Min-Length', minChunkBytes);
  exchange.send(202, headersOf(upload));
}

/** PATCH of an upload: end-5. */
export async function appendChunk(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  id: string,
): Promise<void> {
  const upload = parts.uploads.find(repository, id);
  await exclusively(parts, upload, () => receive(parts, exchange, upload));
  exchange.send(202, headersOf(upload));
}

/** PUT of an upload: end-6. */
export async function finishUpload(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  id: string,
): Promise<void> {
  const upload = parts.uploads.find(repository, id);
  const digest = readDigest(exchange.query.get('digest') ?? '');
  await exclusively(parts, upload, async () => {
    await receive(parts, exchange, upload);
    try {
      await commit(parts, upload, digest);
    } finally {
      await parts.uploads.end(upload);
    }
  });
  created(exchange, repository, digest);
}

/** GET of an upload: end-13. */
export function showUpload(parts: ServerParts, exchange: Exchange, repository: string, id: string): void {
  exchange.send(204, headersOf(parts.uploads.find(repository, id)));
}

/** DELETE of an upload: end-14. */
export async function cancelUpload(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  id: string,
): Promise<void> {
  const upload = parts.uploads.find(repository, id);
  await exclusively(parts, upload, () => parts.uploads.end(upload));
  exchange.send(204, {});
}

/** Whether the blob could be taken from another repository, in which the client may pull. */
async function mounted(
  parts: ServerParts,
  exchange: Exchange,
  repository: string,
  digest: Digest,
): Promise<boolean> {
  const from = exchange.query.get('from');
  if (from !== null && from !== '' && !isRepositoryName(from)) {
    throw new Refusal('NAME_INVALID', 'from is not a repository name');
  }
  const { authorize } = parts.settings;
  const { registry } = parts.store;
  // Nothing that is here may go away before the repository refers to it.
  await using _lock = await parts.store.hold(exchange.signal);
  const sources = from !== null && from !== '' ? [from] : registry.repositoriesOf(digest, MAX_MOUNT_SOURCES);
  for (const source of sources) {
    if (!blobIsHere(parts, source, digest)) continue;
    try {
      await demand(authorize, exchange, { repository: source, action: 'pull' });
    } catch (error) {
      // Who may not see it is told nothing: it is as if it were not there.
      if (error instanceof Refusal) continue;
      throw error;
    }
    registry.addBlob(repository, digest);
    return true;
  }
  return false;
}

/** Runs what writes to an upload; a second request at the same time is out of order by its nature. */
async function exclusively(parts: ServerParts, upload: OpenUpload, work: () => Promise<void>): Promise<void> {
  if (upload.busy) throw outOfOrder(upload, 'another request is writing to this upload');
  await parts.uploads.using(upload, work);
}

/**
 * Appends the body of a request. Of a body that is not as long as it says, nothing stays; of one that broke off, what
 * has come.
 */
async function receive(parts: ServerParts, exchange: Exchange, upload: OpenUpload): Promise<void> {
  const { content } = upload;
  const { maxBlobBytes } = parts.settings;
  const length = announcedLength(exchange, upload);
  const tooLarge = (): Refusal =>
    new Refusal('SIZE_INVALID', `the blob is larger than ${maxBlobBytes} bytes`, { status: 413 });
  if (content.size + (length ?? 0) > maxBlobBytes) throw tooLarge();
  const mark = content.mark();
  const start = content.size;
  try {
    for await (const chunk of exchange.body()) {
      if (content.size + chunk.length > maxBlobBytes) throw tooLarge();
      if (length !== undefined && content.size - start + chunk.length > length) throw wrongLength();
      await content.write(chunk);
    }
    if (length !== undefined && content.size - start < length) throw wrongLength();
  } catch (error) {
    if (error instanceof Refusal) await content.reset(mark);
    // A file that could not be written to is not what the hash says.
    else if (VainaError.is(error)) await parts.uploads.end(upload);
    throw error;
  }
}

/** How long the body is to be: checked against where it is to go. */
function announcedLength(exchange: Exchange, upload: OpenUpload): number | undefined {
  const header = exchange.header('content-range');
  if (header === undefined) return exchange.contentLength;
  const range = chunkRange(header);
  if (!range) throw new Refusal('BLOB_UPLOAD_INVALID', 'the Content-Range is malformed');
  if (range.start !== upload.content.size) {
    throw outOfOrder(upload, `the chunk must begin at ${upload.content.size}`);
  }
  const length = range.end - range.start + 1;
  if ((exchange.contentLength ?? length) !== length) throw wrongLength();
  return length;
}

async function commit(parts: ServerParts, upload: OpenUpload, digest: Digest): Promise<void> {
  try {
    await upload.content.commit(digest, () => parts.store.registry.addBlob(upload.repository, digest));
  } catch (error) {
    if (!VainaError.is(error, 'ERR_DIGEST_MISMATCH')) throw error;
    throw new Refusal('DIGEST_INVALID', 'provided digest did not match uploaded content');
  }
}

function created(exchange: Exchange, repository: string, digest: string): void {
  exchange.send(201, {
    Location: `/v2/${repository}/blobs/${digest}`,
    'Docker-Content-Digest': digest,
  });
}

function headersOf({ repository, id, content }: OpenUpload): Record<string, string> {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    // There is no way to write an empty range.
    Range: `0-${Math.max(0, content.size - 1)}`,
    'Docker-Upload-UUID': id,
  };
}

function outOfOrder(upload: OpenUpload, why: string): Refusal {
  return new Refusal('BLOB_UPLOAD_INVALID', why, { status: 416, headers: headersOf(upload) });
}

function wrongLength(): Refusal {
  return new Refusal('SIZE_INVALID', 'provided length did not match content length');
}

function algorithmParameter(text: string): DigestAlgorithm {
  if (text === 'sha256' || text === 'sha512') return text;
  throw new Refusal('DIGEST_INVALID', 'the digest algorithm is not supported: there are sha256 and sha512');
}
