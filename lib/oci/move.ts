import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VainaError } from '../errors.js';
import { VerifyingStream } from './digest.js';
import { BlobProgress } from './progress.js';
import { onSide, sideFailure } from './sides.js';
import type { BlobRole, Descriptor, ImageSink, ImageSource, TransferOptions } from './types.js';

/** Options of what happens inside a transfer, where there is always a signal. */
export type MoveOptions = TransferOptions & {
  signal: AbortSignal;
  /** The bytes are ours, and the digest was made of them when they were written: only their number is checked. */
  ours?: boolean;
};

/** The two ends of a transfer. */
export interface Ends {
  source: ImageSource;
  sink: ImageSink;
}

/**
 * Moves one blob unless the sink has it; verified as it passes.
 *
 * @param open - where the bytes come from. Default: the source
 */
export async function moveBlob(
  ends: Ends,
  blob: Descriptor,
  about: BlobRole,
  options: MoveOptions,
  open: () => Promise<Readable> = () => ends.source.blob(blob, options),
): Promise<void> {
  const { source, sink } = ends;
  const { signal } = options;
  signal.throwIfAborted();
  const progress = new BlobProgress(blob, options);
  if (await onSide('destination', sink.name, signal, () => sink.hasBlob(blob, about))) {
    progress.exists();
    return;
  }
  const bytes = await onSide('source', source.name, signal, open);
  const hashes = options.ours !== true && sink.takes?.verifies !== true;
  const verified = new VerifyingStream(blob, undefined, progress.advance, hashes);
  let failed: unknown;
  // Once the sink has given up, what follows is no failure of the source.
  bytes.once('error', (error) => (failed ??= verified.destroyed ? undefined : error));
  const piped = pipeline(bytes, verified, { signal }).catch(() => undefined);
  try {
    await sink.putBlob(blob, verified, about, options);
    if (!verified.readableEnded) {
      throw new VainaError(
        'ERR_INTERNAL',
        `blob ${blob.digest} was taken without having been read to its end`,
      );
    }
  } catch (error) {
    verified.destroy();
    await piped;
    signal.throwIfAborted();
    failed ??= verified.failure;
    // A sink that verifies speaks for the source's bytes.
    if (sink.takes?.verifies === true && VainaError.is(error, 'ERR_DIGEST_MISMATCH')) failed ??= error;
    throw failed === undefined
      ? sideFailure(error, 'destination', sink.name)
      : sideFailure(failed, 'source', source.name);
  }
  await piped;
  progress.done();
}
