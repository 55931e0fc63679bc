import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { readRange } from '../util/read-range.js';
import { convertIndex, convertManifest, formatOf, rawOf, recompressedLayer } from './convert.js';
import { checkCopyOptions, type CopyOptions } from './copy-options.js';
import { decide, type Decisions, type ImageFate, type LayerFate } from './decide.js';
import { MEDIA } from './mediatypes.js';
import { moveBlob, type Ends, type MoveOptions } from './move.js';
import { BlobProgress } from './progress.js';
import { recompress } from './recompress.js';
import { onSide } from './sides.js';
import { inParallel, survey, type Survey } from './survey.js';
import type {
  BlobRole,
  CommittedImage,
  CommittedManifest,
  Descriptor,
  Digest,
  ImageSink,
  ImageSource,
  Index,
  RawManifest,
  Signature,
} from './types.js';

export type { CopyOptions, UnverifiedImage } from './copy-options.js';

/**
 * Moves an image, or an index with the images in it, from a source to a sink: configurations and layers, several at a time, then manifests
 * and signatures. What the sink has is not moved, and what several images share is moved once. Every byte is held against
 * the digest that led to it, and each configuration against its manifest.
 *
 * Bytes and digests stay as they are unless something must be converted: what `options` ask for, and what the sink cannot
 * hold ({@link ImageSink.takes}). Layers are then compressed anew by way of temporary files; their diffIDs stay and are checked.
 *
 * The sink shows nothing unless all of it has come. When anything fails, or the signal aborts, the rest is stopped;
 * the sink is closed in any case. The source stays open.
 *
 * @throws VainaError with the code of the side that failed; the message starts with `source` or `destination`.
 * `ERR_UNSUPPORTED` for what the sink cannot hold and what must not be converted, `ERR_INVALID_OPTION`. What
 * the signal was aborted with, if it was
 */
export async function copy(
  source: ImageSource,
  sink: ImageSink,
  options: CopyOptions = {},
): Promise<CommittedImage> {
  const stop = new AbortController();
  const signal = stoppedBy(stop.signal, options.signal);
  const { onProgress } = options;
  let image: CommittedImage;
  try {
    signal.throwIfAborted();
    checkCopyOptions(options);
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
  const { sink } = ends;
  const { signal } = move;
  const found = await survey(ends, options, move);
  const decisions = await onSide('destination', sink.name, signal, async () =>
    decide(found, sink.takes ?? {}, options),
  );
  const transfer = new Transfer(ends, options, move);
  await transfer.run(found, decisions);
  const image = await compose(found, decisions, transfer, options);
  signal.throwIfAborted();
  await onSide('destination', sink.name, signal, () => sink.commit(image, move));
  return image;
}

/** One blob of the source, with what becomes of it and all places that it has. */
interface Job {
  blob: Descriptor;
  fate: LayerFate;
  abouts: BlobRole[];
  /** Bytes that have been read already. */
  bytes?: Buffer;
}

/** Moves the blobs of all images. */
class Transfer {
  readonly #ends: Ends;
  readonly #options: CopyOptions;
  readonly #move: MoveOptions;
  readonly #become = new Map<string, { digest: Digest; size: number }>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ends: Ends, options: CopyOptions, move: MoveOptions) {
    this.#ends = ends;
    this.#options = options;
    this.#move = move;
  }

  /** What a layer has become; undefined when it was moved as it was. */
  became(layer: Descriptor, fate: LayerFate): { digest: Digest; size: number } | undefined {
    return this.#become.get(keyOf(layer, fate));
  }

  async run(found: Survey, decisions: Decisions): Promise<void> {
    const jobs = new Map<string, Job>();
    const add = (blob: Descriptor, fate: LayerFate, about: BlobRole, bytes?: Buffer): void => {
      const key = keyOf(blob, fate);
      const job = jobs.get(key);
      if (job === undefined) jobs.set(key, { blob, fate, abouts: [about], ...(bytes && { bytes }) });
      else if (!job.abouts.some((other) => samePlace(other, about))) job.abouts.push(about);
    };
    // Configurations first: they are small, and a sink may want to know them.
    for (const { manifest, config } of found.images.values()) {
      add(manifest.config, { kind: 'keep' }, { kind: 'config' }, config?.bytes);
    }
    const configs = [...jobs.values()];
    jobs.clear();
    for (const [digest, image] of found.images)
      addLayers(image, decisions.images.get(digest) as ImageFate, add);
    for (const { blob } of configs) jobs.delete(keyOf(blob, { kind: 'keep' }));
    await this.#all(configs);
    await this.#all([...jobs.values()]);
  }

  /** Several at a time. The first failure stops those under way and is the one that is thrown. */
  async #all(jobs: readonly Job[]): Promise<void> {
    const stop = new AbortController();
    const move = { ...this.#move, signal: stoppedBy(stop.signal, this.#move.signal) };
    await inParallel(jobs, this.#options.concurrency ?? 6, async (job) => {
      await this.#one(job, move).catch((error: unknown) => {
        stop.abort(error);
        throw error;
      });
    });
  }

  async #one(job: Job, move: MoveOptions): Promise<void> {
    const { blob, fate, abouts, bytes } = job;
    if (fate.kind !== 'recompress' || (await this.#hasAsItIs(job))) {
      const open = bytes && ((): Promise<Readable> => Promise.resolve(Readable.from([bytes])));
      for (const about of abouts) await this.#inTurn(() => moveBlob(this.#ends, blob, about, move, open));
      return;
    }
    const { to, mediaType } = fate;
    const { file, digest, size } = await this.#recompress(job, to, move);
    try {
      const now = recompressedLayer(blob, mediaType, { digest, size });
      // Progress has been told while the layer arrived.
      const { signal } = move;
      const open = (): Promise<Readable> => Promise.resolve(readRange(file));
      for (const about of abouts) {
        await this.#inTurn(() => moveBlob(this.#ends, now, about, { signal, ours: true }, open));
      }
      this.#become.set(keyOf(blob, fate), { digest, size });
    } finally {
      await file.close();
    }
    new BlobProgress(blob, move).done();
  }

  /** Whether a layer may stay in another compression than the one asked for, because the destination has it. */
  async #hasAsItIs({ blob, abouts }: Job): Promise<boolean> {
    const { sink } = this.#ends;
    const { compression } = this.#options;
    const [about] = abouts;
    if (compression === undefined || compression.force === true || about === undefined) return false;
    return onSide('destination', sink.name, this.#move.signal, () => sink.hasBlob(blob, about));
  }

  async #recompress(job: Job, compression: 'none' | 'gzip' | 'zstd', move: MoveOptions) {
    const { source } = this.#ends;
    const { blob, abouts } = job;
    const { compression: asked, tmpDir } = this.#options;
    const { diffId } = abouts[0] as BlobRole & { kind: 'layer' };
    const progress = new BlobProgress(blob, move);
    const to = { compression, ...(asked?.level !== undefined && { level: asked.level }) };
    return onSide('source', source.name, move.signal, async () =>
      recompress(await source.blob(blob, move), blob, diffId, to, {
        signal: move.signal,
        onBytes: progress.advance,
        ...(tmpDir !== undefined && { tmpDir }),
      }),
    );
  }

  /** A sink that is a stream takes one blob after another. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#ends.sink.takes?.serial !== true) return work();
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function addLayers(
  { manifest, config }: CommittedManifest,
  fate: ImageFate,
  add: (blob: Descriptor, fate: LayerFate, about: BlobRole) => void,
): void {
  const diffIds = config?.parsed.rootfs.diff_ids ?? [];
  for (const [index, layer] of manifest.layers.entries()) {
    const layerFate = fate.layers[index] as LayerFate;
    if (layerFate.kind === 'skip') continue;
    const diffId = diffIds[index];
    const about: BlobRole =
      diffId === undefined
        ? { kind: 'data' }
        : { kind: 'layer', index, diffId, parents: diffIds.slice(0, index) };
    add(layer, layerFate, about);
  }
}

/** A signal for any number of transfers at the same time. */
function stoppedBy(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
  // Each transfer listens at several places, and Node warns of a leak from the eleventh on.
  setMaxListeners(0, signal);
  return signal;
}

function keyOf({ digest }: Descriptor, fate: LayerFate): string {
  return fate.kind === 'recompress' ? `${digest} ${fate.to}` : digest;
}

function samePlace(a: BlobRole, b: BlobRole): boolean {
  if (a.kind !== 'layer' || b.kind !== 'layer') return a.kind === b.kind;
  return [...a.parents, a.diffId].join() === [...b.parents, b.diffId].join();
}

/** The manifests and indexes as they are at the destination, with their signatures. */
async function compose(
  found: Survey,
  decisions: Decisions,
  transfer: Transfer,
  options: CopyOptions,
): Promise<CommittedImage> {
  const become = new Map<Digest, RawManifest>();
  const manifests: CommittedManifest[] = [];
  for (const [digest, image] of found.images) {
    const now = composeImage(image, decisions.images.get(digest) as ImageFate, transfer);
    become.set(digest, now.raw);
    manifests.push(now);
  }
  for (const [digest, { raw, index }] of found.indexes) {
    const to = decisions.indexes.get(digest) ?? 'oci';
    become.set(digest, composeIndex(raw, index, to, become));
  }
  const top = become.get(found.top.digest) as RawManifest;
  const signatures = new Map<Digest, readonly Signature[]>();
  for (const [digest, now] of become) {
    const all = [...(found.signatures.get(digest) ?? []), ...((await options.sign?.(now)) ?? [])];
    if (all.length > 0) signatures.set(now.digest, all);
  }
  const below = [...found.indexes.keys()].filter((digest) => digest !== found.top.digest);
  return {
    top,
    manifests: [...new Map(manifests.map((image) => [image.raw.digest, image])).values()],
    indexes: below.map((digest) => become.get(digest) as RawManifest),
    // What has been converted is no longer what the index names.
    ...(found.origin && top.digest === found.top.digest && { origin: found.origin }),
    signatures,
  };
}

function composeImage(image: CommittedManifest, fate: ImageFate, transfer: Transfer): CommittedManifest {
  const { raw, manifest, config } = image;
  const from = formatOf(raw.mediaType);
  let same = fate.format === from;
  const layers = manifest.layers.map((layer, i): Descriptor => {
    const layerFate = fate.layers[i] as LayerFate;
    const now = layerFate.kind === 'recompress' ? transfer.became(layer, layerFate) : undefined;
    if (now === undefined || layerFate.kind !== 'recompress') return layer;
    same = false;
    return recompressedLayer(layer, layerFate.mediaType, now);
  });
  if (same) return image;
  const converted = convertManifest(manifest, layers, from, fate.format);
  const mediaType =
    fate.format === from ? raw.mediaType : MEDIA[fate.format === 'oci' ? 'ociManifest' : 'dockerManifest'];
  return {
    raw: rawOf(converted, mediaType),
    manifest: converted,
    ...(config && { config: { ...config, descriptor: converted.config } }),
  };
}

function composeIndex(
  raw: RawManifest,
  index: Index,
  to: 'oci' | 'v2s2',
  become: ReadonlyMap<Digest, RawManifest>,
): RawManifest {
  const from = formatOf(raw.mediaType);
  const same = index.manifests.every(({ digest }) => (become.get(digest)?.digest ?? digest) === digest);
  if (from === to && same) return raw;
  const converted = convertIndex(index, from, to, ({ digest }) => become.get(digest));
  return rawOf(converted, from === to ? raw.mediaType : MEDIA[to === 'oci' ? 'ociIndex' : 'dockerList']);
}
