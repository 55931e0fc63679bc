import { VainaError } from '../../errors.js';
import { CommandError, EXIT_ENGINE, UsageError } from '../errors.js';
import { flag } from '../flags.js';
import { formatObject, wantsJson } from '../format.js';
import { goValues } from '../go-values.js';
import { json } from '../template.js';
import { inspectRemote, remoteFlagGiven, remoteFlags, type RemoteGiven } from '../transports/inspect.js';
import { verb, type Session, type Verb } from '../verb.js';

type Type = 'all' | 'container' | 'image';

interface InspectGiven extends RemoteGiven {
  type?: string;
}

/** skopeo's code for a failure. */
const EXIT_REMOTE = 1;
/** Names that start like this mean an image where it is, not an object of the store. */
const TRANSPORT =
  /^(docker:\/\/|(oci|oci-archive|docker-archive|dir|docker-daemon|containers-storage|vaina|sif|tarball|ostree):)/;
/** podman's own width. */
const INDENT = 5;

/** `vaina inspect`, `vaina container inspect`, `vaina image inspect` */
export function inspect(type: Type): Verb {
  return verb<InspectGiven>({
    usage: {
      all: '{CONTAINER|IMAGE} [...] | TRANSPORT:IMAGE',
      container: 'CONTAINER [CONTAINER...]',
      image: 'IMAGE [IMAGE...]',
    }[type],
    flags: [
      flag('-f, --format <string>', 'Format the output to a Go template or json (default "json")', 'string'),
      ...(type === 'all'
        ? [
            flag('-t, --type <string>', 'Specify inspect-object type (default "all")', 'string'),
            ...remoteFlags(),
          ]
        : []),
    ],
    async run(session, args, given) {
      const wanted = given.type ?? type;
      if (wanted !== 'all' && wanted !== 'container' && wanted !== 'image') {
        throw new CommandError(`invalid type "${wanted}": must be "image", "container", or "all"`);
      }
      if (args.length === 0) throw new CommandError('no names or ids specified');
      if (type === 'all' && args.some(hasTransport)) return remote(session, args, given);
      const foreign = type === 'all' ? remoteFlagGiven(given) : undefined;
      if (foreign !== undefined)
        throw new UsageError(`${foreign} is for an image with its transport, as in docker://NAME`);
      const found: object[] = [];
      let failed = false;
      for (const name of args) {
        try {
          found.push(await inspectOne(session, name, wanted));
        } catch (error) {
          session.complain(error);
          failed = true;
        }
      }
      if (given.format === undefined || wantsJson(given.format)) {
        session.print(found.length === 0 ? '[]' : json(found, INDENT));
      } else {
        for (const object of found) session.out(formatObject('inspect', given.format, withBothIds(object)));
      }
      return failed ? EXIT_ENGINE : 0;
    },
  });
}

/** skopeo's meaning: one image, where it is. */
async function remote(session: Session, args: readonly string[], given: InspectGiven): Promise<number> {
  const [name] = args;
  if (name === undefined || args.length !== 1)
    throw new CommandError('Exactly one argument expected', EXIT_REMOTE);
  if (given.type !== undefined) throw new UsageError('--type is for an object of the store');
  try {
    return await inspectRemote(session, name, given);
  } catch (error) {
    const code = session.complain(error);
    return code === EXIT_ENGINE ? EXIT_REMOTE : code;
  }
}

async function inspectOne(session: Session, name: string, type: Type): Promise<object> {
  const engine = await session.engine();
  if (type !== 'image') {
    try {
      return await (await engine.containers.get(name)).inspect();
    } catch (error) {
      if (type === 'container' || !VainaError.is(error, 'ERR_NO_SUCH_CONTAINER')) throw error;
    }
  }
  try {
    return await (await engine.images.get(name)).inspect();
  } catch (error) {
    if (type === 'image' || !VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) throw error;
    throw new CommandError(`no such object: "${name}"`);
  }
}

function hasTransport(name: string): boolean {
  return TRANSPORT.test(name);
}

/** Templates may call it `.ID` too. */
function withBothIds(object: object): unknown {
  const values = goValues(object) as Record<string, unknown>;
  if (!('Id' in values) || 'ID' in values) return values;
  // Not counted among the fields that `{{.}}` and `json` print.
  return Object.defineProperty(values, 'ID', { value: values['Id'], enumerable: false });
}
