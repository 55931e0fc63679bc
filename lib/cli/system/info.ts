import { noArguments } from '../arguments.js';
import { flag } from '../flags.js';
import { formatObject, wantsJson } from '../format.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { yaml } from '../yaml.js';

/** `vaina info` */
export const info = verb<{ format?: string }>({
  summary: 'Display system information',
  usage: '',
  flags: [flag('-f, --format <string>', 'Change the output format to JSON or a Go template', 'string')],
  async run(session, args, given) {
    noArguments(session.path, args);
    const value = await (await session.engine()).info();
    if (given.format === undefined) session.out(yaml(value));
    else if (wantsJson(given.format)) session.print(json(value, 2));
    else session.out(formatObject('info', given.format, value));
    return 0;
  },
});
