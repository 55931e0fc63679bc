import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { VainaError } from '../errors.js';
import { decompressor, detectCompression, MAGIC_BYTES } from '../oci/compression.js';
import { finishDigest } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';
import { LayerWriter } from './layer-writer.js';
import { TarReader } from './tar/reader.js';
import type { TreeRequests } from './tree-requests.js';

/** What came out of a layer. */
export interface Unpacked {
  /** Digest of the decompressed archive. */
  diffId: Digest;
  /** Bytes of the decompressed archive. */
  size: number;
  compression: 'none' | 'gzip' | 'zstd';
}

/** Where the entries of a layer go. */
export interface TreeTarget {
  readonly tree: TreeRequests;
  /** Resolves when more may be sent; undefined when that is at once. Throws what the worker has failed with. */
  room(): Promise<void> | undefined;
}

/** The bytes of one layer on their way: decompressed by what they are, hashed, and unpacked. */
export class LayerPipe {
  readonly #what: string;
  readonly #sink: PlainSink;
  #head: Buffer[] = [];
  #headSize = 0;
  #compression: Unpacked['compression'] = 'none';
  #stage: Stage | DirectStage | undefined;

  /**
   * @param what - names the layer in messages
   * @param target - without it the layer is only read
   */
  constructor(what: string, target: TreeTarget | undefined) {
    this.#what = what;
    this.#sink = new PlainSink(target);
  }

  /**
   * Takes some bytes, which must stay as they are; resolves when more may come.
   *
   * @throws VainaError `ERR_INVALID_LAYER`; `ERR_UNSUPPORTED` for a compression that is not known; what the target does
   */
  async write(chunk: Buffer): Promise<void> {
    if (this.#stage) return this.#guard(this.#stage.write(chunk));
    this.#head.push(chunk);
    this.#headSize += chunk.length;
    if (this.#headSize >= MAGIC_BYTES) await this.#guard(this.#begin());
  }

  /** Tells that there are no more bytes. */
  async finish(): Promise<Unpacked> {
    if (this.#headSize === 0) throw new VainaError('ERR_INVALID_LAYER', `${this.#what} is empty`);
    return this.#guard(this.#finish());
  }

  /** Stops. Idempotent, and to be called in any case. */
  async destroy(): Promise<void> {
    await this.#stage?.destroy();
  }

  async #begin(): Promise<Stage | DirectStage> {
    const first = Buffer.concat(this.#head);
    this.#head = [];
    const compression = detectCompression(first);
    const stage =
      compression === 'none'
        ? new DirectStage(this.#sink)
        : new Stage(decompressor(compression, this.#what), this.#sink);
    this.#compression = compression as Unpacked['compression'];
    this.#stage = stage;
    await stage.write(first);
    return stage;
  }

  async #finish(): Promise<Unpacked> {
    const stage = this.#stage ?? (await this.#begin());
    await stage.end();
    return { ...(await this.#sink.finish()), compression: this.#compression };
  }

  /** A stream that is no gzip after all is a bad layer, whoever notices it. */
  async #guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!VainaError.is(error, 'ERR_INVALID_IMAGE')) throw error;
      throw new VainaError('ERR_INVALID_LAYER', error.message, { cause: error });
    }
  }
}

/** Takes decompressed bytes: hashes, parses, writes. */
class PlainSink {
  readonly #hash = createHash('sha256');
  readonly #target: TreeTarget | undefined;
  readonly #writer: LayerWriter | undefined;
  readonly #reader: TarReader | undefined;
  #size = 0;

  constructor(target: TreeTarget | undefined) {
    this.#target = target;
    if (!target) return;
    this.#writer = new LayerWriter(target.tree);
    this.#reader = new TarReader(this.#writer);
  }

  /** Undefined when more may come at once. */
  take(chunk: Buffer): Promise<void> | undefined {
    this.#size += chunk.length;
    this.#hash.update(chunk);
    if (!this.#target || !this.#reader) return undefined;
    this.#reader.write(chunk);
    return this.#target.room();
  }

  async finish(): Promise<{ diffId: Digest; size: number }> {
    this.#reader?.end();
    for (const frames of this.#writer?.late() ?? []) {
      this.#target?.tree.frames(frames);
      await this.#target?.room();
    }
    this.#target?.tree.flush();
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
