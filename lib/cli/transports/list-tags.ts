import { UsageError } from '../errors.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { endFlags, endOf, imageGlobalFlags, jobOptions, retryFlags, type ImageGlobalGiven } from './flags.js';

/** `vaina list-tags` */
export const listTags = verb<ImageGlobalGiven>({
  usage: 'SOURCE-IMAGE',
  failure: 1,
  flags: [...endFlags('', false, false), ...retryFlags(), ...imageGlobalFlags()],
  async run(session, args, given) {
    const [name] = args;
    if (name === undefined || args.length !== 1)
      throw new UsageError('exactly one non-option argument expected');
    const options = { ...endOf('', given), ...jobOptions(given) };
    const { repository, tags } = await session.abortable((signal) =>
      session.jobs.transports.listTags(name, { ...options, signal }),
    );
    session.print(json({ ...(repository !== undefined && { Repository: repository }), Tags: tags }, 4));
    return 0;
  },
});
