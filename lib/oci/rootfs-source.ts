import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VainaError } from '../errors.js';
import { readRange } from '../util/read-range.js';
import { applyChanges } from './changes.js';
import {
  decompressor,
  detectCompression,
  MAGIC_BYTES,
  peekCompression,
  type Compression,
} from './compression.js';
import { rawOf } from './convert.js';
import { digestOf, finishDigest } from './digest.js';
import { fileFailure } from './failure.js';
import { LAYER_TYPES, MEDIA } from './mediatypes.js';
import { hostPlatform, normalizePlatform } from './platform.js';
import { spool, type SpoolOptions } from './spool.js';
import type {
  Descriptor,
  Digest,
  ImageConfig,
  ImageSource,
  Manifest,
  Platform,
  RawManifest,
  TransferOptions,
} from './types.js';

/** Options of {@link rootfsSource}. */
export interface RootfsOptions {
  /** Instructions in the syntax of a Containerfile that make the configuration; see {@link applyChanges}. */
  changes?: readonly string[];
  /** What the files are for. Default: this host. */
  platform?: Platform;
  /** Comment of the image's history. */
  message?: string;
  /** Author of the image. */
  author?: string;
  /** Date of the image. Default: now. */
  created?: Date;
  /** Directory of temporary files. Default: `TMPDIR`, else `/var/tmp`. */
  tmpDir?: string;
}

/**
 * A root file system in a tar archive as an image of one layer. The archive is the layer as it is, plain or compressed
 * with gzip or zstd. A stream is kept in a nameless temporary file until the source is closed.
 *
 * @param input - path of the archive, or its bytes
 * @throws VainaError `ERR_INVALID_OPTION` for a malformed change. The source itself: `ERR_NO_SUCH_PATH`,
 * `ERR_INVALID_IMAGE`, `ERR_UNSUPPORTED` (bzip2, xz), `ERR_NO_SPACE`
 */
export function rootfsSource(input: string | Readable, options: RootfsOptions = {}): ImageSource {
  const runtime = applyChanges({}, options.changes ?? []);
  const platform = normalizePlatform(options.platform ?? hostPlatform());
  const created = (options.created ?? new Date()).toISOString();
  const comment = options.message ?? 'Imported from a root file system';
  return new RootfsSource(input, options, (diffId) => ({
    created,
    ...(options.author !== undefined && { author: options.author }),
    ...platform,
    config: runtime,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, comment }],
  }));
}

const TYPES: Partial<Record<Compression, string>> = LAYER_TYPES.oci;

interface Prepared {
  file: FileHandle;
  layer: Descriptor;
  config: { descriptor: Descriptor; bytes: Buffer };
  raw: RawManifest;
}

class RootfsSource implements ImageSource {
  readonly name: string;
  readonly #input: string | Readable;
  readonly #tmpDir: string | undefined;
  readonly #configure: (diffId: Digest) => ImageConfig;
  #prepared: Promise<Prepared> | undefined;

  constructor(input: string | Readable, options: RootfsOptions, configure: (diffId: Digest) => ImageConfig) {
    this.name = typeof input === 'string' ? input : 'archive';
    this.#input = input;
    this.#tmpDir = options.tmpDir;
    this.#configure = configure;
  }

  async manifest(digest?: Digest, options: TransferOptions = {}): Promise<RawManifest> {
    const { raw } = await this.#prepare(options);
    if (digest === undefined || digest === raw.digest) return raw;
    throw new VainaError('ERR_NO_SUCH_IMAGE', `${this.name} has no manifest ${digest}`);
  }

  async blob(descriptor: Descriptor, options: TransferOptions = {}): Promise<Readable> {
    const { file, layer, config } = await this.#prepare(options);
    if (descriptor.digest === layer.digest) return readRange(file);
    if (descriptor.digest === config.descriptor.digest) return Readable.from([config.bytes]);
    throw new VainaError('ERR_INVALID_IMAGE', `${this.name} has no blob ${descriptor.digest}`);
  }

  async close(): Promise<void> {
    const prepared = await this.#prepared?.catch(() => undefined);
    this.#prepared = undefined;
    await prepared?.file.close();
  }

  #prepare(options: TransferOptions): Promise<Prepared> {
    return (this.#prepared ??= this.#measure(options));
  }

  async #measure({ signal }: TransferOptions): Promise<Prepared> {
    const spooling = {
      ...(this.#tmpDir !== undefined && { tmpDir: this.#tmpDir }),
      ...(signal && { signal }),
    };
    const { file, compression } = await openLayer(this.#input, this.name, spooling);
    try {
      const mediaType = TYPES[compression];
      if (mediaType === undefined) {
        throw new VainaError('ERR_UNSUPPORTED', `${this.name} is compressed with ${compression}`, {
          hint: 'compress it with gzip or zstd, or not at all',
        });
      }
      const packed = await hashOf([readRange(file)], signal);
      if (packed.size === 0) throw new VainaError('ERR_INVALID_IMAGE', `${this.name} is empty`);
      const plain =
        compression === 'none'
          ? packed
          : await hashOf([readRange(file), decompressor(compression, this.name)], signal);
      const layer: Descriptor = { mediaType, ...packed };
      const config = Buffer.from(JSON.stringify(this.#configure(plain.digest)));
      const descriptor: Descriptor = {
        mediaType: MEDIA.ociConfig,
        digest: digestOf(config),
        size: config.length,
      };
      const manifest: Manifest = {
        schemaVersion: 2,
        mediaType: MEDIA.ociManifest,
        config: descriptor,
        layers: [layer],
      };
      const raw = rawOf(manifest, MEDIA.ociManifest);
      return { file, layer, config: { descriptor, bytes: config }, raw };
    } catch (error) {
      await file.close();
      signal?.throwIfAborted();
      throw fileFailure(error, this.name);
    }
  }
}

/** The layer in a file that can be read twice. */
async function openLayer(
  input: string | Readable,
  name: string,
  options: SpoolOptions,
): Promise<{ file: FileHandle; compression: Compression }> {
  if (typeof input !== 'string') {
    const { compression, whole } = await peekCompression(input, options.signal);
    return { compression, file: await spool(whole, [], options) };
  }
  let file: FileHandle | undefined;
  try {
    file = await open(input, 'r');
    const kind = await file.stat();
    if (kind.isDirectory())
      throw new VainaError('ERR_INVALID_IMAGE', `${input} is a directory, not an archive`);
    if (!kind.isFile()) {
      // A fifo or a terminal can be read only once. Its stream closes it, which may be after it has had to be given up.
      const content = file.createReadStream();
      file = undefined;
      return await openLayer(content, name, options);
    }
    const head = Buffer.alloc(MAGIC_BYTES);
    const { bytesRead } = await file.read(head, 0, MAGIC_BYTES, 0);
    return { file, compression: detectCompression(head.subarray(0, bytesRead)) };
  } catch (error) {
    await file?.close().catch(() => undefined);
    options.signal?.throwIfAborted();
    throw fileFailure(error, input);
  }
}

async function hashOf(
  streams: readonly [Readable, ...NodeJS.ReadWriteStream[]],
  signal: AbortSignal | undefined,
): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  const target = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done();
    },
  });
  await pipeline([...streams, target], signal ? { signal } : {});
  return { digest: finishDigest(hash), size };
}
