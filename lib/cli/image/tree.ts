import { oneArgument } from '../arguments.js';
import { flag } from '../flags.js';
import { humanSize } from '../human.js';
import { verb } from '../verb.js';

/** `vaina image tree` */
export const tree = verb<{ whatrequires?: boolean }>({
  usage: 'IMAGE',
  flags: [flag('--whatrequires', 'Show all child images and layers of the specified image')],
  async run(session, args, given) {
    const name = oneArgument(args);
    const image = await (await session.engine()).images.get(name);
    const { id, names, size, layers } = await image.tree({ whatRequires: given.whatrequires ?? false });
    session.print(`Image ID: ${id.slice(0, 12)}`);
    session.print(`Tags:     [${names.join(' ')}]`);
    session.print(`Size:     ${humanSize(size, 4, '')}`);
    session.print(layers.length > 0 ? 'Image Layers' : 'No Image Layers');
    for (const [index, layer] of layers.entries()) {
      const branch = index === layers.length - 1 ? '└──' : '├──';
      const top = layer.topOf.length > 0 ? ` Top Layer of: [${layer.topOf.join(' ')}]` : '';
      session.print(
        `${branch} ID: ${layer.id.slice(0, 12)} Size: ${humanSize(layer.size, 4, '').padStart(7)}${top}`,
      );
    }
    session.print('');
    return 0;
  },
});
