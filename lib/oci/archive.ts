import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { openDockerTree } from './docker-archive.js';
import { fileFailure } from './failure.js';
import { isLayout, openLayoutTree } from './oci-layout.js';
import type { SpoolOptions } from './spool.js';
import { TarTree } from './tar-tree.js';
import { DirectoryTree, type Tree } from './tree.js';
import type { ImageSource } from './types.js';

/** Images that lie together in a file or directory. */
export interface ImageArchive {
  readonly format: 'docker-archive' | 'oci-archive' | 'oci-layout';
  /** In the order of the archive. The sources need not be closed; they end with the archive. */
  readonly images: readonly ArchivedImage[];
  /** Releases the archive, and its temporary file if there is one. */
  close(): Promise<void>;
}

/** One image of an archive. */
export interface ArchivedImage {
  /** Its full names, with tags; none for an image without a name. */
  readonly names: readonly string[];
  readonly source: ImageSource;
}

/**
 * Opens what holds images: a docker-archive (as `docker save` writes), an oci-archive (a tar of an OCI layout) or the
 * directory of an OCI layout. An archive may be compressed with gzip or zstd. An archive that is both is taken as a
 * docker-archive, as at podman.
 *
 * @param input - a path, or the bytes of an archive; a stream, or a compressed file, is kept in a nameless temporary
 * file until {@link ImageArchive.close}
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_INVALID_IMAGE`, `ERR_UNSUPPORTED`, `ERR_NO_SPACE`
 */
export async function openArchive(
  input: string | Readable,
  options: SpoolOptions = {},
): Promise<ImageArchive> {
  const directory = typeof input === 'string' && (await isDirectory(input));
  const tree = directory ? await DirectoryTree.open(input) : await TarTree.open(input, options);
  try {
    if (!directory && (await tree.size('manifest.json')) !== undefined) {
      return archive('docker-archive', tree, await openDockerTree(tree));
    }
    if (await isLayout(tree)) {
      return archive(directory ? 'oci-layout' : 'oci-archive', tree, await openLayoutTree(tree));
    }
    if ((await tree.size('repositories')) !== undefined) {
      throw new VainaError('ERR_UNSUPPORTED', `${tree.name} is a docker-archive from before Docker 1.10`);
    }
    throw new VainaError(
      'ERR_INVALID_IMAGE',
      `${tree.name} has neither manifest.json nor oci-layout: it holds no images`,
      {
        hint: 'a tar of a root file system is taken by import',
      },
    );
  } catch (error) {
    await tree.close();
    throw error;
  }
}

function archive(format: ImageArchive['format'], tree: Tree, images: ArchivedImage[]): ImageArchive {
  return { format, images, close: () => tree.close() };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fileFailure(error, path);
  }
}
