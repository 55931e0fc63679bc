import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { wantsJson } from '../format.js';
import { json } from '../template.js';
import { verb } from '../verb.js';

interface MountGiven {
  all?: boolean;
  force?: boolean;
  format?: string;
}

/** `vaina image mount` */
export const mount = verb<MountGiven>({
  usage: '[IMAGE...]',
  flags: [
    flag('-a, --all', 'Mount all images'),
    flag('--format <string>', 'Print the mounted images in specified format (json)', 'string'),
  ],
  async run(session, args, given) {
    if (given.all && args.length > 0)
      throw new CommandError('when using the --all switch, you may not pass any image names or IDs');
    const { images } = await session.engine();
    const targets = given.all ? (await images.list()).map(({ id }) => id) : args;
    if (targets.length === 0 && !given.all) {
      const mounted = await images.mounted();
      if (wantsJson(given.format)) {
        const rows = mounted.map(({ id, names, path }) => ({ id, Repositories: names, mountpoint: path }));
        session.print(json(rows, 1));
      } else {
        for (const { id, names, path } of mounted) session.print(`${names[0] ?? id}  ${path}`);
      }
      return 0;
    }
    let worst = 0;
    for (const target of targets) {
      try {
        const path = await (await images.get(target)).mount();
        session.print(targets.length > 1 || given.all ? `${target}  ${path}` : path);
      } catch (error) {
        worst = session.complain(error);
      }
    }
    return worst;
  },
});

/** `vaina image unmount` */
export const unmount = verb<MountGiven>({
  usage: 'IMAGE [IMAGE...]',
  flags: [
    flag('-a, --all', 'Unmount all of the currently mounted images'),
    flag('-f, --force', 'Force the complete unmount of the specified mounted images'),
  ],
  async run(session, args, given) {
    if (given.all && args.length > 0)
      throw new CommandError('when using the --all switch, you may not pass any image names or IDs');
    if (!given.all && args.length === 0) throw new CommandError('image name or ID must be specified');
    const { images } = await session.engine();
    const targets = given.all ? (await images.mounted()).map(({ id }) => id) : args;
    let worst = 0;
    for (const target of targets) {
      try {
        const image = await images.get(target);
        if (await image.unmount({ force: given.force ?? false })) session.print(image.id);
        else if (!given.force) throw new CommandError(`image ${target} is not mounted`);
      } catch (error) {
        worst = session.complain(error);
      }
    }
    return worst;
  },
});
