import { atLeast, keyValue, oneArgument, oneOrTwo } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag, type Flag } from '../flags.js';
import type { ListEntryOptions } from '../../index.js';
import { json } from '../template.js';
import { accessFlags, accessOptions, type AccessGiven } from '../transfer.js';
import { verb } from '../verb.js';

interface EntryGiven extends AccessGiven {
  all?: boolean;
  annotation?: string[];
  arch?: string;
  features?: string[];
  os?: string;
  osFeatures?: string[];
  osVersion?: string;
  variant?: string;
}

const entryFlags = (): Flag[] => [
  flag('--annotation <annotation>', 'Set an annotation for the specified image', 'list'),
  flag('--arch <architecture>', 'Override the architecture of the specified image', 'string'),
  flag('--features <features>', 'Override the features of the specified image', 'slice'),
  flag('--os <OS>', 'Override the OS of the specified image', 'string'),
  flag('--os-features <features>', 'Override the OS features of the specified image', 'slice'),
  flag('--os-version <version>', 'Override the OS version of the specified image', 'string'),
  flag('--variant <Variant>', 'Override the Variant of the specified image', 'string'),
];

function entryOptions(given: EntryGiven): ListEntryOptions {
  const { annotation, arch, features, os, osFeatures, osVersion, variant } = given;
  return {
    ...(annotation === undefined ? {} : { annotations: pairs(annotation) }),
    ...(arch === undefined ? {} : { arch }),
    ...(features === undefined ? {} : { features }),
    ...(os === undefined ? {} : { os }),
    ...(osFeatures === undefined ? {} : { osFeatures }),
    ...(osVersion === undefined ? {} : { osVersion }),
    ...(variant === undefined ? {} : { variant }),
  };
}

function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      if (!text.includes('=')) throw new CommandError(`no value given for annotation "${text}"`);
      return keyValue(text);
    }),
  );
}

/** `vaina manifest create` */
export const create = verb<AccessGiven & { all?: boolean; amend?: boolean; annotation?: string[] }>({
  usage: 'LIST [IMAGE...]',
  flags: [
    flag('--all', "Add all of the lists' images if the images to add are lists"),
    flag('-a, --amend', 'Modify an existing list if one with the desired name already exists'),
    flag('--annotation <annotation>', 'Set an annotation for the list', 'list'),
    ...accessFlags(),
  ],
  async run(session, args, given) {
    atLeast(args, 1);
    const [name, ...images] = args as [string, ...string[]];
    const { all, amend, annotation } = given;
    const list = await (
      await session.engine()
    ).manifests.create(name, images, {
      ...accessOptions(given),
      ...(all === undefined ? {} : { all }),
      ...(amend === undefined ? {} : { amend }),
      ...(annotation === undefined ? {} : { annotations: pairs(annotation) }),
    });
    session.print(list.id);
    return 0;
  },
});

/** `vaina manifest add` */
export const add = verb<EntryGiven>({
  usage: 'LIST IMAGE [IMAGE...]',
  flags: [
    flag('--all', "Add all of the list's images if the image is a list"),
    ...entryFlags(),
    ...accessFlags(),
  ],
  async run(session, args, given) {
    atLeast(args, 2);
    const [name, ...images] = args as [string, ...string[]];
    const list = await (await session.engine()).manifests.get(name);
    const options = {
      ...entryOptions(given),
      ...accessOptions(given),
      ...(given.all === undefined ? {} : { all: given.all }),
    };
    for (const image of images) await list.add(image, options);
    session.print(list.id);
    return 0;
  },
});

/** `vaina manifest annotate` */
export const annotate = verb<EntryGiven & { index?: boolean }>({
  usage: 'LIST [IMAGE]',
  flags: [
    ...entryFlags(),
    flag('--index', 'Apply --annotation values to the image index itself; no image is named then'),
  ],
  async run(session, args, given) {
    const [name, image] = oneOrTwo(args);
    if (given.index && image !== undefined)
      throw new CommandError(`did not expect image name "${image}" when modifying the entire index`);
    if (!given.index && image === undefined)
      throw new CommandError('expected an instance digest or image name');
    const engine = await session.engine();
    const list = await engine.manifests.get(name);
    const digest =
      image === undefined || image.startsWith('sha256:') ? image : (await engine.images.get(image)).digest;
    await list.annotate(digest, entryOptions(given));
    session.print(list.id);
    return 0;
  },
});

/** `vaina manifest inspect` */
export const inspect = verb({
  usage: 'IMAGE',
  flags: [],
  async run(session, args) {
    const name = oneArgument(args);
    session.print(json(await (await (await session.engine()).manifests.get(name)).inspect(), 4));
    return 0;
  },
});

/** `vaina manifest remove` */
export const remove = verb({
  usage: 'LIST IMAGE',
  flags: [],
  async run(session, args) {
    const [name, digest] = args;
    if (name === undefined || digest === undefined || args.length > 2)
      throw new CommandError(`accepts 2 arg(s), received ${args.length}`);
    const list = await (await session.engine()).manifests.get(name);
    await list.remove(digest);
    session.print(list.id);
    return 0;
  },
});

/** `vaina manifest rm` */
export const rm = verb({
  usage: 'LIST [LIST...]',
  flags: [],
  async run(session, args) {
    atLeast(args, 1);
    const engine = await session.engine();
    let worst = 0;
    for (const name of args) {
      try {
        const { untagged, deleted } = await (await engine.manifests.get(name)).delete();
        for (const one of untagged) session.print(`Untagged: ${one}`);
        for (const id of deleted) session.print(`Deleted: ${id}`);
      } catch (error) {
        worst = session.complain(error);
      }
    }
    return worst;
  },
});
