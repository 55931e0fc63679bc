import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { VainaError } from '../../lib/errors.js';
import { digestOf } from '../../lib/oci/digest.js';
import type { Descriptor, Digest, ImageSource, RawManifest } from '../../lib/oci/types.js';
import { blobsOf, type TestImage } from './images.js';

/** A source that gives blobs from memory, whatever they are. */
export class MemorySource implements ImageSource {
  readonly name = 'memory source';
  readonly blobs = new Map<Digest, Buffer>();
  top: { bytes: Buffer; mediaType: string };
  asked: string[] = [];

  constructor(images: readonly TestImage[], top: { bytes: Buffer; descriptor: Descriptor }) {
    this.top = { bytes: top.bytes, mediaType: top.descriptor.mediaType };
    for (const bytes of images.flatMap(blobsOf)) this.blobs.set(digestOf(bytes), bytes);
  }

  static of(image: TestImage): MemorySource {
    return new MemorySource([image], image.manifest);
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    this.asked.push(`manifest ${digest ?? ''}`.trim());
    if (digest === undefined) return { ...this.top, digest: digestOf(this.top.bytes) };
    const bytes = this.blobs.get(digest);
    if (!bytes) throw new VainaError('ERR_NO_SUCH_IMAGE', `no manifest ${digest}`);
    return { bytes, mediaType: '', digest };
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    this.asked.push(`blob ${descriptor.digest}`);
    const bytes = this.blobs.get(descriptor.digest);
    if (!bytes) throw new VainaError('ERR_INVALID_IMAGE', `no blob ${descriptor.digest}`);
    return Readable.from([bytes.subarray(0, 10), bytes.subarray(10)], { objectMode: false });
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

/** Gives blobs in pieces, and calls a function before each of a large one. */
export class PacedSource extends MemorySource {
  static readonly PIECE = 64 * 1024;
  pieceSize = PacedSource.PIECE;
  onPiece: (given: number) => Promise<void> | void = () => undefined;

  static override of(image: TestImage): PacedSource {
    return new PacedSource([image], image.manifest);
  }

  override async blob(descriptor: Descriptor): Promise<Readable> {
    const bytes = this.blobs.get(descriptor.digest) as Buffer;
    return Readable.from(this.#pieces(bytes), { objectMode: false });
  }

  async *#pieces(bytes: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += this.pieceSize) {
      if (bytes.length > this.pieceSize) await this.onPiece(at);
      yield bytes.subarray(at, at + this.pieceSize);
      await sleep(1);
    }
  }
}

/** The code of the error that something fails with, or the value it did not fail with. */
export async function failure(work: Promise<unknown>): Promise<VainaError> {
  let value: unknown;
  try {
    value = await work;
  } catch (error) {
    if (VainaError.is(error)) return error;
    throw error;
  }
  throw new Error(`it did not fail but gave ${String(value)}`);
}
