import { noArguments } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { progressPrinter } from '../progress.js';
import { verb } from '../verb.js';

interface LoadGiven {
  input?: string;
  quiet?: boolean;
  signaturePolicy?: string;
}

/** `vaina load` */
export const load = verb<LoadGiven>({
  usage: '',
  flags: [
    flag(
      '-i, --input <string>',
      'Read from specified archive file, directory or URL (default: stdin)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress the output'),
    flag('--signature-policy <string>', 'Path to a trust policy file', 'string'),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    if (given.input === undefined && session.host.isTerminal(0)) {
      throw new CommandError('cannot read from terminal, use command-line redirection or the --input flag');
    }
    const engine = await session.engine();
    const source = given.input ?? session.host.stdin();
    const { quiet, signaturePolicy: trustPolicy } = given;
    const options = {
      ...(trustPolicy !== undefined && { trustPolicy }),
      ...(!quiet && { onProgress: progressPrinter(session) }),
    };
    const images = await session.abortable((signal) => engine.images.load(source, { ...options, signal }));
    for (const image of images) {
      const names = image.names.length > 0 ? image.names : [`sha256:${image.id}`];
      for (const name of names) session.print(`Loaded image: ${name}`);
    }
    return 0;
  },
});
