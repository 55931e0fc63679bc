import { VainaError } from '../errors.js';
import { readAll } from '../util/read-all.js';
import { parseImageConfig } from './config.js';
import { verifyBytes } from './digest.js';
import { MAX_CONFIG_BYTES, MAX_INDEX_DEPTH } from './limits.js';
import { parseManifest, type ParsedManifest } from './manifest.js';
import { isIndexType, isManifestType } from './mediatypes.js';
import { formatPlatform, matchPlatform } from './platform.js';
import type {
  CommittedManifest,
  Descriptor,
  Digest,
  ImageSource,
  Index,
  Manifest,
  Platform,
  RawManifest,
  TransferOptions,
} from './types.js';

/** The manifest of one image, and how it was found. */
export interface ResolvedManifest {
  /** The index that the source names, if it names one. */
  index?: RawManifest;
  raw: RawManifest;
  manifest: Manifest;
  /** What the index says the image is for; undefined when no index led here, or it does not say. */
  platform?: Platform;
}

/** Most indexes that are read to find one image. */
const MAX_INDEXES = 16;

/**
 * Follows what a source names to the manifest of one image: through an index, and indexes in it, by platform. An entry
 * that names no platform is taken when none fits, as at podman.
 *
 * @throws VainaError `ERR_NO_MATCHING_PLATFORM`, `ERR_DIGEST_MISMATCH`, `ERR_INVALID_IMAGE`, `ERR_UNSUPPORTED`
 */
export async function resolveManifest(
  source: ImageSource,
  platform: Platform,
  options: TransferOptions = {},
): Promise<ResolvedManifest> {
  const { raw, parsed } = await fetchTop(source, options);
  if (parsed.kind === 'manifest') return { raw, manifest: parsed.manifest };

  const search = new Search(source, platform, options);
  const entry = await search.run(parsed.index);
  const found = await search.fetch(entry);
  if (found.parsed.kind !== 'manifest')
    throw new VainaError('ERR_INVALID_IMAGE', 'an index names an index as an image');
  return {
    index: raw,
    raw: found.raw,
    manifest: found.parsed.manifest,
    ...(entry.platform && { platform: entry.platform }),
  };
}

/** Looks for one platform in an index and what it contains. */
class Search {
  readonly #source: ImageSource;
  readonly #wanted: Platform;
  readonly #options: TransferOptions;
  readonly #seen = new Set<Digest>();
  readonly #offered = new Set<string>();
  #fallback: Descriptor | undefined;

  constructor(source: ImageSource, wanted: Platform, options: TransferOptions) {
    this.#source = source;
    this.#wanted = wanted;
    this.#options = options;
  }

  async run(index: Index): Promise<Descriptor> {
    const found = (await this.#find(index, 1)) ?? this.#fallback;
    if (found) return found;
    const offered = [...this.#offered].slice(0, 20).join(', ') || 'nothing';
    throw new VainaError(
      'ERR_NO_MATCHING_PLATFORM',
      `no image for ${formatPlatform(this.#wanted)}: the index has ${offered.slice(0, 1000)}`,
    );
  }

  async #find(index: Index, depth: number): Promise<Descriptor | undefined> {
    const images = index.manifests.filter((entry) => isManifestType(entry.mediaType));
    const fits = matchPlatform(images, this.#wanted);
    if (fits) return fits;
    for (const { platform } of images) if (platform) this.#offered.add(formatPlatform(platform));
    this.#fallback ??= images.find((entry) => entry.platform === undefined);
    for (const entry of index.manifests) {
      if (!isIndexType(entry.mediaType) || this.#seen.has(entry.digest)) continue;
      this.#seen.add(entry.digest);
      if (depth === MAX_INDEX_DEPTH || this.#seen.size > MAX_INDEXES) {
        throw new VainaError('ERR_INVALID_IMAGE', 'the index contains too many indexes, or too deeply');
      }
      const { parsed } = await this.fetch(entry);
      const inside = parsed.kind === 'index' ? await this.#find(parsed.index, depth + 1) : undefined;
      if (inside) return inside;
    }
    return undefined;
  }

  fetch(entry: Descriptor): Promise<FetchedManifest> {
    return fetchEntry(this.#source, entry, this.#options);
  }
}

/** A manifest or index, verified and parsed. */
export interface FetchedManifest {
  raw: RawManifest;
  parsed: ParsedManifest;
}

/** What a source names, verified against its own digest. */
export async function fetchTop(source: ImageSource, options: TransferOptions = {}): Promise<FetchedManifest> {
  const top = await source.manifest(undefined, options);
  verifyBytes(top.bytes, { digest: top.digest }, 'manifest');
  const parsed = parseManifest(top.bytes, top.mediaType);
  return { raw: { ...top, mediaType: parsed.mediaType }, parsed };
}

/** What a descriptor of an index points to, verified. */
export async function fetchEntry(
  source: ImageSource,
  entry: Descriptor,
  options: TransferOptions = {},
): Promise<FetchedManifest> {
  const { bytes, mediaType } = await source.manifest(entry.digest, options);
  const where = `manifest ${entry.digest}`;
  verifyBytes(bytes, entry, where);
  const parsed = parseManifest(bytes, mediaType === '' ? entry.mediaType : mediaType, where);
  if (parsed.mediaType !== entry.mediaType) {
    throw new VainaError(
      'ERR_INVALID_IMAGE',
      `${where} is ${parsed.mediaType} but its index says ${entry.mediaType}`,
    );
  }
  return { raw: { bytes, mediaType: parsed.mediaType, digest: entry.digest }, parsed };
}

/**
 * The configuration that a manifest names, verified and parsed.
 *
 * @throws VainaError `ERR_INVALID_IMAGE`, `ERR_DIGEST_MISMATCH`; what the source throws
 */
export async function fetchConfig(
  source: ImageSource,
  descriptor: Descriptor,
  options: TransferOptions = {},
): Promise<NonNullable<CommittedManifest['config']>> {
  const where = `image configuration ${descriptor.digest}`;
  const tooLarge = (): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `${where} is larger than ${MAX_CONFIG_BYTES} bytes`);
  if (descriptor.size > MAX_CONFIG_BYTES) throw tooLarge();
  const bytes = await readAll(await source.blob(descriptor, options), MAX_CONFIG_BYTES, tooLarge);
  verifyBytes(bytes, descriptor, where);
  return { descriptor, bytes, parsed: parseImageConfig(bytes, where) };
}
