import { UsageError } from '../errors.js';
import { verb } from '../verb.js';
import { storeFor } from './copy-options.js';
import { endFlags, endOf, imageGlobalFlags, jobOptions, retryFlags, type ImageGlobalGiven } from './flags.js';

/** `vaina delete` */
export const deleteImage = verb<ImageGlobalGiven>({
  usage: 'IMAGE-NAME',
  failure: 1,
  flags: [...endFlags('', false, true), ...retryFlags(), ...imageGlobalFlags()],
  async run(session, args, given) {
    const [name] = args;
    if (name === undefined || args.length !== 1) throw new UsageError('exactly one argument expected');
    const options = {
      ...endOf('', given),
      ...jobOptions(given),
      ...(await storeFor(session, args)),
    };
    await session.abortable((signal) => session.jobs.transports.deleteImage(name, { ...options, signal }));
    return 0;
  },
});
