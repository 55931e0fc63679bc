import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { hexOf } from '../oci/digest.js';
import { MEDIA } from '../oci/mediatypes.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  Digest,
  ImageSink,
  RawManifest,
  SinkTakes,
  TransferOptions,
} from '../oci/types.js';
import { chainIds } from './chain.js';
import { writeCommit } from './commit.js';
import { layoutManifest } from './layout.js';
import { ioFailure } from './io-failure.js';
import type { Lock } from './locks.js';
import type { StoreParts } from './parts.js';
import { unpackLayer } from './unpack.js';

/** A layer that an image is made of: one of the store, or one that is to become one. */
export interface BuiltLayer {
  chainId: string;
  diffId: Digest;
  /** Chain id of the layer below. */
  parent?: string;
  /** Of the archive, decompressed: in bytes. */
  size: number;
  /** The directory it was built in; absent when it is in its place. */
  directory?: string;
}

/** A layer that was taken without an announcement. */
export interface NewLayer {
  descriptor: Descriptor;
  diffId: Digest;
  /** Of the archive, decompressed: in bytes. */
  size: number;
}

/** Options of {@link StoreSink}. */
export interface SinkOptions {
  /** Full references that the image gets. */
  names?: readonly string[];
  /** Aborting stops what the sink does by itself. */
  signal?: AbortSignal;
}

const LAYER_TYPES = { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd } as const;
const USER_FILE_LIMIT = 1024 * 1024 - 64;
const PROGRESS_INTERVAL_MS = 100;

/**
 * Takes an image into the store: each layer is kept as it came and unpacked while it arrives, several at a time.
 * Nothing can be seen before {@link StoreSink.commit}; what was not committed is undone by {@link StoreSink.close}.
 */
export class StoreSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes = { indexes: false };
  readonly #parts: StoreParts;
  readonly #options: SinkOptions;
  readonly #built = new Map<string, BuiltLayer>();
  #lock: Promise<Lock> | undefined;
  #closed = false;
  #left = false;

  /** @internal */
  constructor(parts: StoreParts, options: SinkOptions = {}) {
    this.#parts = parts;
    this.#options = options;
    this.name = options.names?.[0] ?? `store ${parts.paths.root}`;
  }

  /** Whether the blob is here; of a layer, whether it is also unpacked, or will be by {@link StoreSink.commit}. */
  async hasBlob(descriptor: Descriptor, _about?: BlobRole): Promise<boolean> {
    await this.#begin();
    const row = this.#parts.content.get(descriptor.digest);
    if (row && row.size !== descriptor.size) {
      throw new VainaError(
        'ERR_DIGEST_MISMATCH',
        `the blob ${descriptor.digest} has ${row.size} bytes, not ${descriptor.size}`,
      );
    }
    return row !== undefined;
  }

  /** Keeps a blob, and unpacks it if it is a layer. */
  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    await this.#begin();
    this.#left = true;
    if (about.kind !== 'layer') return this.#parts.content.ingest(descriptor, content);
    const chain = chainIds([...about.parents, about.diffId]);
    const chainId = chain.at(-1) as string;
    const parent = chain.at(-2);
    const raw = await this.#parts.content.writer(descriptor);
    try {
      const progress = unpackProgress(descriptor, options);
      const build = { chainId, diffId: about.diffId, ...(parent === undefined ? {} : { parent }) };
      await this.#build(
        build,
        content,
        { what: `layer ${descriptor.digest}`, raw, onProgress: progress },
        options.signal,
        async () => {
          await raw.commit();
          this.#parts.content.setDiffId(descriptor.digest, about.diffId);
        },
      );
    } finally {
      await raw.close();
    }
  }

  /**
   * Takes a layer that nobody has announced, as the lowest of an image: what it is comes out at its end.
   *
   * @param what - names it in messages
   */
  async putNewLayer(content: Readable, what: string, options: TransferOptions = {}): Promise<NewLayer> {
    await this.#begin();
    this.#left = true;
    const parts = this.#parts;
    const raw = await parts.content.writer();
    const directory = parts.session.path();
    try {
      makeTree(directory);
      const { diffId, size, compression } = await parts.withWorker(async (worker) => {
        await worker.begin(parts.relative(join(directory, 'diff')));
        return unpackLayer(content, { what, raw, worker });
      }, options.signal);
      const descriptor = await raw.commit(LAYER_TYPES[compression]);
      parts.content.setDiffId(descriptor.digest, diffId);
      const chainId = hexOf(diffId);
      if (this.#built.has(chainId) || parts.layers.get(chainId)) await parts.removeTemporary(directory);
      else this.#built.set(chainId, { chainId, diffId, size, directory });
      return { descriptor, diffId, size };
    } catch (error) {
      content.destroy();
      await parts.removeTemporary(directory);
      throw ioFailure(error, directory);
    } finally {
      await raw.close();
    }
  }

  /** Makes the image visible: everything is made durable, then one transaction tells of it. */
  async commit(image: CommittedImage): Promise<void> {
    await this.#begin();
    const parts = this.#parts;
    const { signal } = this.#options;
    const [only, ...others] = image.manifests;
    if (only?.config === undefined || others.length > 0) {
      throw new VainaError('ERR_UNSUPPORTED', `${this.name}: the store takes one container image at a time`);
    }
    const { raw, manifest, config } = only;
    const diffIds = config.parsed.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `the manifest has ${manifest.layers.length} layers, the configuration ${diffIds.length}`,
      );
    }
    this.#left = true;
    const blobs: Descriptor[] = [config.descriptor, ...manifest.layers];
    const layout = layoutManifest(raw);
    const manifests = [raw, ...(image.origin ? [image.origin] : []), ...(layout === raw ? [] : [layout])];
    for (const one of manifests) {
      await parts.content.ingestBytes(one.bytes, one.mediaType, one.digest);
      blobs.push(descriptorOf(one));
    }
    await parts.content.ingestBytes(config.bytes, config.descriptor.mediaType, config.descriptor.digest);
    const layers = await this.#completeLayers(manifest.layers, diffIds, signal);
    const userFiles = await this.#readUserFiles(layers, signal);
    signal?.throwIfAborted();
    this.#publish(layers);
    writeCommit(parts.database, {
      id: hexOf(config.descriptor.digest),
      raw,
      config,
      ...(image.origin && { origin: image.origin.digest }),
      blobs,
      layers,
      names: this.#options.names ?? [],
      layout,
      userFiles,
    });
    await parts.writeLayout();
  }

  /** Ends the transfer. What nobody refers to is removed, unless other transfers are on their way. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const lock = await this.#lock?.catch(() => undefined);
    for (const { directory } of this.#built.values()) {
      if (directory !== undefined) await this.#parts.removeTemporary(directory);
    }
    this.#built.clear();
    lock?.release();
    if (this.#left) await this.#parts.collectGarbage();
  }

  /** From the first question on nothing that is here may go away. */
  async #begin(): Promise<void> {
    if (this.#closed) throw new VainaError('ERR_CLOSED', `${this.name}: the transfer has ended`);
    this.#lock ??= this.#parts.lockTransfers(this.#options.signal);
    await this.#lock;
  }

  /** Unpacks a layer, unless it is here, and checks in any case that it is the one that was announced. */
  async #build(
    layer: Omit<BuiltLayer, 'size'>,
    content: Readable,
    options: Parameters<typeof unpackLayer>[1],
    signal: AbortSignal | undefined,
    accept: () => Promise<void>,
  ): Promise<void> {
    const parts = this.#parts;
    const check = (diffId: Digest): void => {
      if (diffId === layer.diffId) return;
      throw new VainaError(
        'ERR_DIGEST_MISMATCH',
        `${options.what} decompresses to ${diffId}, not to ${layer.diffId}`,
      );
    };
    if (parts.layers.get(layer.chainId) || this.#built.has(layer.chainId)) {
      check((await unpackLayer(content, options)).diffId);
      return accept();
    }
    const directory = parts.session.path();
    const built = { ...layer, directory, size: 0 };
    try {
      makeTree(directory);
      await parts.withWorker(async (worker) => {
        await worker.begin(parts.relative(join(directory, 'diff')));
        const done = await unpackLayer(content, { ...options, worker });
        check(done.diffId);
        built.size = done.size;
      }, signal);
      await accept();
    } catch (error) {
      content.destroy();
      await parts.removeTemporary(directory);
      throw ioFailure(error, directory);
    }
    if (this.#built.has(layer.chainId)) await parts.removeTemporary(directory);
    else this.#built.set(layer.chainId, built);
  }

  /** Blobs that were here already may not have been unpacked on top of these others. */
  async #completeLayers(
    descriptors: readonly Descriptor[],
    diffIds: readonly Digest[],
    signal: AbortSignal | undefined,
  ): Promise<BuiltLayer[]> {
    const layers: BuiltLayer[] = [];
    for (const [index, chainId] of chainIds(diffIds).entries()) {
      const diffId = diffIds[index] as Digest;
      const descriptor = descriptors[index] as Descriptor;
      const parent = layers.at(-1)?.chainId;
      const known = this.#parts.content.get(descriptor.digest);
      if (!known) throw new VainaError('ERR_STORE_DAMAGED', `the blob ${descriptor.digest} is missing`);
      const here = (): BuiltLayer | undefined => this.#parts.layers.get(chainId) ?? this.#built.get(chainId);
      if (!here() || known.diffId !== diffId) {
        const build = { chainId, diffId, ...(parent === undefined ? {} : { parent }) };
        const what = { what: `layer ${descriptor.digest}` };
        await this.#build(build, this.#parts.content.open(descriptor.digest), what, signal, async () =>
          this.#parts.content.setDiffId(descriptor.digest, diffId),
        );
      }
      layers.push(here() as BuiltLayer);
    }
    return layers;
  }

  async #readUserFiles(
    layers: readonly BuiltLayer[],
    signal?: AbortSignal,
  ): Promise<{ passwd?: string; group?: string }> {
    if (layers.length === 0) return {};
    const trees = layers.map((layer) =>
      this.#parts.relative(
        layer.directory === undefined
          ? this.#parts.layers.treeOf(layer.chainId)
          : join(layer.directory, 'diff'),
      ),
    );
    trees.reverse();
    return this.#parts.withWorker(async (worker) => {
      const read = async (path: string): Promise<string | undefined> => {
        try {
          return (await worker.read(trees, path, USER_FILE_LIMIT))?.toString('utf8');
        } catch (error) {
          // Links in circles, a directory, a monster: the image has no such file, which matters if somebody needs it.
          if (VainaError.is(error) && error.code !== 'ERR_INTERNAL') return undefined;
          throw error;
        }
      };
      const [passwd, group] = [await read('etc/passwd'), await read('etc/group')];
      return { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
    }, signal);
  }

  /** Data before names: after a power loss a layer that has its place is whole. */
  #publish(layers: readonly BuiltLayer[]): void {
    const { native, paths } = this.#parts;
    native.syncfs(paths.root);
    for (const layer of layers) {
      if (layer.directory === undefined) continue;
      try {
        renameSync(layer.directory, paths.layer(layer.chainId));
        delete layer.directory;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // Another transfer was faster; ours is removed when this one is closed.
        if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw ioFailure(error, paths.layer(layer.chainId));
      }
    }
    native.fsync(paths.layers);
  }
}

/** The directory of a layer, for its tree to be written in. */
function makeTree(directory: string): void {
  mkdirSync(directory, { mode: 0o700 });
  mkdirSync(join(directory, 'diff'), { mode: 0o700 });
}

function descriptorOf(manifest: RawManifest): Descriptor {
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
}

function unpackProgress(descriptor: Descriptor, options: TransferOptions): (bytes: number) => void {
  const { onProgress } = options;
  if (!onProgress) return () => undefined;
  let last = 0;
  return (current) => {
    const now = performance.now();
    if (current < descriptor.size && now - last < PROGRESS_INTERVAL_MS) return;
    last = now;
    onProgress({ phase: 'unpack', id: descriptor.digest, current, total: descriptor.size });
  };
}
