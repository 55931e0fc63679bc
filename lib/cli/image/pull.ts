import { atLeast } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import {
  pullPolicy,
  retryFlags,
  retryOptions,
  transferFlags,
  transferOptions,
  type RetryGiven,
  type TransferGiven,
} from '../transfer.js';
import { verb } from '../verb.js';

interface PullGiven extends TransferGiven, RetryGiven {
  allTags?: boolean;
  decryptionKey?: string[];
  policy?: string;
  signaturePolicy?: string;
}

/** `vaina pull` */
export const pull = verb<PullGiven>({
  usage: 'IMAGE [IMAGE...]',
  flags: [
    ...transferFlags(),
    ...retryFlags(),
    flag('-a, --all-tags', 'All tagged images in the repository will be pulled'),
    flag('--decryption-key <strings>', 'Refused: there is no encryption of layers', 'slice'),
    flag('--disable-content-trust', 'This is a Docker specific option and is a NOOP'),
    flag(
      '--policy <string>',
      'Pull image policy (always, missing, never, newer) (default "always")',
      'string',
    ),
    flag('--signature-policy <string>', 'Path to a trust policy file', 'string'),
  ],
  async run(session, args, given) {
    atLeast(args, 1);
    if (given.decryptionKey) throw new CommandError('--decryption-key: there is no encryption of layers');
    const policy = given.policy === undefined ? {} : { policy: pullPolicy(given.policy) };
    const retry = retryOptions(given);
    const { signaturePolicy: trustPolicy } = given;
    const { images } = await session.engine();
    let worst = 0;
    for (const reference of args) {
      try {
        const options = {
          ...transferOptions(session, given),
          ...retry,
          ...policy,
          ...(trustPolicy !== undefined && { trustPolicy }),
        };
        const pulled = await session.abortable(async (signal) =>
          given.allTags
            ? images.pull(reference, { ...options, signal, allTags: true })
            : [await images.pull(reference, { ...options, signal })],
        );
        for (const { id } of pulled) session.print(id);
      } catch (error) {
        worst = session.complain(error);
      }
    }
    return worst;
  },
});
