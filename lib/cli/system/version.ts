import { noArguments } from '../arguments.js';
import { flag } from '../flags.js';
import { formatObject, wantsJson } from '../format.js';
import { hostArchitecture } from '../platform.js';
import { table } from '../table.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { packageVersion } from '../../util/version.js';

/** `vaina version` */
export const version = verb<{ format?: string }>({
  usage: '',
  flags: [flag('-f, --format <string>', 'Change the output format to JSON or a Go template', 'string')],
  async run(session, args, given) {
    noArguments(session.path, args);
    const client = {
      Version: packageVersion(),
      NodeVersion: process.version,
      OsArch: `${process.platform}/${hostArchitecture()}`,
      Os: process.platform,
    };
    if (given.format === undefined) {
      session.out(
        table([
          ['Client:', 'Vaina Engine'],
          ['Version:', client.Version],
          ['Node Version:', client.NodeVersion],
          ['OS/Arch:', client.OsArch],
        ]),
      );
    } else if (wantsJson(given.format)) {
      session.print(json({ Client: client }));
    } else {
      // There is no server: what asks for one gets the same answer, as from podman.
      session.out(formatObject('version', given.format, { Client: client, Server: client, ...client }));
    }
    return 0;
  },
});
