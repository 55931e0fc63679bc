import { verb } from '../verb.js';
import { createFlags, type CreateGiven } from './create-flags.js';
import { makeContainer } from './make.js';

/** `vaina create` */
export const create = verb<CreateGiven>({
  usage: 'IMAGE [COMMAND [ARG...]]',
  flags: createFlags(),
  stopsAtArgument: true,
  async run(session, args, given) {
    const container = await makeContainer(session, args, given);
    session.print(container.id);
    return 0;
  },
});
