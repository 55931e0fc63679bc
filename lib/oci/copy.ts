import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { readAll } from '../util/read-all.js';
import { quote } from '../util/text.js';
import { parseImageConfig } from './config.js';
import { verifyBytes } from './digest.js';
import { MAX_CONFIG_BYTES } from './limits.js';
import { isConfigType, isForeignLayerType, layerCompression } from './mediatypes.js';
import { moveBlob, type Ends, type MoveOptions } from './move.js';
import { formatPlatform, hostPlatform, normalizePlatform, platformRuns } from './platform.js';
import { resolveManifest } from './resolve.js';
import { onSide } from './sides.js';
import type {
  BlobRole,
  CommittedImage,
  CommittedManifest,
  Descriptor,
  Digest,
  ImageConfig,
  ImageSink,
  ImageSource,
  Manifest,
  Platform,
  TransferOptions,
} from './types.js';

/** Options of {@link copy}. */
export interface CopyOptions extends TransferOptions {
  /**
   * Which image of an index to take. When it is given, an image for another platform is refused even where there is
   * no index. Default: what this host is, and an image without an index as it is.
   */
  platform?: Platform;
  /** How many layers to move at the same time. Default 6, as at podman. */
  concurrency?: number;
}

/**
 * Moves one image from a source to a sink: manifest, configuration, then the layers, several at a time; what the sink
 * has is not moved. Every byte is held against the digest that led to it, and the configuration against the manifest.
 * The sink shows nothing unless all of it has come. When anything fails, or the signal aborts, the rest is stopped;
 * the sink is closed in any case. The source stays open.
 *
 * @throws VainaError with the code of the side that failed; the message starts with `source` or `destination`. What
 * the signal was aborted with, if it was
 */
export async function copy(
  source: ImageSource,
  sink: ImageSink,
  options: CopyOptions = {},
): Promise<CommittedImage> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const { onProgress } = options;
  let image: CommittedImage;
  try {
    signal.throwIfAborted();
    image = await run({ source, sink }, options, { signal, ...(onProgress && { onProgress }) });
  } catch (error) {
    stop.abort(error);
    // What went wrong first is what is reported.
    await sink.close().catch(() => undefined);
    options.signal?.throwIfAborted();
    throw error;
  }
  await onSide('destination', sink.name, undefined, () => sink.close());
  return image;
}

async function run(ends: Ends, options: CopyOptions, move: MoveOptions): Promise<CommittedImage> {
  const { source, sink } = ends;
  const { signal } = move;
  const { concurrency = 6 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `concurrency must be a whole number from 1, not ${concurrency}`,
    );
  }
  const { resolved, config } = await onSide('source', source.name, signal, () =>
    describeImage(source, options, move),
  );
  const { manifest } = resolved;
  await moveBlob(ends, manifest.config, { kind: 'config' }, move, () =>
    Promise.resolve(Readable.from([config.bytes])),
  );
  await moveLayers(ends, manifest.layers, config.parsed.rootfs.diff_ids, move, concurrency);
  const image: CommittedImage = {
    top: resolved.raw,
    manifests: [{ raw: resolved.raw, manifest, config }],
    indexes: [],
    ...(resolved.index && { origin: resolved.index }),
    signatures: new Map(),
  };
  signal.throwIfAborted();
  await onSide('destination', sink.name, signal, () => sink.commit(image, move));
  return image;
}

/** Manifest and configuration, held against each other. */
async function describeImage(source: ImageSource, options: CopyOptions, move: MoveOptions) {
  const wanted = normalizePlatform(options.platform ?? hostPlatform());
  const resolved = await resolveManifest(source, wanted, move);
  checkIsImage(resolved.manifest);
  const config = await readConfig(source, resolved.manifest.config, move);
  checkAgreement(resolved.manifest, config.parsed);
  if (options.platform && !resolved.platform) checkPlatform(config.parsed, wanted);
  return { resolved, config };
}

async function readConfig(
  source: ImageSource,
  descriptor: Descriptor,
  move: MoveOptions,
): Promise<NonNullable<CommittedManifest['config']>> {
  const where = `image configuration ${descriptor.digest}`;
  const tooLarge = (): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `${where} is larger than ${MAX_CONFIG_BYTES} bytes`);
  if (descriptor.size > MAX_CONFIG_BYTES) throw tooLarge();
  const bytes = await readAll(await source.blob(descriptor, move), MAX_CONFIG_BYTES, tooLarge);
  verifyBytes(bytes, descriptor, where);
  return { descriptor, bytes, parsed: parseImageConfig(bytes, where) };
}

/** Moves the layers, several at a time. The first failure stops those under way and is the one that is thrown. */
async function moveLayers(
  ends: Ends,
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
  move: MoveOptions,
  concurrency: number,
): Promise<void> {
  // The same layer may be there more than once; its places are then served one after another.
  const places = new Map<Digest, { layer: Descriptor; about: BlobRole }[]>();
  for (const [index, layer] of layers.entries()) {
    const diffId = diffIds[index] as Digest;
    const about: BlobRole = { kind: 'layer', index, diffId, parents: diffIds.slice(0, index) };
    places.set(layer.digest, [...(places.get(layer.digest) ?? []), { layer, about }]);
  }
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency });
  const stop = new AbortController();
  const options = { ...move, signal: AbortSignal.any([move.signal, stop.signal]) };
  for (const same of places.values()) {
    const work = async (): Promise<void> => {
      for (const { layer, about } of same) await moveBlob(ends, layer, about, options);
    };
    void queue.add(() => work().catch((error: unknown) => stop.abort(error)));
  }
  await queue.onIdle();
  options.signal.throwIfAborted();
}

/** Refuses what is no image of a root file system, and layers that lie somewhere else. */
function checkIsImage(manifest: Manifest): void {
  const { config, layers } = manifest;
  if (!isConfigType(config.mediaType)) {
    const type = manifest.artifactType ?? config.mediaType;
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `it is not a container image but an artifact of type ${quote(type)}`,
    );
  }
  for (const { mediaType, digest, urls } of layers) {
    if (isForeignLayerType(mediaType) || (urls !== undefined && urls.length > 0)) {
      throw new VainaError('ERR_UNSUPPORTED', `layer ${digest} is a foreign one, kept at another place`);
    }
    if (layerCompression(mediaType) === undefined) {
      throw new VainaError('ERR_UNSUPPORTED', `layer ${digest} has the media type ${mediaType}`);
    }
  }
}

function checkAgreement(manifest: Manifest, config: ImageConfig): void {
  const layers = manifest.layers.length;
  const diffIds = config.rootfs.diff_ids.length;
  if (layers === diffIds) return;
  throw new VainaError(
    'ERR_INVALID_IMAGE',
    `the manifest has ${layers} layers but the configuration has ${diffIds} diff_ids`,
  );
}

function checkPlatform(config: ImageConfig, wanted: Platform): void {
  if (config.architecture === '' || platformRuns(config, wanted)) return;
  throw new VainaError(
    'ERR_NO_MATCHING_PLATFORM',
    `no image for ${formatPlatform(wanted)}: it is one for ${formatPlatform(normalizePlatform(config))}`,
  );
}
