import { CommandError } from '../errors.js';
import { atLeast } from '../arguments.js';
import { flag } from '../flags.js';
import { accessOptions, type AccessGiven } from '../transfer.js';
import { storeFor } from '../transports/copy-options.js';
import { verb } from '../verb.js';

interface SignGiven extends Pick<AccessGiven, 'authfile' | 'certDir'> {
  all?: boolean;
  directory?: string;
  signBy?: string;
}

/** `vaina image sign` */
export const sign = verb<SignGiven>({
  usage: 'IMAGE [IMAGE...]',
  flags: [
    flag('-a, --all', 'Sign all the manifests of the multi-architecture image'),
    flag('--authfile <string>', 'Path of the authentication file', 'string'),
    flag('--cert-dir <Pathname>', 'Pathname of a directory containing TLS certificates and keys', 'string'),
    flag('-d, --directory <string>', 'Define an alternate directory to store signatures', 'string'),
    flag('--sign-by <string>', 'Name of the signing key', 'string'),
  ],
  async run(session, args, given) {
    const { all, directory, signBy = '' } = given;
    atLeast(args, 1);
    if (signBy === '') throw new CommandError('please provide an identity');
    const options = {
      signBy,
      ...(all && { all }),
      ...accessOptions(given),
      ...(directory !== undefined && { directory }),
      ...(await storeFor(session, args)),
    };
    for (const name of args)
      await session.abortable((signal) => session.jobs.transports.signImage(name, { ...options, signal }));
    return 0;
  },
});
