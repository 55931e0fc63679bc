import { noArguments } from '../arguments.js';
import { pruneFilters } from '../filters.js';
import { flag } from '../flags.js';
import { Prompt } from '../prompt.js';
import { verb, type Session } from '../verb.js';

interface PruneGiven {
  all?: boolean;
  filter?: string[];
  force?: boolean;
}

/** `vaina image prune` */
export const prune = verb<PruneGiven>({
  usage: '',
  flags: [
    flag('-a, --all', 'Remove all images not in use by containers, not just dangling ones'),
    flag('--filter <stringArray>', "Provide filter values (e.g. 'label=<key>=<value>')", 'list'),
    flag('-f, --force', 'Do not prompt for confirmation'),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    const filters = pruneFilters(given.filter, session.host.now());
    if (!given.force && !(await confirmed(session, given.all ?? false))) return 0;
    const engine = await session.engine();
    for (const { id } of await engine.images.prune({ all: given.all ?? false, filters })) session.print(id);
    return 0;
  },
});

async function confirmed(session: Session, all: boolean): Promise<boolean> {
  const what = all
    ? 'WARNING! This command removes all images without at least one container associated with them.'
    : 'WARNING! This command removes all dangling images.';
  const question = `${what}\nAre you sure you want to continue? [y/N] `;
  return /^y/i.test(await new Prompt(session.host).line(question));
}
