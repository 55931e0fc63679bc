import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Duplex, type Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { decompressor, detectCompression, MAGIC_BYTES } from '../oci/compression.js';
import { finishDigest } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';
import { LayerWriter } from './layer-writer.js';
import { TarReader } from './tar/reader.js';
import type { StorageWorker } from './worker.js';

/** What came out of a layer. */
export interface Unpacked {
  /** Digest of the decompressed archive. */
  diffId: Digest;
  /** Bytes of the decompressed archive. */
  size: number;
  compression: 'none' | 'gzip' | 'zstd';
}

/** Takes a layer's bytes as they come. */
interface Taker {
  write(chunk: Buffer): Promise<void>;
}

/** Where a layer goes. */
export interface UnpackOptions {
  /** Names the layer in messages. */
  what: string;
  /** Gets the bytes as they came, before they are decompressed. */
  raw?: Taker;
  /** Writes the tree; it has begun one. Without it the layer is only read. */
  worker?: StorageWorker;
  /** Called with the number of compressed bytes that were unpacked. */
  onProgress?: (bytes: number) => void;
}

/**
 * Reads a layer, decompresses it by what it is, and unpacks it, all at the same time.
 *
 * When the archive is bad, the bytes are still read to their end: if they are not what was announced, that is the
 * error, since it explains the other.
 *
 * @throws VainaError `ERR_INVALID_LAYER`; `ERR_UNSUPPORTED` for a compression that is not known; what `raw` and the
 * stream throw
 */
export async function unpackLayer(content: Readable, options: UnpackOptions): Promise<Unpacked> {
  const source = content[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  const sink = new PlainSink(options.worker);
  try {
    const head: Buffer[] = [];
    let headSize = 0;
    while (headSize < MAGIC_BYTES) {
      const { value, done } = await source.next();
      if (done) break;
      head.push(value);
      headSize += value.length;
      await options.raw?.write(value);
    }
    const first = Buffer.concat(head);
    const compression = detectCompression(first);
    if (first.length === 0) throw new VainaError('ERR_INVALID_LAYER', `${options.what} is empty`);
    const stage =
      compression === 'none'
        ? new DirectStage(sink)
        : new Stage(decompressor(compression, options.what), sink);
    try {
      await feed(source, first, stage, options);
      await stage.end();
      const done = await sink.finish();
      return { ...done, compression: compression as Unpacked['compression'] };
    } finally {
      await stage.destroy();
    }
  } catch (error) {
    throw asLayerError(error);
  } finally {
    await source.return?.();
  }
}

async function feed(
  source: AsyncIterator<Buffer, undefined>,
  first: Buffer,
  stage: Stage | DirectStage,
  options: UnpackOptions,
): Promise<void> {
  let bad: { error: unknown } | undefined;
  let bytes = 0;
  const unpack = async (chunk: Buffer): Promise<void> => {
    if (bad) return;
    bytes += chunk.length;
    try {
      await stage.write(chunk);
      options.onProgress?.(bytes);
    } catch (error) {
      if (!isArchiveFault(error) || !options.raw) throw error;
      bad = { error };
    }
  };
  await unpack(first);
  for (;;) {
    const { value, done } = await source.next();
    if (done) break;
    await options.raw?.write(value);
    await unpack(value);
  }
  if (bad) throw bad.error;
}

function isArchiveFault(error: unknown): boolean {
  return VainaError.is(error, 'ERR_INVALID_LAYER') || VainaError.is(error, 'ERR_INVALID_IMAGE');
}

/** A stream that is no gzip after all is a bad layer, whoever notices it. */
function asLayerError(error: unknown): unknown {
  if (!VainaError.is(error, 'ERR_INVALID_IMAGE')) return error;
  return new VainaError('ERR_INVALID_LAYER', error.message, { cause: error });
}

/** Takes decompressed bytes: hashes, parses, writes. */
class PlainSink {
  readonly #hash = createHash('sha256');
  readonly #worker: StorageWorker | undefined;
  readonly #writer: LayerWriter | undefined;
  readonly #reader: TarReader | undefined;
  #size = 0;

  constructor(worker: StorageWorker | undefined) {
    this.#worker = worker;
    if (!worker) return;
    this.#writer = new LayerWriter(worker);
    this.#reader = new TarReader(this.#writer);
  }

  /** Undefined when more may come at once. */
  take(chunk: Buffer): Promise<void> | undefined {
    this.#size += chunk.length;
    this.#hash.update(chunk);
    if (!this.#worker || !this.#reader) return undefined;
    this.#reader.write(chunk);
    if (this.#worker.failure) throw this.#worker.failure;
    return this.#worker.busy ? this.#worker.drain() : undefined;
  }

  async finish(): Promise<{ diffId: Digest; size: number }> {
    this.#reader?.end();
    await this.#writer?.finish();
    return { diffId: finishDigest(this.#hash), size: this.#size };
  }
}

/** What is not compressed goes straight on. */
class DirectStage {
  readonly #sink: PlainSink;

  constructor(sink: PlainSink) {
    this.#sink = sink;
  }

  async write(chunk: Buffer): Promise<void> {
    await this.#sink.take(chunk);
  }

  async end(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** A decompressor, and what takes its output while more is written to it. */
class Stage {
  readonly #stream: Duplex;
  readonly #sink: PlainSink;
  readonly #done: Promise<void>;
  #failure: { error: unknown } | undefined;

  constructor(stream: Duplex, sink: PlainSink) {
    this.#stream = stream;
    this.#sink = sink;
    this.#done = this.#drain();
    this.#done.catch((error: unknown) => {
      this.#failure = { error };
      this.#stream.destroy();
    });
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#stream.write(chunk)) return;
    const over = new AbortController();
    // The end of the drain loop is not an error, but nothing more will be taken.
    await Promise.race([once(this.#stream, 'drain', { signal: over.signal }), this.#done]);
    over.abort();
  }

  async end(): Promise<void> {
    this.#stream.end();
    await this.#done;
  }

  async destroy(): Promise<void> {
    this.#stream.destroy();
    await this.#done.catch(() => undefined);
  }

  async #drain(): Promise<void> {
    for await (const chunk of this.#stream as AsyncIterable<Buffer>) {
      const room = this.#sink.take(chunk);
      if (room) await room;
    }
  }
}
