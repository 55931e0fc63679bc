import { readFileSync } from 'node:fs';
import { CommandError } from '../errors.js';
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
    let manifest: Buffer;
    try {
      manifest = readFileSync(path);
    } catch (error) {
      throw new CommandError(`Error reading manifest from ${path}: ${(error as Error).message}`);
    }
    session.print(session.jobs().manifestDigest(manifest));
    return 0;
  },
});
