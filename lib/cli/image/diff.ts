import { oneOrTwo } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { json } from '../template.js';
import { verb } from '../verb.js';

/** podman's own width. */
const INDENT = 5;

/** `vaina diff`, `vaina image diff` */
export const diff = verb<{ format?: string }>({
  usage: 'IMAGE [IMAGE]',
  flags: [flag('--format <string>', 'Change the output format (json)', 'string')],
  async run(session, args, given) {
    const [name, base] = oneOrTwo(args);
    if (given.format !== undefined && given.format !== 'json' && given.format !== '')
      throw new CommandError("only supported value for '--format' is 'json'");
    const image = await (await session.engine()).images.get(name);
    const changes = await image.diff(base);
    if (given.format === 'json') {
      const of = (kind: string): string[] | undefined => {
        const paths = changes.filter((change) => change.kind === kind).map(({ path }) => `/${text(path)}`);
        return paths.length > 0 ? paths : undefined;
      };
      session.print(json({ changed: of('C'), added: of('A'), deleted: of('D') }, INDENT));
      return 0;
    }
    // A name is bytes, and comes out as they are.
    for (const { kind, path } of changes)
      session.out(Buffer.concat([Buffer.from(`${kind} /`), path, Buffer.from('\n')]));
    return 0;
  },
});

function text(path: Uint8Array): string {
  return Buffer.from(path).toString('utf8');
}
