import { VainaError } from '../errors.js';
import { formatReference, parseReference, repositoryOf, type Reference } from '../oci/reference.js';
import type { ImageSource, TransferOptions } from '../oci/types.js';
import { listTags } from '../registry/list.js';
import {
  firstCandidate,
  resolveShortName,
  type ChooseShortName,
  type ResolvedName,
} from '../registry/short-names.js';
import type { FoundImage, ImageRow } from '../store/images.js';
import { formatImageName, hasTransport, parseImageName, type ImageName } from '../transports/name.js';
import { openSource } from '../transports/open.js';
import { signatureStorage } from '../transports/signature-storage.js';
import { verifierOf } from '../transports/trust.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { localName } from './image-names.js';
import { trustFor, type ImageTrust } from './image-trust.js';
import { openImages } from './load-images.js';
import { foundAs, localImage, platformOf } from './local-image.js';
import { registryOptions, type ImageRegistryOptions } from './image-registry-options.js';
import { takeImage } from './take-image.js';

/**
 * When an image is pulled: `always`; only if it is `missing` in the store; `never`; or if the registry has a `newer` one, which
 * is one with another digest: a registry that fails does not matter then where the store has the image.
 */
export type PullPolicy = 'always' | 'missing' | 'never' | 'newer';

/** Options of a pull. */
export interface PullOptions extends TransferOptions, ImageRegistryOptions, ImageTrust {
  /** When it is pulled at all. Default `always`. Only of registries. */
  policy?: PullPolicy;
  /** Pull every tag of the repository; the name must have none then, nor a digest. Default false. Only of registries. */
  allTags?: boolean;
  /** Which image of an index: `os/architecture[/variant]`. Default: this host's. An image for another one counts as missing. */
  platform?: string;
  /** Keys to decrypt layers with. There is no encryption: refused with `ERR_UNSUPPORTED`. */
  decryptionKeys?: readonly string[];
  /**
   * Asked which of several images a name without a registry means; the answer is kept as an alias once the image is there.
   * Default: nobody is asked, and `short-name-mode` says whether all are tried or none.
   */
  chooseShortName?: ChooseShortName;
  /**
   * Called before each try.
   * @param reference - full name of what is pulled
   * @param why - how a name without a registry led to it
   */
  onTry?: (reference: string, why?: string) => void;
}

/** An image that was pulled, or found, and the full name that led to it. */
export interface PulledImage {
  row: ImageRow;
  /** Absent where the place has no name for the image. */
  name?: string;
}

/** Pulls one image by the name of a registry, or by one with a transport. */
export async function pullImage(
  context: Context,
  text: string,
  options: PullOptions = {},
): Promise<PulledImage> {
  const [image] = await pullImages(context, text, { ...options, allTags: false });
  if (image) return image;
  throw new VainaError('ERR_NO_SUCH_IMAGE', `${text} has no image`, { subject: text });
}

/**
 * Pulls an image, with `allTags` each of its repository, in the order of the registry.
 *
 * @throws VainaError `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE`, `ERR_NO_SUCH_IMAGE` and what a transfer fails with
 */
export async function pullImages(
  context: Context,
  text: string,
  options: PullOptions = {},
): Promise<PulledImage[]> {
  checkOptions('pull', options);
  const { policy = 'always', allTags = false } = options;
  if (hasTransport(text)) {
    const from = parseImageName(text);
    if (from.transport !== 'docker') {
      if (policy === 'always' && !allTags) return [await pullFromPlace(context, from, options)];
      throw invalid(`${text} is not in a registry: allTags and policies are for registries`);
    }
  }
  const resolve = async (): Promise<ResolvedName> => candidatesOf(text, options);
  if (!allTags) return [await byPolicy(context, { text: nameOf(text), resolve }, options)];
  const { tag, digest } = parseReference(text.replace(/^docker:\/\//, ''));
  if (tag !== undefined || digest !== undefined)
    throw invalid(`${text}: all tags are those of a name without one`);
  return allOf(context, await resolve(), options);
}

/** What was asked for, and what it may mean at registries; that is found out only where it matters. */
interface Wanted {
  text: string;
  resolve: () => Promise<ResolvedName>;
}

/** A name with `docker://` in front is that name, but never a short one. */
function nameOf(text: string): string {
  const from = text.startsWith('docker://') ? parseImageName(text) : undefined;
  return from?.transport === 'docker' ? formatReference(from.reference) : text;
}

async function candidatesOf(text: string, options: PullOptions): Promise<ResolvedName> {
  const { registries: config, chooseShortName: choose } = options;
  return resolveShortName(nameOf(text), {
    ...(config !== undefined && { config }),
    ...(choose !== undefined && { choose }),
  });
}

async function byPolicy(
  context: Context,
  { text, resolve }: Wanted,
  options: PullOptions,
): Promise<PulledImage> {
  const { policy = 'always', signal, onTry } = options;
  signal?.throwIfAborted();
  const local = policy === 'always' ? undefined : await localImage(context, text, options);
  if (policy === 'never' && !local) {
    throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with name or id ${text}, and none is to be pulled`, {
      subject: text,
    });
  }
  if (local && policy !== 'newer') return foundAs(local, text);
  try {
    // An image of the store is asked for under the name that it has: a local build has no other.
    const { candidates, why, remember } =
      local?.name === undefined ? await resolve() : { candidates: [parseReference(local.name)] };
    return await firstCandidate(candidates, signal, async (reference) => {
      const from: ImageName = { transport: 'docker', reference };
      const name = formatReference(reference);
      return withSource(from, context, options, async (source) => {
        if (local && (await isSame(local, source, options))) return foundAs(local, text);
        onTry?.(name, why);
        const row = await take(context, from, source, [name], options);
        await remember?.();
        return { row, name };
      });
    });
  } catch (error) {
    signal?.throwIfAborted();
    // What the policy of the host rejects is no failure of the registry.
    if (!local || VainaError.is(error, 'ERR_POLICY_REJECTED')) throw error;
    return foundAs(local, text);
  }
}

async function isSame({ image }: FoundImage, source: ImageSource, { signal }: PullOptions): Promise<boolean> {
  const { digest } = await source.manifest(undefined, signal ? { signal } : {});
  return digest === image.digest || digest === image.indexDigest;
}

async function allOf(
  context: Context,
  { candidates }: ResolvedName,
  options: PullOptions,
): Promise<PulledImage[]> {
  const { signal } = options;
  const { reference, tags } = await firstCandidate(candidates, signal, async (reference) => ({
    reference,
    tags: await tagsOf(reference, options),
  }));
  const pulled: PulledImage[] = [];
  for (const tag of tags) {
    const one: Reference = { domain: reference.domain, path: reference.path, tag };
    const resolve = async (): Promise<ResolvedName> => ({ candidates: [one] });
    pulled.push(await byPolicy(context, { text: formatReference(one), resolve }, options));
  }
  return pulled;
}

async function tagsOf(reference: Reference, options: PullOptions): Promise<string[]> {
  const { signal } = options;
  return listTags(repositoryOf(reference), { ...registryOptions(options), ...(signal && { signal }) });
}

/** Takes an image from a place that is no registry. */
async function pullFromPlace(context: Context, from: ImageName, options: PullOptions): Promise<PulledImage> {
  if (from.transport === 'vaina') throw invalid(`vaina:${from.image} is in the store already`);
  if (isWhole(from)) return takeOnly(context, from, options);
  return withSource(from, context, options, async (source) => {
    const names = namesOf(from, source);
    const row = await take(context, from, source, names, options);
    return { row, ...(names[0] !== undefined && { name: names[0] }) };
  });
}

/** Whether a name means an archive as it is, not one of the images in it. */
function isWhole(from: ImageName): from is ImageName & { path: string } {
  if (from.transport === 'oci-archive') return from.name === undefined;
  return from.transport === 'docker-archive' && !from.reference && from.index === undefined;
}

/** The only image of an archive, with all names that it has there. */
async function takeOnly(
  context: Context,
  from: ImageName & { path: string },
  options: PullOptions,
): Promise<PulledImage> {
  const archive = await openImages(from.path, options.signal);
  try {
    const [only, ...others] = archive.images;
    if (only === undefined || others.length > 0) {
      throw new VainaError(
        only === undefined ? 'ERR_NO_SUCH_IMAGE' : 'ERR_AMBIGUOUS_ID',
        `${from.path} holds ${archive.images.length} images`,
        { subject: from.path, hint: 'name one, or load all of them' },
      );
    }
    const row = await take(context, from, only.source, only.names, options);
    return { row, ...(only.names[0] !== undefined && { name: only.names[0] }) };
  } finally {
    await archive.close();
  }
}

/** What an image is called here: by the name that the place has for it, as podman does. */
function namesOf(from: ImageName, source: ImageSource): string[] {
  switch (from.transport) {
    case 'docker':
    case 'docker-daemon':
      return from.reference ? [formatReference(from.reference)] : [];
    case 'docker-archive':
      return source.reference ? [formatReference(source.reference)] : [];
    case 'containers-storage':
      return source.reference ? [formatReference(source.reference)] : [];
    case 'oci':
    case 'oci-archive':
      return from.name === undefined || from.name.startsWith('@') ? [] : [localName(from.name)];
    case 'dir':
    case 'sif':
    case 'vaina':
      return [];
  }
}

async function withSource<T>(
  from: ImageName,
  context: Context,
  options: PullOptions,
  work: (source: ImageSource) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  const access = registryOptions(options);
  const source = await openSource(from, {
    ...(await signatureStorage(from, trustFor(context, options).registriesDir, access)),
    ...access,
    ...(signal && { signal }),
  });
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

async function take(
  context: Context,
  from: ImageName,
  source: ImageSource,
  names: readonly string[],
  options: PullOptions,
): Promise<ImageRow> {
  const { signal, onProgress } = options;
  const platform = platformOf(options.platform);
  const verify = await verifierOf(from, trustFor(context, options));
  try {
    const row = await takeImage(context, source, names, {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(platform && { platform }),
      ...(verify && { verify }),
    });
    publishImage('pull', row.id, { name: formatImageName(from) });
    return row;
  } catch (error) {
    publishImage('pull-error', '', { name: formatImageName(from), error });
    throw error;
  }
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}
