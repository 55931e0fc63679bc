import { VainaError } from '../errors.js';
import type { Descriptor } from '../oci/types.js';
import type { RegistryClient } from './client.js';
import { connectionFailure, Passing, publicUrl } from './failure.js';
import { Tries } from './retry.js';
import { unstalled, type Answer } from './transport.js';

/** Bytes of a blob that count as progress: after them, a cut is the first one again. */
const PROGRESS = 64 * 1024;

/**
 * A blob, piece by piece. When the connection is cut or silent it goes on where it was, by Range; from a registry that
 * does not do ranges, by reading again and leaving out what is known. The bytes are not verified here: who reads them
 * hashes all of them, whatever their number of pieces.
 */
export async function* blobPieces(
  client: RegistryClient,
  blob: Descriptor,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const tries = new Tries(client.settings);
  let offset = 0;
  let since = 0;
  for (;;) {
    try {
      for await (const chunk of onePiece(client, blob, offset, signal)) {
        offset += chunk.length;
        since += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (since >= PROGRESS) tries.renew();
      since = 0;
      await tries.after(error, signal);
    }
  }
}

/** One request for the rest of a blob. Ends only when the blob does. */
async function* onePiece(
  client: RegistryClient,
  blob: Descriptor,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const answer = await client.get(`blobs/${blob.digest}`, {
    signal,
    accept: [200, 206, 416],
    ...(offset > 0 && { headers: { Range: `bytes=${offset}-` } }),
  });
  let skip = startOf(answer, blob, offset) === 0 ? offset : 0;
  let at = offset;
  try {
    for await (const chunk of unstalled(answer.body, client.settings.stallTimeout)) {
      signal.throwIfAborted();
      const fresh = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      at += fresh.length;
      if (at > blob.size) throw mismatch(answer, blob);
      if (fresh.length > 0) yield fresh;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw connectionFailure(error, answer.url);
  }
  if (at < blob.size) throw new Passing(mismatch(answer, blob));
}

/** Where in the blob an answer starts: 0 for a whole one, else what was asked for. */
function startOf(answer: Answer, blob: Descriptor, offset: number): number {
  if (answer.status === 200) return 0;
  const range = /^bytes ([0-9]{1,16})-[0-9]{1,16}\/(?:([0-9]{1,16})|\*)$/.exec(
    answer.header('content-range') ?? '',
  );
  const total = range?.[2] === undefined ? blob.size : Number(range[2]);
  if (answer.status === 206 && offset > 0 && range && Number(range[1]) === offset && total === blob.size)
    return offset;
  answer.body.destroy();
  throw new VainaError(
    'ERR_REGISTRY',
    `${publicUrl(answer.url)} answered with another range than the one from ${offset}`,
  );
}

function mismatch(answer: Answer, blob: Descriptor): VainaError {
  return new VainaError(
    'ERR_DIGEST_MISMATCH',
    `${publicUrl(answer.url)} does not have the ${blob.size} bytes that were announced`,
  );
}
