import { atLeast } from '../arguments.js';
import { transferFlags, transferOptions, type TransferGiven } from '../transfer.js';
import { verb } from '../verb.js';

/** `vaina pull` */
export const pull = verb<TransferGiven>({
  summary: 'Pull an image from a registry',
  usage: 'IMAGE [IMAGE...]',
  flags: transferFlags(),
  async run(session, args, given) {
    atLeast(args, 1);
    const engine = await session.engine();
    let worst = 0;
    for (const reference of args) {
      try {
        if (!given.quiet) session.err(`Trying to pull ${reference}...\n`);
        const options = transferOptions(session, given);
        const image = await session.abortable((signal) =>
          engine.images.pull(reference, { ...options, signal }),
        );
        session.print(image.id);
      } catch (error) {
        worst = session.complain(error);
      }
    }
    return worst;
  },
});
