import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { VainaError } from '../errors.js';
import {
  type Compression,
  decompressor,
  detectCompression,
  expansionFailure,
  MAGIC_BYTES,
} from '../oci/compression.js';
import type { GzipReader } from '../native/types.js';
import { finishDigest } from '../oci/digest.js';
import { expandsTooMuch } from '../oci/limits.js';
import type { Digest } from '../oci/types.js';
import { LayerWriter } from './layer-writer.js';
import { TarReader } from './tar/reader.js';
import type { TreeRequests } from './tree-requests.js';

/** What is decompressed at once. */
const OUTPUT_BYTES = 256 * 1024;

/** What came out of a layer. */
export interface Unpacked {
  /** Digest of the decompressed archive. */
  diffId: Digest;
  /** Bytes of the decompressed archive. */
  size: number;
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
  readonly #gzip: GzipReader | undefined;
  #stage: LayerStage | undefined;

  /**
   * @param what - names the layer in messages
   * @param target - without it the layer is only read. With `gzip` it must have written out what it was given when it
   * returns
   * @param gzip - inflates while nothing else can happen. Default: a stream does
   */
  constructor(what: string, target: TreeTarget | undefined, gzip?: GzipReader) {
    this.#what = what;
    this.#sink = new PlainSink(target);
    this.#gzip = gzip;
  }

  /**
   * Takes some bytes; resolves when more may come. They may change after that if the target has written out by then what
   * it was given.
   *
   * @throws VainaError `ERR_INVALID_LAYER`; `ERR_UNSUPPORTED` for a compression that is not known; what the target does
   */
  async write(chunk: Buffer): Promise<void> {
    if (this.#stage) return this.#guard(this.#stage.write(chunk));
    this.#head.push(Buffer.from(chunk));
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

  async #begin(): Promise<LayerStage> {
    const first = Buffer.concat(this.#head);
    this.#head = [];
    const stage = this.#stageFor(detectCompression(first));
    this.#stage = stage;
    await stage.write(first);
    return stage;
  }

  #stageFor(compression: Compression): LayerStage {
    if (compression === 'none') return new DirectStage(this.#sink);
    if (compression === 'gzip' && this.#gzip) return new GzipStage(this.#gzip, this.#sink, this.#what);
    return new StreamStage(decompressor(compression, this.#what), this.#sink);
  }

  async #finish(): Promise<Unpacked> {
    const stage = this.#stage ?? (await this.#begin());
    await stage.end();
    return this.#sink.finish();
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

  async finish(): Promise<Unpacked> {
    this.#reader?.end();
    for (const frames of this.#writer?.late() ?? []) {
      this.#target?.tree.frames(frames);
      await this.#target?.room();
    }
    this.#target?.tree.flush();
    return { diffId: finishDigest(this.#hash), size: this.#size };
  }
}

/** Takes a layer's bytes as they came. */
interface LayerStage {
  write(chunk: Buffer): Promise<void>;
  end(): Promise<void>;
  destroy(): Promise<void>;
}

/** What is not compressed goes straight on. */
class DirectStage implements LayerStage {
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

/** Inflates into one buffer again and again. */
class GzipStage implements LayerStage {
  readonly #gzip: GzipReader;
  readonly #sink: PlainSink;
  readonly #what: string;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  #taken = 0;
  #given = 0;

  constructor(gzip: GzipReader, sink: PlainSink, what: string) {
    this.#gzip = gzip;
    this.#sink = sink;
    this.#what = what;
  }

  async write(chunk: Buffer): Promise<void> {
    for (let at = 0, full = false; at < chunk.length || full;) {
      const [taken, given] = this.#step(chunk.subarray(at));
      at += taken;
      full = given === OUTPUT_BYTES;
      this.#taken += taken;
      this.#given += given;
      if (expandsTooMuch(this.#taken, this.#given)) throw expansionFailure(this.#what);
      if (given > 0) await this.#sink.take(this.#output.subarray(0, given));
    }
  }

  async end(): Promise<void> {
    if (!this.#gzip.complete()) throw this.#damaged('unexpected end of file');
  }

  async destroy(): Promise<void> {}

  #step(input: Buffer): [number, number] {
    try {
      return this.#gzip.step(input, this.#output);
    } catch (cause) {
      throw this.#damaged((cause as Error).message, cause);
    }
  }

  #damaged(how: string, cause?: unknown): VainaError {
    return new VainaError('ERR_INVALID_LAYER', `${this.#what} is damaged: ${how}`, { cause });
  }
}

/** A decompressor, and what takes its output while more is written to it. */
class StreamStage implements LayerStage {
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
    // It may keep them for longer.
    if (this.#stream.write(Buffer.from(chunk))) return;
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
