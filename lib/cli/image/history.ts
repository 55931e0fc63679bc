import { oneArgument } from '../arguments.js';
import { flag } from '../flags.js';
import { formatRows, headingsOf, wantsJson } from '../format.js';
import { ago, humanSize, wholeSeconds } from '../human.js';
import type { HistoryRow } from '../../index.js';
import { GoTime, json } from '../template.js';
import { verb } from '../verb.js';

interface HistoryGiven {
  format?: string;
  human?: boolean;
  quiet?: boolean;
  /** `--no-trunc` */
  trunc?: boolean;
}

const CREATED_BY_WIDTH = 45;

/** `vaina history`, `vaina image history` */
export const history = verb<HistoryGiven>({
  usage: 'IMAGE',
  flags: [
    flag('--format <string>', 'Change the output to JSON or a Go template', 'string'),
    flag('-H, --human', 'Display sizes and dates in human readable format (default true)'),
    flag('--no-trunc', 'Do not truncate the output'),
    flag('-q, --quiet', 'Display the numeric IDs only'),
  ],
  async run(session, args, given) {
    const name = oneArgument(args);
    const steps = await (await (await session.engine()).images.get(name)).history();
    if (wantsJson(given.format)) {
      session.print(json(steps.map(stepJson)));
      return 0;
    }
    const rows = steps.map((step) =>
      fields(step, session.host.now(), given.human ?? true, given.trunc ?? true),
    );
    const format =
      given.format ??
      (given.quiet ? '{{.ID}}' : 'table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}');
    session.out(formatRows('history', format, rows, HEADINGS));
    return 0;
  },
});

function fields(step: HistoryRow, now: Date, human: boolean, truncate: boolean): Record<string, unknown> {
  const { id, created, createdBy, size, comment, tags } = step;
  const short = truncate && createdBy.length > CREATED_BY_WIDTH;
  return {
    ID: truncate && id !== '<missing>' ? id.slice(0, 12) : id,
    Created: human ? ago(created, now) : wholeSeconds(created),
    CreatedAt: new GoTime(wholeSeconds(created)),
    CreatedSince: ago(created, now),
    CreatedBy: short ? `${createdBy.slice(0, CREATED_BY_WIDTH - 3)}...` : createdBy,
    Size: human ? humanSize(size) : String(size),
    Comment: comment,
    Tags: tags,
  };
}

function stepJson({ id, created, createdBy, size, comment, tags }: HistoryRow): object {
  return {
    ...{ id, created: created.toISOString(), CreatedBy: createdBy, size, comment },
    ...(tags.length > 0 ? { tags } : {}),
    Created: wholeSeconds(created),
  };
}

const NOTHING = { id: '', created: new Date(0), createdBy: '', size: 0, comment: '', tags: [] };
const HEADINGS = headingsOf(fields(NOTHING, new Date(0), true, true), {});
