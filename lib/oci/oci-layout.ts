import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { ArchivedImage } from './archive.js';
import { algorithmOf, digestOf, hexOf, verifyBytes } from './digest.js';
import { malformed, parseObject, stringAt } from './guards.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import { parseManifest } from './manifest.js';
import { isIndexType, isManifestType, MEDIA } from './mediatypes.js';
import { pickImage } from './pick.js';
import { formatReference, isShortName, parseReference, withDefaultTag } from './reference.js';
import { DirectoryTree, readSmall, type Tree } from './tree.js';
import type { Descriptor, Digest, ImageSource, RawManifest } from './types.js';

/** The file that makes a directory an image layout. */
export const LAYOUT_FILE = 'oci-layout';
/** What that file holds in a layout that is written here. */
export const LAYOUT_TEXT = '{"imageLayoutVersion": "1.0.0"}';
/** The file that names the images of a layout. */
export const INDEX_FILE = 'index.json';
/** The annotation that names an image in a layout (image-spec, annotations.md). */
export const REF_NAME = 'org.opencontainers.image.ref.name';

const NAME_ANNOTATIONS = ['io.containerd.image.name', REF_NAME] as const;

/** Options of an OCI layout. */
export interface LayoutOptions {
  /** Directory of blobs that several layouts share (`DIR/sha256/HEX`), in place of the layout's own `blobs`. */
  sharedBlobDirectory?: string;
}

/** Whether a tree is an OCI image layout. */
export async function isLayout(tree: Tree): Promise<boolean> {
  return (await tree.size(LAYOUT_FILE)) !== undefined && (await tree.size(INDEX_FILE)) !== undefined;
}

/**
 * One image of the directory of an OCI layout.
 *
 * @param name - its reference name; `@INDEX`, its place in `index.json` from 0; or `@sha256:…`, its digest. Default: the only image
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID` where there are several and no name was
 * given, `ERR_INVALID_IMAGE`
 */
export async function openLayout(
  path: string,
  name?: string,
  options: LayoutOptions = {},
): Promise<ImageSource> {
  const { sharedBlobDirectory: shared } = options;
  const tree = await DirectoryTree.open(path);
  const blobs = shared === undefined ? tree : await DirectoryTree.open(shared).catch(closing(tree));
  return openLayoutImage(tree, name, `oci:${path}`, blobs).catch(closing(tree, blobs));
}

/** One image of a layout in any tree, which is closed with the source. */
export async function openLayoutImage(
  tree: Tree,
  name: string | undefined,
  place: string,
  blobs = tree,
): Promise<ImageSource> {
  const { top, entries } = await readLayout(tree);
  const title = name === undefined ? place : `${place}:${name}`;
  if (name === undefined && isOneIndex(entries)) return new LayoutSource(title, tree, blobs, top);
  const entry = pickImage(entries, name, tree.name, (wanted) =>
    entries.find(
      ({ digest, annotations }) =>
        NAME_ANNOTATIONS.some((key) => annotations?.[key] === wanted) || wanted === `@${digest}`,
    ),
  );
  return new LayoutSource(title, tree, blobs, entry);
}

/**
 * The images of an OCI image layout (image-spec, image-layout.md): one for each image or index in `index.json`. Where
 * none of them has a name and all have a platform, `index.json` is one image for several platforms.
 *
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export async function openLayoutTree(tree: Tree): Promise<ArchivedImage[]> {
  const { top, entries } = await readLayout(tree);
  const source = (of: RawManifest | Descriptor): ImageSource =>
    new LayoutSource(tree.name, undefined, tree, of);
  if (isOneIndex(entries)) return [{ names: [], source: source(top) }];
  // One image with several names has several descriptors.
  const byDigest = new Map<Digest, { entry: Descriptor; names: string[] }>();
  for (const entry of entries) {
    const image = byDigest.get(entry.digest) ?? { entry, names: [] };
    const name = nameOf(entry);
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
    byDigest.set(entry.digest, image);
  }
  return [...byDigest.values()].map(({ entry, names }) => ({ names, source: source(entry) }));
}

/** `index.json`, and those of its descriptors that name an image or index. */
async function readLayout(tree: Tree): Promise<{ top: RawManifest; entries: Descriptor[] }> {
  const version = stringAt(
    parseObject(await readSmall(tree, LAYOUT_FILE, 4096), 4096, LAYOUT_FILE),
    'imageLayoutVersion',
    LAYOUT_FILE,
  );
  if (version !== '1.0.0')
    throw malformed(`${tree.name}: ${LAYOUT_FILE}`, `has the version ${quote(version)}, not 1.0.0`);
  const bytes = await readSmall(tree, INDEX_FILE, MAX_MANIFEST_BYTES);
  const parsed = parseManifest(bytes, MEDIA.ociIndex, `${tree.name}: ${INDEX_FILE}`);
  if (parsed.kind !== 'index') throw malformed(`${tree.name}: ${INDEX_FILE}`, 'is no index');
  const entries = parsed.index.manifests.filter(
    ({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType),
  );
  return { top: { bytes, mediaType: MEDIA.ociIndex, digest: digestOf(bytes) }, entries };
}

function isOneIndex(entries: readonly Descriptor[]): boolean {
  const nameless = entries.every((entry) => nameOf(entry) === undefined);
  return entries.length > 1 && nameless && entries.every(({ platform }) => platform !== undefined);
}

/** Closes what was opened, and passes the error on. */
function closing(...trees: readonly Tree[]): (error: unknown) => Promise<never> {
  return async (error) => {
    for (const tree of new Set(trees)) await tree.close();
    throw error;
  };
}

/** The full name that a descriptor of `index.json` has. A short one is a local name, as at podman. */
function nameOf(entry: Descriptor): string | undefined {
  for (const annotation of NAME_ANNOTATIONS) {
    const name = entry.annotations?.[annotation];
    if (name === undefined || name === '') continue;
    try {
      return formatReference(withDefaultTag(parseReference(isShortName(name) ? `localhost/${name}` : name)));
    } catch (error) {
      // The annotation is free text: what is no name is no reason to refuse the image.
      if (!VainaError.is(error, 'ERR_INVALID_REFERENCE')) throw error;
    }
  }
  return undefined;
}

class LayoutSource implements ImageSource {
  readonly name: string;
  readonly #owned: Tree | undefined;
  readonly #blobs: Tree;
  readonly #prefix: string;
  readonly #top: RawManifest | Descriptor;

  /**
   * @param owned - the tree of the layout, to be closed with the source
   * @param blobs - the same tree, or a shared directory of blobs, which is closed too
   * @param top - what the source names
   */
  constructor(name: string, owned: Tree | undefined, blobs: Tree, top: RawManifest | Descriptor) {
    this.name = name;
    this.#owned = owned;
    this.#blobs = blobs;
    this.#prefix = owned === undefined || owned === blobs ? 'blobs/' : '';
    this.#top = top;
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    const top = this.#top;
    if ('bytes' in top && (digest === undefined || digest === top.digest)) return top;
    const wanted = digest ?? top.digest;
    const entry = 'size' in top && top.digest === wanted ? top : undefined;
    const bytes = await readSmall(this.#blobs, this.#pathOf(wanted), MAX_MANIFEST_BYTES);
    verifyBytes(bytes, entry ?? { digest: wanted }, `manifest ${wanted}`);
    return { bytes, mediaType: entry?.mediaType ?? '', digest: wanted };
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    return this.#blobs.stream(this.#pathOf(descriptor.digest));
  }

  async close(): Promise<void> {
    // Without one, the tree belongs to an archive.
    if (this.#owned === undefined) return;
    await this.#owned.close();
    if (this.#blobs !== this.#owned) await this.#blobs.close();
  }

  #pathOf(digest: Digest): string {
    return `${this.#prefix}${algorithmOf(digest)}/${hexOf(digest)}`;
  }
}
