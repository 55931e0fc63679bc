import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { CopyOptions } from './copy-options.js';
import { MAX_COPY_BYTES, MAX_IMAGES, MAX_INDEX_DEPTH } from './limits.js';
import {
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  layerCompression,
} from './mediatypes.js';
import type { Ends, MoveOptions } from './move.js';
import { formatPlatform, hostPlatform, normalizePlatform, platformRuns } from './platform.js';
import { fetchConfig, fetchEntry, fetchTop, resolveManifest, type FetchedManifest } from './resolve.js';
import { onSide, sideFailure } from './sides.js';
import type {
  CommittedManifest,
  Descriptor,
  Digest,
  ImageConfig,
  ImageSource,
  Index,
  Manifest,
  Platform,
  RawManifest,
  Signature,
} from './types.js';

/** All that a copy is to move, read and held against each other; nothing has been put yet. */
export interface Survey {
  /** What the name at the destination is to stand for. */
  top: RawManifest;
  /** By digest of the manifest. */
  images: ReadonlyMap<Digest, CommittedManifest>;
  /** By digest, the top among them if it is one; each after those that it names. */
  indexes: ReadonlyMap<Digest, { raw: RawManifest; index: Index }>;
  /** The index that led to the one image. */
  origin?: RawManifest;
  /** What is to travel with the image. */
  signatures: ReadonlyMap<Digest, readonly Signature[]>;
}

/**
 * Reads what is to be copied: manifests, indexes, configurations, signatures. What the destination can never hold is refused.
 *
 * @throws VainaError with the side that it is about
 */
export async function survey(ends: Ends, options: CopyOptions, move: MoveOptions): Promise<Survey> {
  const surveyor = new Surveyor(ends, options, move);
  const found = await onSide('source', ends.source.name, move.signal, () => surveyor.run());
  surveyor.checkSink(found);
  return found;
}

class Surveyor {
  readonly #source: ImageSource;
  readonly #ends: Ends;
  readonly #options: CopyOptions;
  readonly #move: MoveOptions;
  readonly #images = new Map<Digest, CommittedManifest>();
  readonly #indexes = new Map<Digest, { raw: RawManifest; index: Index }>();
  readonly #signatures = new Map<Digest, readonly Signature[]>();
  readonly #seen = new Set<Digest>();
  #bytes = 0;

  constructor(ends: Ends, options: CopyOptions, move: MoveOptions) {
    this.#ends = ends;
    this.#source = ends.source;
    this.#options = options;
    this.#move = move;
  }

  async run(): Promise<Survey> {
    const { images = 'system', platform } = this.#options;
    const found = { images: this.#images, indexes: this.#indexes, signatures: this.#signatures };
    const wanted = normalizePlatform(platform ?? hostPlatform());
    if (images === 'system') {
      const {
        raw,
        manifest,
        index,
        platform: named,
      } = await resolveManifest(this.#source, wanted, this.#move);
      await this.#take(raw, manifest, platform && !named ? wanted : undefined);
      return { ...found, top: raw, ...(index && { origin: index }) };
    }
    const { raw, parsed } = await fetchTop(this.#source, this.#move);
    if (parsed.kind === 'manifest') await this.#take(raw, parsed.manifest, platform && wanted);
    else if (images === 'all') await this.#takeIndex(raw, parsed.index, 1);
    else {
      await this.#look(raw);
      this.#indexes.set(raw.digest, { raw, index: parsed.index });
    }
    return { ...found, top: raw };
  }

  /** Refuses what is known at once not to fit the destination. */
  checkSink({ indexes, signatures }: Survey): void {
    const { name, takes = {} } = this.#ends.sink;
    const refuse = (message: string, hint?: string): VainaError =>
      sideFailure(
        new VainaError('ERR_UNSUPPORTED', message, hint === undefined ? {} : { hint }),
        'destination',
        name,
      );
    if (indexes.size > 0 && takes.indexes === false) {
      throw refuse('it cannot hold an index of several images', 'copy the image of one platform');
    }
    if (takes.signatures === true) return;
    if (signatures.size > 0) {
      throw refuse("can't store signatures; use removeSignatures", 'leave them behind with removeSignatures');
    }
    if (this.#options.sign !== undefined)
      throw refuse("can't store signatures, so the image cannot be signed");
  }

  async #takeIndex(raw: RawManifest, index: Index, depth: number): Promise<void> {
    this.#count(raw);
    await this.#look(raw);
    const entries = index.manifests.filter(({ digest }) => !this.#seen.has(digest));
    const unknown = entries.find(({ mediaType }) => !isIndexType(mediaType) && !isManifestType(mediaType));
    if (unknown) {
      const { mediaType, digest } = unknown;
      throw new VainaError('ERR_UNSUPPORTED', `its index names ${digest} of the media type ${mediaType}`);
    }
    if (depth === MAX_INDEX_DEPTH && entries.some(({ mediaType }) => isIndexType(mediaType))) {
      throw new VainaError('ERR_INVALID_IMAGE', 'the index contains indexes too deeply');
    }
    const unique = new Map(entries.map((entry) => [entry.digest, entry]));
    for (const digest of unique.keys()) this.#seen.add(digest);
    await inParallel([...unique.values()], this.#options.concurrency ?? 6, async (entry) => {
      const { raw: below, parsed } = await this.#fetch(entry);
      if (parsed.kind === 'index') await this.#takeIndex(below, parsed.index, depth + 1);
      else await this.#take(below, parsed.manifest);
    });
    // Those below come first, so that an index can be written when what it names is known.
    this.#indexes.set(raw.digest, { raw, index });
  }

  async #fetch(entry: Descriptor): Promise<FetchedManifest> {
    this.#move.signal.throwIfAborted();
    return fetchEntry(this.#source, entry, this.#move);
  }

  async #take(raw: RawManifest, manifest: Manifest, wanted?: Platform): Promise<void> {
    this.#count(raw);
    await this.#look(raw);
    const { artifacts } = this.#ends.sink.takes ?? {};
    if (artifacts === false) checkIsImage(manifest);
    if (!isConfigType(manifest.config.mediaType)) {
      this.#images.set(raw.digest, { raw, manifest });
      return;
    }
    const config = await fetchConfig(this.#source, manifest.config, this.#move);
    this.#add(config.bytes);
    checkAgreement(manifest, config.parsed);
    if (wanted) checkPlatform(config.parsed, wanted);
    this.#images.set(raw.digest, { raw, manifest, config });
  }

  /** Has the manifest verified, and gathers its signatures. */
  async #look(raw: RawManifest): Promise<void> {
    const { verify, removeSignatures = false } = this.#options;
    const source = this.#source;
    let asked: Promise<readonly Signature[]> | undefined;
    const signatures = (): Promise<readonly Signature[]> =>
      (asked ??= Promise.resolve(source.signatures?.(raw.digest, this.#move) ?? []));
    const { name, reference } = source;
    await verify?.({ name, raw, signatures, ...(reference && { reference }) });
    if (removeSignatures) return;
    const found = await signatures();
    if (found.length > 0) this.#signatures.set(raw.digest, found);
  }

  #count(raw: RawManifest): void {
    this.#seen.add(raw.digest);
    if (this.#seen.size > MAX_IMAGES) {
      throw new VainaError('ERR_INVALID_IMAGE', `the index names more than ${MAX_IMAGES} images`);
    }
    this.#add(raw.bytes);
  }

  #add(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_COPY_BYTES) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `the manifests and configurations have more than ${MAX_COPY_BYTES} bytes`,
      );
    }
  }
}

/**
 * Runs work on all, some at a time. After the first failure no more is begun; it is thrown when what was under way has
 * ended.
 */
export async function inParallel<T>(
  all: readonly T[],
  concurrency: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency });
  const failures: { error: unknown }[] = [];
  for (const one of all) {
    void queue.add(async () => {
      if (failures.length > 0) return;
      await work(one).catch((error: unknown) => failures.push({ error }));
    });
  }
  await queue.onIdle();
  if (failures[0]) throw failures[0].error;
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
