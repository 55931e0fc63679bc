import { VainaError } from '../errors.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { localName } from './image-names.js';

/** Gives an image one more name; another image that had the name loses it. */
export async function tagImage(context: Context, id: string, name: string): Promise<void> {
  const full = localName(name);
  await context.store.images.tag(id, full);
  publishImage('tag', id, { name: full });
}

/** Takes one name, or all names, away from an image. */
export async function untagImage(context: Context, id: string, name: string | undefined): Promise<void> {
  const { images } = context.store;
  const names = name === undefined ? (images.get(id)?.names ?? []) : [nameOf(context, id, name)];
  for (const one of names) if (await images.untag(one)) publishImage('untag', id, { name: one });
}

function nameOf({ store }: Context, id: string, name: string): string {
  const found = store.images.find(name);
  if (found.image.id === id && found.name !== undefined) return found.name;
  throw new VainaError('ERR_NO_SUCH_IMAGE', `${name} is no name of the image ${id}`, { subject: name });
}
