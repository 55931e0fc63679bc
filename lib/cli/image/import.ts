import { oneOrTwo } from '../arguments.js';
import { flag } from '../flags.js';
import { progressPrinter } from '../progress.js';
import { verb } from '../verb.js';

interface ImportGiven {
  arch?: string;
  change?: string[];
  message?: string;
  os?: string;
  quiet?: boolean;
  variant?: string;
}

/** `vaina import` */
export const importImage = verb<ImportGiven>({
  usage: 'PATH [REFERENCE]',
  flags: [
    flag('--arch <string>', 'Set the architecture of the imported image', 'string'),
    flag(
      '-c, --change <stringArray>',
      'Apply an instruction (CMD, ENTRYPOINT, ENV, …) to the created image',
      'list',
    ),
    flag('-m, --message <string>', 'Set commit message for imported image', 'string'),
    flag('--os <string>', 'Set the OS of the imported image', 'string'),
    flag('-q, --quiet', 'Suppress output'),
    flag('--variant <string>', 'Set the variant of the imported image', 'string'),
  ],
  async run(session, args, given) {
    const [path, reference] = oneOrTwo(args);
    const engine = await session.engine();
    const { arch, change, message, os, variant } = given;
    const options = {
      ...(reference === undefined ? {} : { reference }),
      ...(change === undefined ? {} : { changes: change }),
      ...(message === undefined ? {} : { message }),
      ...(os === undefined ? {} : { os }),
      ...(arch === undefined ? {} : { arch }),
      ...(variant === undefined ? {} : { variant }),
      ...(given.quiet ? {} : { onProgress: progressPrinter(session) }),
    };
    const source = path === '-' ? session.host.stdin() : path;
    const image = await session.abortable((signal) => engine.images.import(source, { ...options, signal }));
    session.print(`sha256:${image.id}`);
    return 0;
  },
});
