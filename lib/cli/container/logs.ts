import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { parseTime } from '../human.js';
import type { LibraryContainer, LogRow } from '../library.js';
import { verb, type Session } from '../verb.js';
import { select, selectFlags } from './select.js';

interface LogsGiven {
  follow?: boolean;
  latest?: boolean;
  names?: boolean;
  since?: string;
  tail?: number;
  timestamps?: boolean;
  until?: string;
}

const NEWLINE = Buffer.from('\n');

/** `vaina logs` */
export const logs = verb<LogsGiven>({
  usage: 'CONTAINER [CONTAINER...]',
  flags: [
    flag('-f, --follow', 'Follow log output'),
    ...selectFlags('latest'),
    flag('-n, --names', 'Output the container name in the log'),
    flag('--since <string>', 'Show logs since TIMESTAMP', 'string'),
    flag(
      '--tail <int>',
      'Output the specified number of LINES at the end of the logs (default -1: all)',
      'int',
    ),
    flag('-t, --timestamps', 'Output the timestamps in the log'),
    flag('--until <string>', 'Show logs until TIMESTAMP', 'string'),
  ],
  async run(session, args, given) {
    if (args.length === 0 && !given.latest)
      throw new CommandError('specify at least one container name or ID to log');
    const since = timeOf(session, 'since', given.since);
    const until = timeOf(session, 'until', given.until);
    const options = {
      ...(given.follow ? { follow: true } : {}),
      ...(since ? { since } : {}),
      ...(until ? { until } : {}),
      ...(given.tail !== undefined && given.tail >= 0 ? { tail: given.tail } : {}),
    };
    const { selected, failures } = await select(session, args, { latest: given.latest ?? false });
    if (failures.length > 0) return failures[0]!;
    const containers = selected.map(({ container }) => container);
    const print = printer(session, given, containers.length > 1);
    if (given.follow) {
      await Promise.all(containers.map((container) => each(container.logs(options), print(container))));
    } else {
      for await (const [container, row] of merge(containers, options)) print(container)(row);
    }
    return 0;
  },
});

async function each(rows: AsyncIterable<LogRow>, print: (row: LogRow) => void): Promise<void> {
  for await (const row of rows) print(row);
}

/** All entries of several logs, in the order of their times. */
async function* merge(
  containers: readonly LibraryContainer[],
  options: Parameters<LibraryContainer['logs']>[0],
): AsyncGenerator<[LibraryContainer, LogRow]> {
  const sources = await Promise.all(
    containers.map(async (container) => {
      const rows = container.logs(options)[Symbol.asyncIterator]();
      return { container, rows, next: await rows.next() };
    }),
  );
  for (;;) {
    let first: (typeof sources)[number] | undefined;
    for (const source of sources) {
      if (source.next.done) continue;
      if (!first || source.next.value.time < (first.next.value as LogRow).time) first = source;
    }
    if (!first) return;
    yield [first.container, first.next.value as LogRow];
    first.next = await first.rows.next();
  }
}

function printer(session: Session, given: LogsGiven, several: boolean) {
  return (container: LibraryContainer) => {
    const name = several ? `${given.names ? container.name : container.id.slice(0, 12)} ` : '';
    return ({ time, stream, bytes, partial }: LogRow): void => {
      const prefix = `${name}${given.timestamps ? `${time.toISOString()} ` : ''}`;
      const line = Buffer.concat([Buffer.from(prefix), bytes, ...(partial ? [] : [NEWLINE])]);
      if (stream === 'stderr') session.err(line);
      else session.out(line);
    };
  };
}

function timeOf(session: Session, name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = parseTime(text, session.host.now());
  if (!time) throw new CommandError(`parsing --${name} "${text}": unable to interpret time value`);
  return time;
}
