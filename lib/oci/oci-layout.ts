import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { ArchivedImage } from './archive.js';
import { algorithmOf, digestOf, hexOf, verifyBytes } from './digest.js';
import { malformed, parseObject, stringAt } from './guards.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import { parseManifest } from './manifest.js';
import { isIndexType, isManifestType, MEDIA } from './mediatypes.js';
import { formatReference, isShortName, parseReference, withDefaultTag } from './reference.js';
import { readSmall, type Tree } from './tree.js';
import type { Descriptor, Digest, ImageSource, RawManifest } from './types.js';

const LAYOUT_FILE = 'oci-layout';
const INDEX_FILE = 'index.json';
const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'] as const;

/** Whether a tree is an OCI image layout. */
export async function isLayout(tree: Tree): Promise<boolean> {
  return (await tree.size(LAYOUT_FILE)) !== undefined && (await tree.size(INDEX_FILE)) !== undefined;
}

/**
 * The images of an OCI image layout (image-spec, image-layout.md): one for each image or index in `index.json`. Where
 * none of them has a name and all have a platform, `index.json` is one image for several platforms.
 *
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export async function openLayoutTree(tree: Tree): Promise<ArchivedImage[]> {
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
  const images = parsed.index.manifests.filter(
    ({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType),
  );
  const nameless = images.every((entry) => nameOf(entry) === undefined);
  if (images.length > 1 && nameless && images.every(({ platform }) => platform !== undefined)) {
    const top: RawManifest = { bytes, mediaType: MEDIA.ociIndex, digest: digestOf(bytes) };
    return [{ names: [], source: new LayoutSource(tree, () => Promise.resolve(top)) }];
  }
  // One image with several names has several descriptors.
  const byDigest = new Map<Digest, { entry: Descriptor; names: string[] }>();
  for (const entry of images) {
    const image = byDigest.get(entry.digest) ?? { entry, names: [] };
    const name = nameOf(entry);
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
    byDigest.set(entry.digest, image);
  }
  return [...byDigest.values()].map(({ entry, names }) => ({
    names,
    source: new LayoutSource(tree, () => readManifest(tree, entry.digest, entry)),
  }));
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
  readonly #tree: Tree;
  readonly #top: () => Promise<RawManifest>;

  constructor(tree: Tree, top: () => Promise<RawManifest>) {
    this.name = tree.name;
    this.#tree = tree;
    this.#top = top;
  }

  async manifest(digest?: Digest): Promise<RawManifest> {
    return digest === undefined ? this.#top() : readManifest(this.#tree, digest);
  }

  async blob(descriptor: Descriptor): Promise<Readable> {
    return this.#tree.stream(blobPath(descriptor.digest));
  }

  async close(): Promise<void> {
    // The tree belongs to the archive.
  }
}

async function readManifest(tree: Tree, digest: Digest, entry?: Descriptor): Promise<RawManifest> {
  const bytes = await readSmall(tree, blobPath(digest), MAX_MANIFEST_BYTES);
  verifyBytes(bytes, entry ?? { digest }, `manifest ${digest}`);
  return { bytes, mediaType: entry?.mediaType ?? '', digest };
}

function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
