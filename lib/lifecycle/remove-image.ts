import { VainaError } from '../errors.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { countOf, unmountImage } from './mount-image.js';
import { removeContainer } from './remove.js';

/** What the removal of an image took away. */
export interface RemoveImageResult {
  /** Names that are gone. */
  untagged: string[];
  /** Ids of images that are gone. */
  deleted: string[];
}

/** Removes an image with all its names; with force, the containers made of it first. */
export async function removeImage(
  context: Context,
  id: string,
  options: { force?: boolean },
): Promise<RemoveImageResult> {
  const { store } = context;
  const names = store.images.get(id)?.names ?? [];
  if (options.force) {
    for (const container of store.containers.ofImage(id)) {
      await removeContainer(context, container.id, { force: true });
    }
  }
  if (countOf(context, id) > 0) {
    if (!options.force)
      throw new VainaError('ERR_IN_USE', `the image ${names[0] ?? id} is mounted`, {
        subject: id,
        hint: 'unmount it first',
      });
    await unmountImage(context, id, { force: true });
  }
  await store.deleteImage(id);
  context.users.delete(id);
  context.trees.delete(id);
  publishImage('remove', id);
  return { untagged: [...names], deleted: [id] };
}
