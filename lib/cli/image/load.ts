import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { progressPrinter } from '../progress.js';
import { verb } from '../verb.js';

interface LoadGiven {
  input?: string;
  quiet?: boolean;
}

/** `vaina load` */
export const load = verb<LoadGiven>({
  summary: 'Load image(s) from a tar archive',
  usage: '',
  flags: [
    flag('-i, --input <string>', 'Read from specified archive file (default: stdin)', 'string'),
    flag('-q, --quiet', 'Suppress the output'),
  ],
  async run(session, args, given) {
    if (args.length > 0) throw new CommandError(`accepts 0 arg(s), received ${args.length}`);
    if (given.input === undefined && session.host.isTerminal(0)) {
      throw new CommandError('cannot read from terminal, use command-line redirection or the --input flag');
    }
    const engine = await session.engine();
    const source = given.input ?? session.host.stdin();
    const progress = given.quiet ? {} : { onProgress: progressPrinter(session) };
    const images = await session.abortable((signal) => engine.images.load(source, { ...progress, signal }));
    for (const image of images) {
      const names = image.names.length > 0 ? image.names : [`sha256:${image.id}`];
      for (const name of names) session.print(`Loaded image: ${name}`);
    }
    return 0;
  },
});
