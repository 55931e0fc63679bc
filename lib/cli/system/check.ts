import { noArguments } from '../arguments.js';
import { CommandError, UsageError } from '../errors.js';
import { flag } from '../flags.js';
import type { Problem } from '../../index.js';
import { accessFlags, accessOptions, type AccessGiven } from '../transfer.js';
import { verb, type Session } from '../verb.js';

interface CheckFlags extends AccessGiven {
  force?: boolean;
  /** In milliseconds. */
  max?: number;
  quick?: boolean;
  repair?: boolean;
}

/** `vaina system check` */
export const check = verb<CheckFlags>({
  usage: '',
  flags: [
    ...accessFlags(),
    flag('-f, --force', 'Remove inconsistent images, manifest lists and containers'),
    flag('-m, --max <duration>', 'Maximum allowed age of unreferenced layers (default 0s)', 'duration'),
    flag('-q, --quick', 'Skip time-consuming checks. The default is to include time-consuming checks'),
    flag('-r, --repair', 'Repair what is inconsistent'),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    const { max: maxAge, quick = false } = given;
    const access = accessOptions(given);
    const repairs = given.repair || given.force;
    if (!repairs && Object.keys(access).length > 0)
      throw new UsageError('a check asks no registry: its flags are for --repair');
    const engine = await session.engine();
    const options = { quick, ...(maxAge === undefined ? {} : { maxAge }) };
    if (!repairs) {
      const damage = await session.abortable((signal) => engine.check({ ...options, signal }));
      show(session, damage);
      if (damage.length > 0) throw new CommandError('damage detected in local storage');
      return 0;
    }
    const report = await session.abortable((signal) =>
      engine.repair({ ...options, ...access, force: given.force ?? false, signal }),
    );
    show(session, report.found);
    for (const id of report.removedImages) session.print(`Deleted damaged image: ${id}`);
    for (const id of report.removedLists) session.print(`Deleted damaged manifest list: ${id}`);
    for (const id of report.removedContainers) session.print(`Deleted damaged container: ${id}`);
    if (report.left.length > 0)
      throw new CommandError('damage in local storage still present after repair attempt');
    return 0;
  },
});

/** By what is damaged, in podman's words. */
function show(session: Session, damage: readonly Problem[]): void {
  for (const { kind, id, what } of damage) {
    const group =
      kind.startsWith('layer-') || kind === 'stray-layer'
        ? 'layer'
        : kind.startsWith('container-')
          ? 'container'
          : 'image';
    session.print(`Damaged ${group} ${id}:\n${what}`);
  }
}
