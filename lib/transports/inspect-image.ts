import { VainaError } from '../errors.js';
import { isConfigType } from '../oci/mediatypes.js';
import { repositoryOf } from '../oci/reference.js';
import { fetchConfig, resolveManifest, type ResolvedManifest } from '../oci/resolve.js';
import type {
  Descriptor,
  HistoryEntry,
  ImageConfig,
  ImageSource,
  Platform,
  Signature,
  TransferOptions,
} from '../oci/types.js';
import { endOptions } from './check-options.js';
import { parseImageName, type ImageName } from './name.js';
import { openSource } from './open.js';
import {
  platformOf,
  registryOptions,
  transportOptions,
  withinTime,
  type EndOptions,
  type PlatformOptions,
  type TransportOptions,
} from './options.js';
import { referrers } from '../registry/referrers.js';

/** Options of {@link inspectImage}. */
export interface InspectImageOptions extends EndOptions, TransportOptions, PlatformOptions {
  /** List the tags of the repository of a `docker://` name. Default true. */
  tags?: boolean;
  /** Also ask for the signatures of the image. Default false. */
  signatures?: boolean;
  /** Also ask a registry what refers to the image: attestations, bills of material. Default false. */
  referrers?: boolean;
  /** Give the bytes: of the manifest, or with `config` of the configuration. Default false. */
  raw?: boolean;
  /** Give the configuration, in the OCI format. Default false. */
  config?: boolean;
  /** Called with what is left out of the result because a registry does not tell it. */
  onWarning?: (message: string) => void;
}

/** What `skopeo inspect` tells of an image. */
export interface RemoteInspect {
  /** The repository of a `docker://` name; else empty. */
  Name: string;
  /** Digest of what the name stands for: of the index, if it is one. */
  Digest: string;
  /** All tags of the repository; empty for other transports. */
  RepoTags: string[];
  /** RFC 3339; null where the image does not say. */
  Created: string | null;
  /** The Docker that built it; empty if none did. */
  DockerVersion: string;
  /** Labels, null where there are none. */
  Labels: Record<string, string> | null;
  /** In Go's words. */
  Architecture: string;
  /** In Go's words. */
  Os: string;
  /** Digests of the layers, lowest first. */
  Layers: string[];
  /** The layers as the manifest describes them. */
  LayersData: InspectedLayer[];
  /** Environment of its containers; null where there is none. */
  Env: string[] | null;
  /** Its signatures, not verified; with the option `signatures` only. */
  Signatures?: readonly Signature[];
  /** Descriptors of what refers to it; with the option `referrers` only. */
  Referrers?: readonly Descriptor[];
}

/** A layer of {@link RemoteInspect}. */
export interface InspectedLayer {
  /** Its media type. */
  MIMEType: string;
  /** Its digest. */
  Digest: string;
  /** In bytes. */
  Size: number;
  /** Its annotations; null where there are none. */
  Annotations: Record<string, string> | null;
}

/** An image configuration with the members of the OCI image-spec and no others, in the order of the specification. */
export interface InspectedConfig {
  /** RFC 3339. */
  created?: string;
  /** Who made it. */
  author?: string;
  /** In Go's words. */
  architecture: string;
  /** Of the architecture. */
  variant?: string;
  /** In Go's words. */
  os: string;
  /** Version of the operating system. */
  'os.version'?: string;
  /** What it needs of the operating system. */
  'os.features'?: string[];
  /** How its containers run. */
  config: Record<string, unknown>;
  /** The diffIDs. */
  rootfs: {
    /** Always `layers`. */
    type: string;
    /** Lowest first. */
    diff_ids: string[];
  };
  /** How it was made. */
  history?: HistoryEntry[];
}

/**
 * Tells about an image without fetching a layer of it (skopeo-inspect(1)): only the manifest, the configuration and the list
 * of tags are asked for.
 *
 * @param name - with its transport; see {@link parseImageName}
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_NO_SUCH_IMAGE`, `ERR_NO_MATCHING_PLATFORM`, `ERR_UNSUPPORTED` for an
 * artifact, `ERR_INVALID_IMAGE`, `ERR_DIGEST_MISMATCH`, `ERR_UNAUTHORIZED`, `ERR_REGISTRY`, `ERR_REGISTRY_UNREACHABLE`,
 * `ERR_INVALID_OPTION`, `ERR_TIMEOUT`; the reason of the signal
 */
export async function inspectImage(
  name: string,
  options: InspectImageOptions & { raw: true },
): Promise<Buffer>;
export async function inspectImage(
  name: string,
  options: InspectImageOptions & { config: true; raw?: false },
): Promise<InspectedConfig>;
export async function inspectImage(
  name: string,
  options?: InspectImageOptions & { raw?: false; config?: false },
): Promise<RemoteInspect>;
export async function inspectImage(
  name: string,
  options: InspectImageOptions = {},
): Promise<Buffer | InspectedConfig | RemoteInspect> {
  const end = endOptions('inspectImage', options);
  const parsed = parseImageName(name);
  const platform = platformOf(options);
  return withinTime(options, async (signal) => {
    const source = await openSource(parsed, { ...end, ...transportOptions(options, signal), asPulled: true });
    const over = new AbortController();
    const move = { signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal };
    try {
      const asked = askTags(source, options, move);
      // Whoever fails first is reported; the other must not be an unhandled rejection.
      asked.catch(() => undefined);
      if (options.raw && !options.config) return (await source.manifest(undefined, move)).bytes;
      const image = await resolveManifest(source, platform, move).catch((error: unknown) => {
        if (!VainaError.is(error, 'ERR_NO_MATCHING_PLATFORM')) throw error;
        throw noInstance(platform, error);
      });
      const config = await readConfig(source, image, move);
      if (options.raw) return config.bytes;
      if (options.config) return ociConfig(config.parsed);
      const { signatures: wanted = false, referrers: related = false } = options;
      return {
        ...describe(parsed, image, config.parsed, await asked),
        ...(wanted && { Signatures: (await source.signatures?.(image.raw.digest, move)) ?? [] }),
        ...(related && { Referrers: await askReferrers(parsed, image, end, signal) }),
      };
    } finally {
      // The tags may still be asked for.
      over.abort();
      await source.close();
    }
  });
}

function describe(
  name: ImageName,
  image: ResolvedManifest,
  config: ImageConfig,
  tags: string[],
): RemoteInspect {
  const { layers } = image.manifest;
  const version = (config as { docker_version?: unknown }).docker_version;
  const labels = config.config?.Labels;
  return {
    Name: name.transport === 'docker' ? repositoryOf(name.reference) : '',
    Digest: (image.index ?? image.raw).digest,
    RepoTags: tags,
    Created: config.created === undefined ? null : goTime(config.created),
    DockerVersion: typeof version === 'string' ? version : '',
    Labels: labels ? sorted(labels) : null,
    Architecture: config.architecture,
    Os: config.os,
    Layers: layers.map(({ digest }) => digest),
    LayersData: layers.map(({ mediaType, digest, size, annotations }) => ({
      MIMEType: mediaType,
      Digest: digest,
      Size: size,
      Annotations: annotations ? sorted(annotations) : null,
    })),
    Env: config.config?.Env ?? null,
  };
}

async function readConfig(
  source: ImageSource,
  { manifest }: ResolvedManifest,
  move: TransferOptions,
): Promise<{ bytes: Buffer; parsed: ImageConfig }> {
  const { config } = manifest;
  if (!isConfigType(config.mediaType)) {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `${source.name} is not a container image but an artifact of type ${manifest.artifactType ?? config.mediaType}`,
    );
  }
  return fetchConfig(source, config, move);
}

async function askTags(
  source: ImageSource,
  options: InspectImageOptions,
  move: TransferOptions,
): Promise<string[]> {
  if (!source.tags || options.tags === false || options.raw || options.config) return [];
  try {
    return await source.tags(move);
  } catch (error) {
    // A registry may let somebody read an image and not the list.
    if (!VainaError.is(error, 'ERR_UNAUTHORIZED')) throw error;
    options.onWarning?.('registry disallows tag list retrieval; skipping');
    return [];
  }
}

async function askReferrers(
  name: ImageName,
  image: ResolvedManifest,
  end: EndOptions,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  if (name.transport !== 'docker') return [];
  const { tag: _tag, ...repository } = name.reference;
  return referrers({ ...repository, digest: image.raw.digest }, registryOptions(end, signal));
}

const RUNTIME = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal'],
  'ArgsEscaped',
] as const;

/** What a program of Go's makes of a configuration: known members only, in their order, none that is empty. */
function ociConfig(config: ImageConfig): InspectedConfig {
  const { created, author, architecture, variant, os, history } = config;
  const runtime: Record<string, unknown> = { ...config.config };
  const kept = RUNTIME.map((key) => [key, runtime[key]] as const).filter(([, value]) => !isEmpty(value));
  return {
    ...(created !== undefined && { created: goTime(created) }),
    ...(author !== undefined && author !== '' && { author }),
    architecture,
    ...(variant !== undefined && { variant }),
    os,
    ...(config['os.version'] !== undefined && { 'os.version': config['os.version'] }),
    ...(config['os.features'] !== undefined && { 'os.features': config['os.features'] }),
    config: Object.fromEntries(kept.map(([key, value]) => [key, isMap(value) ? sorted(value) : value])),
    rootfs: config.rootfs,
    ...(history && history.length > 0 && { history: history.map(historyEntry) }),
  };
}

function historyEntry(entry: HistoryEntry): HistoryEntry {
  const { created, created_by: by, author, comment, empty_layer: empty } = entry;
  return {
    ...(created !== undefined && { created: goTime(created) }),
    ...(by !== undefined && by !== '' && { created_by: by }),
    ...(author !== undefined && author !== '' && { author }),
    ...(comment !== undefined && comment !== '' && { comment }),
    ...(empty === true && { empty_layer: true }),
  };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.keys(value).length === 0;
}

function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** A time as Go's encoding/json writes it: no zeros at the end of the fraction, `Z` for no offset. */
function goTime(text: string): string {
  const match = /^(.*?)(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/.exec(text);
  if (!match) return text;
  const [, time = '', fraction = '', zone = ''] = match;
  return `${time}${fraction.slice(0, 10).replace(/\.?0+$/, '')}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`;
}

/** skopeo's sentence for an index without an image for the platform. */
function noInstance({ architecture, variant = '', os }: Platform, cause: VainaError): VainaError {
  const wanted = `architecture ${architecture}, variant "${variant}", OS ${os}`;
  return new VainaError(
    'ERR_NO_MATCHING_PLATFORM',
    `parsing manifest for image: choosing image instance: no image found in manifest list for ${wanted}`,
    { cause },
  );
}
