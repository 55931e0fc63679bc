import { oneOrTwo } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { progressPrinter } from '../progress.js';
import { verb } from '../verb.js';

/** `vaina image scp` */
export const scp = verb<{ engine?: string; quiet?: boolean }>({
  usage: 'IMAGE [HOST::]',
  flags: [
    flag(
      '--engine <string>',
      'Engine whose store a HOST:: means (vaina, podman) (default vaina; on another machine without it podman)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress the output'),
  ],
  async run(session, args, { engine, quiet = false }) {
    const [source, destination] = oneOrTwo(args);
    if (engine !== undefined && engine !== 'vaina' && engine !== 'podman')
      throw new CommandError(`unknown engine "${engine}": it must be vaina or podman`);
    const { images } = await session.engine();
    const names = await session.abortable((signal) =>
      images.scp(source, destination, {
        signal,
        onWarning: session.warn,
        ...(engine !== undefined && { engine }),
        ...(!quiet && { onProgress: progressPrinter(session) }),
      }),
    );
    if (!quiet) for (const name of names) session.print(`Loaded image: ${name}`);
    return 0;
  },
});
