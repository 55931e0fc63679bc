import { atLeast } from '../arguments.js';
import { verb } from '../verb.js';

/** `vaina tag` */
export const tag = verb({
  summary: 'Add an additional name to a local image',
  usage: 'IMAGE TARGET_NAME [TARGET_NAME...]',
  flags: [],
  async run(session, args) {
    atLeast(args, 2);
    const [source, ...names] = args as [string, ...string[]];
    const image = await (await session.engine()).images.get(source);
    for (const name of names) await image.tag(name);
    return 0;
  },
});

/** `vaina untag` */
export const untag = verb({
  summary: 'Remove a name from a local image',
  usage: 'IMAGE [IMAGE...]',
  flags: [],
  async run(session, args) {
    atLeast(args, 1);
    const [source, ...names] = args as [string, ...string[]];
    const image = await (await session.engine()).images.get(source);
    // Without names, podman takes all of them away.
    if (names.length === 0) await image.untag();
    for (const name of names) await image.untag(name);
    return 0;
  },
});
