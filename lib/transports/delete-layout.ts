import { constants } from 'node:fs';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { VainaError } from '../errors.js';
import { algorithmOf, hexOf } from '../oci/digest.js';
import { fileFailure } from '../oci/failure.js';
import { MAX_MANIFEST_BYTES } from '../oci/limits.js';
import { parseManifest } from '../oci/manifest.js';
import { isIndexType, isManifestType, MEDIA } from '../oci/mediatypes.js';
import { INDEX_FILE, REF_NAME } from '../oci/oci-layout.js';
import { exclusively } from '../oci/staging.js';
import { DirectoryTree, readSmall } from '../oci/tree.js';
import type { Descriptor, Digest, Index } from '../oci/types.js';
import { replaceFile } from '../util/replace-file.js';

/**
 * Takes an image out of an OCI layout: its entry in `index.json`, then the blobs that no other entry leads to. When it
 * is cut short, blobs are left over, never a name without its image. What is written to the layout meanwhile waits.
 *
 * @param name - the reference name; without it, the only image
 * @param shared - the blobs are in a directory that other layouts use: they stay
 * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`, `ERR_NO_SUCH_PATH`, `ERR_INVALID_IMAGE`, `ERR_PERMISSION`,
 * `ERR_HOST_UNSUPPORTED` without flock(1); the reason of the signal
 */
export async function deleteFromLayout(
  path: string,
  name: string | undefined,
  shared: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const tree = await DirectoryTree.open(path);
  try {
    await exclusively(path, signal, () => remove(tree, name, shared));
  } finally {
    await tree.close();
  }
}

async function remove(tree: DirectoryTree, name: string | undefined, shared: boolean): Promise<void> {
  const path = tree.name;
  const file = `${path}/${INDEX_FILE}`;
  const parsed = parseManifest(await readSmall(tree, INDEX_FILE, MAX_MANIFEST_BYTES), MEDIA.ociIndex, file);
  if (parsed.kind !== 'index') throw new VainaError('ERR_INVALID_IMAGE', `${file} is no index`, { path });
  const { index } = parsed;
  const found = choose(index, name, path);
  const left: Index = { ...index, manifests: index.manifests.filter((entry) => entry !== found) };
  const needed = new Set<Digest>();
  if (!shared) for (const entry of left.manifests) await collect(tree, entry, needed);
  const gone = new Set<Digest>();
  if (!shared) await collect(tree, found, gone);
  await replaceFile(file, async () => JSON.stringify(left), 0o644).catch((error: unknown) => {
    throw fileFailure(error, path);
  });
  for (const digest of gone) if (!needed.has(digest)) await removeBlob(path, digest);
}

function choose(index: Index, name: string | undefined, path: string): Descriptor {
  if (name === undefined) {
    const [only, other] = index.manifests;
    if (only && !other) return only;
    const why = only ? 'holds several images: name one' : 'holds no image';
    throw new VainaError(only ? 'ERR_AMBIGUOUS_ID' : 'ERR_NO_SUCH_IMAGE', `${path} ${why}`, { path });
  }
  const at = /^@([0-9]+)$/.exec(name)?.[1];
  const found =
    at === undefined
      ? index.manifests.find(({ annotations }) => annotations?.[REF_NAME] === name)
      : index.manifests[Number(at)];
  if (found) return found;
  throw new VainaError(
    'ERR_NO_SUCH_IMAGE',
    `no descriptor found for reference ${JSON.stringify(name)} in ${path}`,
    {
      subject: name,
    },
  );
}

/** All blobs that a descriptor leads to, itself included; those that are missing too. */
async function collect(tree: DirectoryTree, entry: Descriptor, into: Set<Digest>): Promise<void> {
  if (into.has(entry.digest)) return;
  into.add(entry.digest);
  if (!isIndexType(entry.mediaType) && !isManifestType(entry.mediaType)) return;
  const file = `blobs/${algorithmOf(entry.digest)}/${hexOf(entry.digest)}`;
  if ((await tree.size(file)) === undefined) return;
  const bytes = await readSmall(tree, file, MAX_MANIFEST_BYTES);
  const parsed = parseManifest(bytes, entry.mediaType, `${tree.name}/${file}`);
  const below =
    parsed.kind === 'index' ? parsed.index.manifests : [parsed.manifest.config, ...parsed.manifest.layers];
  for (const one of below) await collect(tree, one, into);
}

/** Removes a blob by descriptors of the directories above it, so that no link in the layout leads elsewhere. */
async function removeBlob(path: string, digest: Digest): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  let at: FileHandle | undefined;
  try {
    at = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    for (const part of ['blobs', algorithmOf(digest)]) {
      const next: FileHandle = await open(`/proc/self/fd/${at.fd}/${part}`, flags);
      await at.close();
      at = next;
    }
    await unlink(`/proc/self/fd/${at.fd}/${hexOf(digest)}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw fileFailure(error, `${path}: blob ${digest}`);
  } finally {
    await at?.close();
  }
}
