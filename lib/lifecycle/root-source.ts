import { statSync } from 'node:fs';
import { VainaError } from '../errors.js';
import type { ContainerOptions } from '../spec/options.js';
import type { Context } from './context.js';

/** The trees that the root file system of a container is made of, top first. */
export function treesOf(
  context: Context,
  imageId: string | undefined,
  options: ContainerOptions,
): readonly string[] {
  if (imageId !== undefined) {
    // The layers of an id never change. That the image is still there, the entry of a new container makes sure of.
    let known = context.trees.get(imageId);
    if (!known) context.trees.set(imageId, (known = context.store.layers.lowerDirectories(imageId)));
    return known;
  }
  const path = (options.rootfs ?? '').replace(/:O$/, '');
  let directory: boolean;
  try {
    directory = statSync(path).isDirectory();
  } catch (error) {
    throw new VainaError('ERR_NO_SUCH_PATH', `the root file system ${path} does not exist`, {
      path,
      cause: error,
    });
  }
  if (directory) return [path];
  throw new VainaError('ERR_INVALID_OPTION', `the root file system ${path} is not a directory`, { path });
}
