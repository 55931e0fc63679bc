import type { Readable } from 'node:stream';
import { VerifyingStream } from '../../lib/oci/digest.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  Digest,
  ImageSink,
  SinkTakes,
  TransferOptions,
} from '../../lib/oci/types.js';
import { readAll } from '../../lib/util/read-all.js';

/** A sink that keeps everything in memory and remembers what was done to it. */
export class MemorySink implements ImageSink {
  readonly name = 'memory';
  readonly takes: SinkTakes;
  readonly blobs = new Map<Digest, Buffer>();
  readonly order: string[] = [];
  readonly roles: BlobRole[] = [];
  committed: CommittedImage | undefined;
  closed = 0;
  /** Blobs that are being taken at this time, and the most there were. */
  open = 0;
  mostOpen = 0;

  constructor(takes: SinkTakes = {}) {
    this.takes = takes;
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.blobs.has(descriptor.digest);
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    about: BlobRole,
    _options?: TransferOptions,
  ): Promise<void> {
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      const verified = new VerifyingStream(descriptor);
      content.once('error', (error) => verified.destroy(error));
      const bytes = await readAll(content.pipe(verified), Infinity, () => new Error('too large'));
      this.blobs.set(descriptor.digest, bytes);
      this.order.push(descriptor.digest);
      this.roles.push(about);
    } finally {
      this.open--;
    }
  }

  async commit(image: CommittedImage): Promise<void> {
    this.committed = image;
  }

  async close(): Promise<void> {
    this.closed++;
    if (!this.committed) this.blobs.clear();
  }
}
