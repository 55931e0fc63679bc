import { atLeast } from '../arguments.js';
import type { Library, LibraryImage, LibraryList } from '../library.js';
import { verb } from '../verb.js';

/** The image, or the manifest list itself, not its image for this host. */
export async function named(engine: Library, name: string): Promise<LibraryImage | LibraryList> {
  return (await engine.manifests.exists(name)) ? engine.manifests.get(name) : engine.images.get(name);
}

/** `vaina tag` */
export const tag = verb({
  usage: 'IMAGE TARGET_NAME [TARGET_NAME...]',
  flags: [],
  async run(session, args) {
    atLeast(args, 2);
    const [source, ...names] = args as [string, ...string[]];
    const image = await named(await session.engine(), source);
    for (const name of names) await image.tag(name);
    return 0;
  },
});

/** `vaina untag` */
export const untag = verb({
  usage: 'IMAGE [IMAGE...]',
  flags: [],
  async run(session, args) {
    atLeast(args, 1);
    const [source, ...names] = args as [string, ...string[]];
    const image = await named(await session.engine(), source);
    // Without names, podman takes all of them away.
    if (names.length === 0) await image.untag();
    for (const name of names) await image.untag(name);
    return 0;
  },
});
