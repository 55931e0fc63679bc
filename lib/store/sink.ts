import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { hexOf } from '../oci/digest.js';
import type {
  BlobRole,
  CommittedImage,
  CommittedManifest,
  Descriptor,
  Digest,
  ImageSink,
  RawManifest,
  SinkTakes,
  TransferOptions,
} from '../oci/types.js';
import { chainIds } from './chain.js';
import { type Commit, writeCommit } from './commit.js';
import { isKnown } from './images.js';
import { layoutManifest } from './layout.js';
import { ioFailure } from './io-failure.js';
import { makeLayerDirectory, type TreeRecord } from './layers.js';
import { writeList } from './lists.js';
import type { Lock } from './locks.js';
import type { StoreParts } from './parts.js';
import { publishLayers } from './publish-layers.js';
import { writeSignatures } from './signatures.js';
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
  /** What its tree is; absent where an older engine unpacked it. */
  record?: TreeRecord;
}

/** Options of {@link StoreSink}. */
export interface SinkOptions {
  /** Full references that the image gets. */
  names?: readonly string[];
  /** Aborting stops what the sink does by itself. */
  signal?: AbortSignal;
}

const USER_FILE_LIMIT = 1024 * 1024 - 64;
const PROGRESS_INTERVAL_MS = 100;

/**
 * Takes an image into the store: each layer is kept as it came and unpacked while it arrives, several at a time.
 * Nothing can be seen before {@link StoreSink.commit}; what was not committed is undone by {@link StoreSink.close}.
 */
export class StoreSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes = { indexes: true, signatures: true };
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
    const raw = await this.#parts.content.writer(descriptor, content);
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
   * Makes an image visible, or an index with all that was copied of it: everything is made durable, then one transaction
   * tells of it. Images of an index are unpacked as they come, whatever their platform; artifacts stay blobs.
   */
  async commit(image: CommittedImage): Promise<void> {
    await this.#begin();
    const parts = this.#parts;
    const { signal, names = [] } = this.#options;
    const single = image.manifests.length === 1 && image.manifests[0]?.raw.digest === image.top.digest;
    if (single && image.manifests[0]?.config === undefined) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `${this.name}: the store takes no artifact that is in no index`,
      );
    }
    this.#left = true;
    const commits: Commit[] = [];
    const others: Descriptor[] = [];
    for (const one of image.manifests) {
      if (one.config)
        commits.push(await this.#prepare(one, one.config, single ? image.origin : image.top, signal));
      else others.push(await this.#keep(one.raw), one.manifest.config, ...one.manifest.layers);
    }
    if (!single) for (const raw of [image.top, ...image.indexes]) others.push(await this.#keep(raw));
    await publishLayers(
      parts,
      commits.flatMap(({ layers }) => layers),
      signal,
    );
    parts.database.transaction(() => {
      const images = commits.map(({ id }) => ({ id, brought: !isKnown(parts.database, id) }));
      for (const commit of commits) writeCommit(parts.database, { ...commit, names: single ? names : [] });
      if (!single) writeList(parts.database, { raw: image.top, blobs: others, images, names });
      writeSignatures(parts.database, image);
    }, true);
    await parts.writeLayout();
  }

  /** All that the catalogue is told of one image. */
  async #prepare(
    { raw, manifest }: CommittedManifest,
    config: NonNullable<CommittedManifest['config']>,
    index: RawManifest | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Commit> {
    const diffIds = config.parsed.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `the manifest has ${manifest.layers.length} layers, the configuration ${diffIds.length}`,
      );
    }
    const blobs: Descriptor[] = [config.descriptor, ...manifest.layers];
    const layout = layoutManifest(raw);
    for (const one of [raw, ...(index ? [index] : []), ...(layout === raw ? [] : [layout])])
      blobs.push(await this.#keep(one));
    const { bytes, descriptor } = config;
    await this.#parts.content.ingestBytes(bytes, descriptor.mediaType, descriptor.digest);
    const layers = await this.#completeLayers(manifest.layers, diffIds, signal);
    const userFiles = await this.#examine(layers, signal);
    return {
      ...{ id: hexOf(descriptor.digest), raw, config, blobs, layers, layout, userFiles, names: [] },
      ...(index && { origin: index.digest }),
    };
  }

  async #keep(raw: RawManifest): Promise<Descriptor> {
    await this.#parts.content.ingestBytes(raw.bytes, raw.mediaType, raw.digest);
    return descriptorOf(raw);
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
      try {
        check((await unpackLayer(content, options)).diffId);
      } catch (error) {
        throw ioFailure(error, parts.paths.temporary);
      }
      return accept();
    }
    const directory = parts.session.path();
    const built: BuiltLayer = { ...layer, directory, size: 0 };
    try {
      const tree = parts.relative(makeLayerDirectory(directory));
      await parts.withWorker(async (worker) => {
        await worker.begin(tree);
        const done = await unpackLayer(content, { ...options, worker });
        check(done.diffId);
        built.size = done.size;
        // While other layers are still on their way.
        built.record = await worker.usage(tree);
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

  /** Reads what is kept beside the catalogue's row of the image. */
  async #examine(
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
