import { noArguments } from '../arguments.js';
import { containerFilters } from '../filters.js';
import { flag } from '../flags.js';
import { formatRows, wantsJson } from '../format.js';
import type { ContainerSummary } from '../../index.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { PS_HEADINGS, psFields, psJson } from './ps-row.js';

interface PsGiven {
  all?: boolean;
  filter?: string[];
  format?: string;
  last?: number;
  latest?: boolean;
  noheading?: boolean;
  quiet?: boolean;
  sort?: string;
  /** `--no-trunc` */
  trunc?: boolean;
}

const DEFAULT_FORMAT =
  'table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const ORDERS: Record<string, (a: ContainerSummary, b: ContainerSummary) => number> = {
  command: (a, b) => text(a.command.join(' '), b.command.join(' ')),
  created: (a, b) => a.created.getTime() - b.created.getTime(),
  id: (a, b) => text(a.id, b.id),
  image: (a, b) => text(a.image, b.image),
  names: (a, b) => text(a.name, b.name),
  runningfor: (a, b) => (a.startedAt?.getTime() ?? 0) - (b.startedAt?.getTime() ?? 0),
  status: (a, b) => text(a.status, b.status),
};

/** `vaina ps` */
export const ps = verb<PsGiven>({
  usage: '',
  flags: [
    flag('-a, --all', 'Show all the containers, default is only running containers'),
    flag('-f, --filter <strings>', 'Filter output based on conditions given', 'list'),
    flag('--format <string>', 'Pretty-print containers to JSON or using a Go template', 'string'),
    flag('-n, --last <int>', 'Print the n last created containers (all states) (default -1)', 'int'),
    flag('-l, --latest', 'Show the latest container'),
    flag('--no-trunc', 'Display the extended information'),
    flag('--noheading', 'Do not print headers'),
    flag('-q, --quiet', 'Print the numeric IDs of the containers only'),
    flag('--sort <choice>', `Sort output by: ${Object.keys(ORDERS).join(', ')}`, Object.keys(ORDERS)),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    const filters = containerFilters(given.filter);
    const last = given.latest ? 1 : (given.last ?? -1);
    // A wanted status says which containers are meant: only those that run would be a strange answer.
    const all =
      (given.all ?? false) || last >= 0 || filters.status !== undefined || filters.exited !== undefined;
    const engine = await session.engine();
    let rows = (await engine.containers.list({ ...filters, ...(all ? { all } : {}) })).toSorted(
      ORDERS['created'],
    );
    if (last >= 0) rows = last === 0 ? [] : rows.slice(-last);
    if (given.sort !== undefined) rows = rows.toSorted(ORDERS[given.sort]);
    const now = session.host.now();
    if (wantsJson(given.format)) {
      session.print(
        json(
          rows.map((row) => psJson(row, now)),
          2,
        ),
      );
      return 0;
    }
    const fields = rows.map((row) => psFields(row, now, given.trunc ?? true));
    const format = given.format ?? (given.quiet ? '{{.ID}}' : DEFAULT_FORMAT);
    session.out(formatRows('ps', format, fields, PS_HEADINGS, !(given.noheading ?? false)));
    return 0;
  },
});
