import { oneArgument } from '../arguments.js';
import { verb, type Verb } from '../verb.js';

/** `vaina container exists` and `vaina image exists`: the exit code is the answer. */
export function exists(type: 'container' | 'image'): Verb {
  return verb({
    usage: type.toUpperCase(),
    flags: [],
    async run(session, args) {
      const name = oneArgument(args);
      const engine = await session.engine();
      const known =
        type === 'image' ? await engine.images.exists(name) : await engine.containers.exists(name);
      return known ? 0 : 1;
    },
  });
}
