import { oneArgument } from '../arguments.js';
import { verb, type Verb } from '../verb.js';

/** `vaina container exists`, `vaina image exists` and `vaina manifest exists`: the exit code is the answer. */
export function exists(type: 'container' | 'image' | 'manifest'): Verb {
  return verb({
    usage: type.toUpperCase(),
    flags: [],
    async run(session, args) {
      const name = oneArgument(args);
      const engine = await session.engine();
      return (await engine[`${type}s`].exists(name)) ? 0 : 1;
    },
  });
}
