import { noArguments } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { formatRows, headingsOf, wantsJson } from '../format.js';
import { humanDuration, humanSize } from '../human.js';
import { splitName } from '../image/images-row.js';
import type { DiskUsage } from '../../index.js';
import { table } from '../table.js';
import { json } from '../template.js';
import { verb } from '../verb.js';

const size = (bytes: number): string => humanSize(bytes, 4, '');

/** `vaina system df` */
export const df = verb<{ format?: string; verbose?: boolean }>({
  usage: '',
  flags: [
    flag('--format <string>', 'Pretty-print images using a Go template', 'string'),
    flag('-v, --verbose', 'Show detailed information on disk usage'),
  ],
  async run(session, args, given) {
    noArguments(session.path, args);
    if (given.verbose && given.format !== undefined)
      throw new CommandError('cannot combine --format and --verbose flags');
    const usage = await (await session.engine()).df();
    if (given.verbose) {
      session.out(details(usage, session.host.now()));
      return 0;
    }
    const rows = summary(usage);
    if (wantsJson(given.format)) {
      session.print(
        json(
          rows.map(({ RawSize, RawReclaimable, ...row }) => ({ ...row, RawSize, RawReclaimable })),
          4,
        ),
      );
      return 0;
    }
    const format = given.format ?? 'table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}';
    session.out(formatRows('df', format, rows, headingsOf(rows[0] ?? {}, {})));
    return 0;
  },
});

function summary(usage: DiskUsage): Record<string, unknown>[] {
  const { images, containers } = usage;
  const running = containers.filter(({ status }) => status === 'running' || status === 'stopping');
  const written = containers.reduce((sum, one) => sum + one.size, 0);
  const idle = written - running.reduce((sum, one) => sum + one.size, 0);
  const active = images.filter((image) => image.containers > 0).length;
  return [
    row('Images', images.length, active, usage.imagesSize, usage.imagesReclaimable),
    row('Containers', containers.length, running.length, written, idle),
    row('Local Volumes', 0, 0, 0, 0),
  ];
}

function row(
  type: string,
  total: number,
  active: number,
  bytes: number,
  free: number,
): Record<string, unknown> {
  const percent = bytes === 0 ? 0 : Math.round((free / bytes) * 100);
  return {
    Type: type,
    Total: total,
    Active: active,
    RawSize: bytes,
    RawReclaimable: free,
    Size: size(bytes),
    Reclaimable: `${size(free)} (${percent}%)`,
  };
}

function details({ images, containers }: DiskUsage, now: Date): string {
  const since = (time: Date): string => humanDuration(now.getTime() - time.getTime());
  const rows = images.flatMap((image) => {
    const names =
      image.names.length > 0 ? image.names.map(splitName) : [{ repository: '<none>', tag: '<none>' }];
    return names.map(({ repository, tag }) => [
      ...[repository, tag, image.id.slice(0, 12), since(image.created), size(image.size)],
      ...[size(image.sharedSize), size(image.uniqueSize), String(image.containers)],
    ]);
  });
  const ran = containers.map((one) => [
    ...[one.id.slice(0, 12), one.imageId?.slice(0, 12) ?? '', one.command.join(' '), '0', size(one.size)],
    ...[since(one.created), one.status, one.name],
  ]);
  return [
    'Images space usage:\n\n',
    table([
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
      ...rows,
    ]),
    '\nContainers space usage:\n\n',
    table([
      ['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'],
      ...ran,
    ]),
    '\nLocal Volumes space usage:\n\n',
    table([['VOLUME NAME', 'LINKS', 'SIZE']]),
  ].join('');
}
