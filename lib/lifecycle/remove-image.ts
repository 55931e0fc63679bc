import type { Context } from './context.js';
import { publish } from './events.js';
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
  await store.deleteImage(id);
  context.users.delete(id);
  publish('image-remove', id);
  return { untagged: [...names], deleted: [id] };
}
