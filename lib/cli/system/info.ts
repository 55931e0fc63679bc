import { noArguments } from '../arguments.js';
import { flag } from '../flags.js';
import { formatObject, wantsJson } from '../format.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { yaml } from '../yaml.js';

/** `vaina info` */
export const info = verb<{ format?: string }>({
  usage: '',
  flags: [flag('-f, --format <string>', 'Change the output format to JSON or a Go template', 'string')],
  async run(session, args, given) {
    noArguments(session.path, args);
    const value = await (await session.engine()).info();
    if (given.format === undefined) session.out(yaml(value));
    else if (wantsJson(given.format)) session.print(json(value, 2));
    else session.out(formatObject('info', given.format, goFields(value)));
    return 0;
  },
});

/** Names that Go writes otherwise than with a capital at the start. */
const NAMES: Readonly<Record<string, string>> = {
  cgroupVersion: 'CgroupsVersion',
  cpus: 'CPUs',
  idMappings: 'IDMappings',
  os: 'OS',
  uidmap: 'UIDMap',
  gidmap: 'GIDMap',
};

/** podman's templates name fields as Go does, its JSON as here: `{{.Host.CPUs}}` is `host.cpus`. */
function goFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(goFields);
  const fields = Object.entries(value).map(([key, item]) => {
    const name = Object.hasOwn(NAMES, key) ? NAMES[key]! : key.charAt(0).toUpperCase() + key.slice(1);
    return [name, goFields(item)] as const;
  });
  return Object.defineProperty(Object.fromEntries(fields), 'toJSON', {
    value: () => value,
    enumerable: false,
  });
}
