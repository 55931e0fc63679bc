import { noArguments } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import type { Problem } from '../../index.js';
import { verb, type Session } from '../verb.js';

interface CheckFlags {
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
    flag('-f, --force', 'Remove inconsistent images and containers'),
    flag('-m, --max <duration>', 'Maximum allowed age of unreferenced layers (default 0s)', 'duration'),
    flag('-q, --quick', 'Skip time-consuming checks. The default is to include time-consuming checks'),
    flag('-r, --repair', 'Repair what is inconsistent'),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    const { max: maxAge, quick = false } = given;
    const engine = await session.engine();
    const options = { quick, ...(maxAge === undefined ? {} : { maxAge }) };
    if (!given.repair && !given.force) {
      const damage = await session.abortable((signal) => engine.check({ ...options, signal }));
      show(session, damage);
      if (damage.length > 0) throw new CommandError('damage detected in local storage');
      return 0;
    }
    const report = await session.abortable((signal) =>
      engine.repair({ ...options, force: given.force ?? false, signal }),
    );
    show(session, report.found);
    for (const id of report.removedImages) session.print(`Deleted damaged image: ${id}`);
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
