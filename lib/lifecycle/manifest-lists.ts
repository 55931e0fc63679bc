import { randomBytes } from 'node:crypto';
import { VainaError } from '../errors.js';
import { rawOf } from '../oci/convert.js';
import { copy, type CopyOptions } from '../oci/copy.js';
import { isDigest } from '../oci/digest.js';
import { isIndexType, MEDIA } from '../oci/mediatypes.js';
import { parseManifest } from '../oci/manifest.js';
import { formatReference, referenceCandidates } from '../oci/reference.js';
import type { Descriptor, Digest, ImageSource, Index, Platform } from '../oci/types.js';
import type { ImageRow } from '../store/images.js';
import type { ListRow } from '../store/lists.js';
import { copyImage, type CopyImageOptions, type CopyResult } from '../transports/copy-image.js';
import { formatImageName, hasTransport, parseImageName } from '../transports/name.js';
import { openSource } from '../transports/open.js';
import { signatureStorage } from '../transports/signature-storage.js';
import { verifierOf } from '../transports/trust.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { localName } from './image-names.js';
import { registryOptions, type ImageRegistryOptions } from './image-registry-options.js';
import { imageTransport } from './image-transport.js';
import { trustFor } from './image-trust.js';

/** What an entry of a manifest list says of its image, where that is not what the image says itself. */
export interface ListEntryOptions {
  /** Operating system, in Go's words. */
  os?: string;
  /** Architecture, in Go's words. */
  arch?: string;
  /** Variant of the architecture, as in `v8`. */
  variant?: string;
  /** Version of the operating system. */
  osVersion?: string;
  /** Features of the operating system. */
  osFeatures?: readonly string[];
  /** Features of the processor. */
  features?: readonly string[];
  /** Annotations of the entry, beside those that it has. */
  annotations?: Readonly<Record<string, string>>;
}

/** How an image is added to a manifest list. */
export interface ListAddOptions extends ListEntryOptions, ImageRegistryOptions {
  /** Of a list, all its images instead of the one for this host. Default false. */
  all?: boolean;
}

/** How a manifest list is pushed: as a copy, for which the source is known. */
export interface ListPushOptions extends Omit<
  CopyImageOptions,
  'store' | 'source' | 'platform' | 'multiArch'
> {
  /** Its images too, not only the list itself, which a registry takes only where it has them. Default true. */
  all?: boolean;
}

const FOREIGN: ReadonlySet<string> = new Set(['store', 'source', 'platform', 'multiArch']);

/** Adds an image to a list; what comes from elsewhere is kept in the store. Tells the digests of the entries. */
export async function addToList(
  context: Context,
  id: string,
  image: string | ImageSource,
  options: ListAddOptions,
): Promise<string[]> {
  const rows = await imagesOf(context, image, options);
  const list = context.store.lists.require(id);
  const { index } = list;
  for (const { row } of rows) {
    const entry = annotated(descriptorOf(row), options);
    index.manifests = [...index.manifests.filter(({ digest }) => digest !== entry.digest), entry];
  }
  await save(context, list, index, new Set(rows.filter(({ brought }) => brought).map(({ row }) => row.id)));
  return rows.map(({ row }) => row.digest);
}

/** Takes an entry out of a list. */
export async function removeFromList(context: Context, id: string, digest: string): Promise<void> {
  const { list, index } = requireEntry(context, id, digest);
  await save(context, list, { ...index, manifests: index.manifests.filter((one) => one.digest !== digest) });
}

/** Changes what an entry says of its image; without a digest, the annotations of the list itself. */
export async function annotateList(
  context: Context,
  id: string,
  digest: string | undefined,
  options: ListEntryOptions,
): Promise<void> {
  if (digest === undefined) {
    const list = context.store.lists.require(id);
    const { annotations, ...others } = options;
    if (Object.values(others).some((value) => value !== undefined))
      throw new VainaError(
        'ERR_INVALID_OPTION',
        'only an entry of a list has a platform: name one by its digest',
      );
    await save(context, list, { ...list.index, annotations: { ...list.index.annotations, ...annotations } });
    return;
  }
  const { list, index } = requireEntry(context, id, digest);
  const manifests = index.manifests.map((entry) =>
    entry.digest === digest ? annotated(entry, options) : entry,
  );
  await save(context, list, { ...index, manifests });
}

/** Removes a list, and the images that came with it and have no name of their own. */
export async function removeList(
  context: Context,
  id: string,
): Promise<{ untagged: string[]; deleted: string[] }> {
  const { names } = context.store.lists.require(id);
  await context.store.deleteList(id);
  publishImage('remove', id);
  return { untagged: [...names], deleted: [id] };
}

/** Copies a list with its images to another place. */
export async function pushList(
  context: Context,
  id: string,
  destination: string | undefined,
  options: ListPushOptions,
): Promise<CopyResult> {
  const given = Object.keys(options).find((name) => FOREIGN.has(name));
  if (given !== undefined) throw new VainaError('ERR_INVALID_OPTION', `there is no push option ${given}`);
  const { all = true, ...copied } = options;
  const target = destination ?? context.store.lists.require(id).names[0];
  if (target === undefined) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      'a manifest list without a name is pushed only where a destination is given',
    );
  }
  const to = hasTransport(target) ? target : `docker://${target}`;
  const pushed = await copyImage(`vaina:${id}`, to, {
    ...copied,
    multiArch: all ? 'all' : 'index-only',
    store: imageTransport(context),
  });
  publishImage('push', id, { name: formatImageName(parseImageName(to)) });
  return pushed;
}

/** Gives a list one more name; whoever had it loses it. */
export async function tagList(context: Context, id: string, name: string): Promise<void> {
  const full = localName(name);
  await context.store.lists.tag(id, full);
  publishImage('tag', id, { name: full });
}

/** Takes one name, or all names, away from a list. */
export async function untagList(context: Context, id: string, name: string | undefined): Promise<void> {
  const { lists } = context.store;
  const { names } = lists.require(id);
  const taken = name === undefined ? names : [nameOf(id, names, name)];
  for (const one of taken) if (await lists.untag(one)) publishImage('untag', id, { name: one });
}

function nameOf(id: string, names: readonly string[], name: string): string {
  const candidates = referenceCandidates(name).map(formatReference);
  const found = candidates.find((one) => names.includes(one));
  if (found !== undefined) return found;
  throw new VainaError('ERR_NO_SUCH_IMAGE', `${name} is no name of the manifest list ${id}`, {
    subject: name,
  });
}

/** Makes an empty list. */
export async function createList(
  context: Context,
  name: string,
  options: { amend?: boolean; annotations?: Readonly<Record<string, string>> },
): Promise<string> {
  const { lists, images } = context.store;
  const known = lists.find(name);
  const image = known ? undefined : images.byName(name);
  if (image || (known && !options.amend)) {
    throw new VainaError(
      'ERR_NAME_IN_USE',
      `the name ${name} is in use by ${known ? 'a manifest list' : 'an image'}`,
      {
        subject: name,
      },
    );
  }
  if (known) return known.id;
  const { annotations } = options;
  const index: Index = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: [],
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  };
  const raw = rawOf(index, MEDIA.ociIndex);
  return context.store.saveList({ raw, blobs: [], images: [], names: [name] }, newId());
}

function newId(): string {
  return randomBytes(32).toString('hex');
}

interface Found {
  row: ImageRow;
  brought: boolean;
}

async function imagesOf(
  context: Context,
  image: string | ImageSource,
  options: ListAddOptions,
): Promise<Found[]> {
  const { all = false } = options;
  const { images, lists } = context.store;
  if (typeof image !== 'string') return take(context, image, all);
  if (image.startsWith('docker://')) {
    const from = parseImageName(image);
    const trust = trustFor(context, {});
    const access = registryOptions(options);
    const source = await openSource(from, {
      ...(await signatureStorage(from, trust.registriesDir, access)),
      ...access,
    });
    try {
      return await take(context, source, all, await verifierOf(from, trust));
    } finally {
      await source.close();
    }
  }
  const list = all ? lists.find(image) : undefined;
  if (!list) return [{ row: images.find(image).image, brought: false }];
  const rows = images.list();
  return list.index.manifests.map(({ digest }) => {
    const row = rows.find((one) => one.digest === digest);
    if (!row)
      throw new VainaError('ERR_NO_SUCH_IMAGE', `the store does not have ${digest}`, { subject: digest });
    return { row, brought: false };
  });
}

/** Copies what a source has into the store, without a name, in the order of its index. */
async function take(
  context: Context,
  source: ImageSource,
  all: boolean,
  verify?: CopyOptions['verify'],
): Promise<Found[]> {
  const { store } = context;
  const top = await source.manifest();
  const parsed = all && isIndexType(top.mediaType) ? parseManifest(top.bytes, top.mediaType) : undefined;
  const digests = parsed?.kind === 'index' ? parsed.index.manifests.map(({ digest }) => digest) : [undefined];
  const found: Found[] = [];
  for (const pinned of digests) {
    const before = new Set(store.images.list().map(({ id }) => id));
    const one: ImageSource = {
      name: source.name,
      manifest: (digest, options) => source.manifest(digest ?? pinned, options),
      blob: (descriptor, options) => source.blob(descriptor, options),
      signatures: async (digest, options) => (await source.signatures?.(digest, options)) ?? [],
      close: async () => undefined,
      ...(source.reference && { reference: source.reference }),
    };
    const { manifests } = await copy(one, store.sink(), verify ? { verify } : {});
    const row = store.images.find(manifests[0]?.config?.descriptor.digest ?? '').image;
    found.push({ row, brought: !before.has(row.id) });
  }
  return found;
}

function descriptorOf({ digest, mediaType, manifestSize, config }: ImageRow): Descriptor {
  const { os, architecture, variant } = config;
  const platform: Platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  const version = config['os.version'];
  if (version !== undefined) platform['os.version'] = version;
  return { mediaType, digest, size: manifestSize, platform };
}

function annotated(entry: Descriptor, options: ListEntryOptions): Descriptor {
  const { os, arch, variant, osVersion, osFeatures, features, annotations } = options;
  const platform: Platform = {
    ...(entry.platform ?? { os: 'linux', architecture: 'unknown' }),
    ...(os === undefined ? {} : { os }),
    ...(arch === undefined ? {} : { architecture: arch }),
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    ...(osFeatures === undefined ? {} : { 'os.features': [...osFeatures] }),
    ...(features === undefined ? {} : { features: [...features] }),
  };
  return {
    ...entry,
    platform,
    ...(annotations === undefined ? {} : { annotations: { ...entry.annotations, ...annotations } }),
  };
}

function requireEntry(context: Context, id: string, digest: string): { list: ListRow; index: Index } {
  const list = context.store.lists.require(id);
  const { index } = list;
  if (isDigest(digest) && index.manifests.some((entry) => entry.digest === digest)) return { list, index };
  throw new VainaError(
    'ERR_NO_SUCH_IMAGE',
    `the manifest list ${list.names[0] ?? id} has no entry ${digest}`,
    {
      subject: digest,
    },
  );
}

async function save(
  { store }: Context,
  list: ListRow,
  index: Index,
  brought: ReadonlySet<string> = new Set(),
): Promise<void> {
  const byDigest = new Map<Digest, string>(store.images.list().map((row) => [row.digest, row.id]));
  const images = index.manifests.flatMap(({ digest }) => {
    const id = byDigest.get(digest);
    return id === undefined ? [] : [{ id, brought: brought.has(id) }];
  });
  // What it keeps beside images stays, while an entry or an index needs it.
  const blobs = store.lists.blobsOf(list.id).filter(({ digest }) => digest !== list.digest);
  await store.saveList({ raw: rawOf(index, list.mediaType), blobs, images, names: [] }, list.id);
}
