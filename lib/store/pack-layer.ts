import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { compressor } from '../oci/compression.js';
import { finishDigest } from '../oci/digest.js';
import { LAYER_TYPES } from '../oci/mediatypes.js';
import type { Descriptor, Digest, LayerCompression } from '../oci/types.js';
import { ioFailure } from './io-failure.js';
import { TreePacker } from './pack.js';
import type { PackedMounts } from './pack-mounts.js';
import type { StoreParts } from './parts.js';

/** Options of packing a tree into a layer. */
export interface PackLayerOptions {
  /** Default `gzip`. */
  compression?: LayerCompression;
  /** From 1, to 9 for gzip (default 6) and 19 for zstd (default 3). */
  level?: number;
  /** What the engine has made in the tree to mount on, which is left out. Default: nothing. */
  mounts?: {
    /** Places of mounts, absolute paths in the container. */
    points: readonly string[];
    /** The trees below, top first: absolute paths below the root of the store. */
    below: readonly string[];
  };
  /** Aborting stops the work; nothing is left of it. */
  signal?: AbortSignal;
}

/** A layer that was packed, as it is in the store. */
export interface PackedLayer {
  /** Digest of the archive as it is before it is compressed. */
  diffId: Digest;
  /** Of the blob, in OCI's media types. */
  descriptor: Descriptor;
  /** Bytes of the archive before it is compressed. */
  size: number;
  /** Entries of the archive, whiteouts included. */
  entries: number;
}

/** See {@link Store.packLayer}. */
export async function packLayer(
  parts: StoreParts,
  directory: string,
  rootless: boolean,
  options: PackLayerOptions,
): Promise<PackedLayer | undefined> {
  const { compression = 'gzip', signal } = options;
  const tree = parts.relative(directory);
  const mounts: PackedMounts | undefined = options.mounts && {
    points: options.mounts.points,
    below: options.mounts.below.map((path) => parts.relative(path)),
  };
  // Garbage is removed by what the catalogue knows; the blob is there a moment before its row.
  await using _lock = await parts.lockTransfers(signal);
  const blob = await parts.content.writer();
  try {
    return await parts.withWorker(async (worker) => {
      const packer = new TreePacker(worker, tree, { rootless, ...(mounts && { mounts }) });
      const hash = createHash('sha256');
      let size = 0;
      const plain = async function* (): AsyncGenerator<Buffer> {
        for await (const chunk of packer.pack()) {
          hash.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      };
      for await (const chunk of compressed(plain(), compression, options.level)) await blob.write(chunk);
      if (packer.entries === 0) return undefined;
      signal?.throwIfAborted();
      const descriptor = await blob.commit(LAYER_TYPES.oci[compression]);
      const diffId = finishDigest(hash);
      parts.content.setDiffId(descriptor.digest, diffId);
      return { diffId, descriptor, size, entries: packer.entries };
    }, signal);
  } catch (error) {
    throw ioFailure(error, directory);
  } finally {
    await blob.close();
  }
}

async function* compressed(
  plain: AsyncGenerator<Buffer>,
  compression: LayerCompression,
  level: number | undefined,
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    yield* plain;
    return;
  }
  const through = compressor(compression, 'the layer', level);
  const source = Readable.from(plain, { objectMode: true, highWaterMark: 1 });
  source.once('error', (error) => through.destroy(error));
  source.pipe(through);
  try {
    yield* through as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
    through.destroy();
  }
}
