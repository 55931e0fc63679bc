import { CommandError } from '../errors.js';
import { readInput } from '../files.js';
import { verb } from '../verb.js';
import { imageGlobalFlags } from './flags.js';

/** `vaina manifest-digest` */
export const manifestDigest = verb({
  usage: 'MANIFEST-FILE',
  failure: 1,
  flags: imageGlobalFlags(),
  async run(session, args) {
    const [path] = args;
    if (path === undefined || args.length !== 1) throw new CommandError(`Usage: ${session.path} manifest`);
    const manifest = readInput(path, `Error reading manifest from ${path}`);
    session.print(session.jobs.transports.manifestDigest(manifest));
    return 0;
  },
});
