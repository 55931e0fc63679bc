import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import type { RemoveImageResult } from '../../index.js';
import type { Library } from '../library.js';
import { verb } from '../verb.js';
import { named } from './tag.js';

interface RmiGiven {
  all?: boolean;
  force?: boolean;
  ignore?: boolean;
}

/** A named image does not exist. */
const EXIT_MISSING = 1;
/** An image is used by a container. */
const EXIT_IN_USE = 2;

/** `vaina rmi` */
export const rmi = verb<RmiGiven>({
  usage: 'IMAGE [IMAGE...]',
  flags: [
    flag('-a, --all', 'Remove all images'),
    flag('-f, --force', 'Force Removal of the image'),
    flag('-i, --ignore', 'Ignore errors if a specified image does not exist'),
    flag(
      '--no-prune',
      'Do not remove dangling images: no image has a parent here, so that this changes nothing',
    ),
  ],
  async run(session, args, given) {
    if (given.all && args.length > 0)
      throw new CommandError('when using the --all switch, you may not pass any images names or IDs');
    if (!given.all && args.length === 0) throw new CommandError('image name or ID must be specified');
    const engine = await session.engine();
    const force = given.force ?? false;
    // Lists first: images that came with one go with it.
    const all = given.all ? await engine.images.list({ all: true }) : [];
    const first = [...all.filter((row) => row.manifestList), ...all.filter((row) => !row.manifestList)];
    const targets = given.all ? first.map((row) => row.id) : args;
    let worst = 0;
    for (const target of targets) {
      try {
        // All of its names go with an image that --all found.
        const { untagged, deleted } = await remove(engine, target, force, given.all ?? false);
        for (const name of untagged) session.print(`Untagged: ${name}`);
        for (const id of deleted) session.print(`Deleted: ${id}`);
      } catch (error) {
        const missing = VainaError.is(error, 'ERR_NO_SUCH_IMAGE');
        if (missing && (force || given.ignore || given.all)) continue;
        const code = session.complain(error);
        worst = Math.max(
          worst,
          missing ? EXIT_MISSING : VainaError.is(error, 'ERR_IN_USE') ? EXIT_IN_USE : code,
        );
      }
    }
    return worst;
  },
});

async function remove(
  engine: Library,
  target: string,
  force: boolean,
  whole: boolean,
): Promise<RemoveImageResult> {
  const image = await named(engine, target);
  const before = [...image.names];
  const byId = image.id.startsWith(target.replace(/^sha256:/, ''));
  if (byId && before.length > 1 && !force && !whole) {
    throw new CommandError(
      `unable to delete image "${image.id}" by ID with more than one tag ([${before.join(' ')}]): please force removal`,
    );
  }
  const isList = 'delete' in image;
  if (byId || whole || before.length <= 1) return isList ? image.delete() : image.remove({ force });
  // With several names it loses only the one it was called by.
  await image.untag(target);
  const after = (await (isList ? engine.manifests : engine.images).get(image.id)).names;
  return { untagged: before.filter((known) => !after.includes(known)), deleted: [] };
}
