import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Transform, type Readable, type TransformCallback } from 'node:stream';
import { VainaError } from '../errors.js';
import { compressor, decompressor, peekCompression } from './compression.js';
import { algorithmOf, finishDigest, VerifyingStream, type DigestAlgorithm } from './digest.js';
import { spool, type SpoolOptions } from './spool.js';
import type { Descriptor, Digest, LayerCompression } from './types.js';

/** A layer in another compression, in a temporary file. */
export interface Recompressed {
  digest: Digest;
  size: number;
  /** The caller closes it. */
  file: FileHandle;
}

/**
 * Compresses a layer otherwise, while it arrives. What comes is held against its digest, what is inside against its diffID.
 *
 * @param onBytes - called with the number of compressed bytes that have come
 * @throws VainaError `ERR_DIGEST_MISMATCH`, `ERR_INVALID_IMAGE`, `ERR_UNSUPPORTED`, `ERR_NO_SPACE`
 */
export async function recompress(
  content: Readable,
  layer: Descriptor,
  diffId: Digest,
  to: { compression: LayerCompression; level?: number },
  options: SpoolOptions & { onBytes?: (current: number) => void },
): Promise<Recompressed> {
  const { onBytes, ...spooling } = options;
  const what = `layer ${layer.digest}`;
  const verified = new VerifyingStream(layer, undefined, onBytes);
  content.once('error', (error) => verified.destroy(error));
  const giveUp = (error: unknown): never => {
    content.destroy();
    throw verified.failure ?? error;
  };
  const { compression, whole } = await peekCompression(content.pipe(verified), spooling.signal).catch(giveUp);
  const plain = new Measure(algorithmOf(diffId));
  const packed = to.compression === 'none' ? plain : new Measure('sha256');
  const through = [
    ...(compression === 'none' ? [] : [decompressor(compression, what)]),
    plain,
    ...(to.compression === 'none' ? [] : [compressor(to.compression, what, to.level), packed]),
  ];
  const file = await spool(whole, through, spooling).catch(giveUp);
  if (plain.digest !== diffId) {
    await file.close();
    throw new VainaError('ERR_DIGEST_MISMATCH', `${what} decompresses to ${plain.digest}, not to ${diffId}`);
  }
  return { digest: packed.digest, size: packed.size, file };
}

/** Passes bytes on, counts and hashes them. */
class Measure extends Transform {
  readonly #hash: Hash;
  readonly #algorithm: DigestAlgorithm;
  size = 0;
  digest = '' as Digest;

  constructor(algorithm: DigestAlgorithm) {
    super({ highWaterMark: 256 * 1024 });
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.digest = finishDigest(this.#hash, this.#algorithm);
    done();
  }
}
