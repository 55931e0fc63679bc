import { ago, humanDuration } from '../human.js';
import type { ContainerSummary } from '../../index.js';
import { GoTime } from '../template.js';
import { headingsOf, type Headings } from '../format.js';

const COMMAND_WIDTH = 17;
/** Go's zero time in Unix seconds: what podman prints for a time that is not. */
const NO_TIME = -62135596800;

/** What the templates of `ps` can print of a container. */
export function psFields(row: ContainerSummary, now: Date, truncate: boolean): Record<string, unknown> {
  const command = row.command.join(' ');
  const short = command.length > COMMAND_WIDTH ? `${command.slice(0, COMMAND_WIDTH)}...` : command;
  const created = ago(row.created, now);
  const cut = (id: string): string => (truncate ? id.slice(0, 12) : id);
  return {
    ID: cut(row.id),
    Image: row.image,
    ImageID: cut(row.imageId),
    Command: truncate ? short : command,
    Created: new GoTime(row.created.toISOString()),
    CreatedAt: new GoTime(row.created.toISOString()),
    CreatedHuman: created,
    RunningFor: created,
    Status: statusText(row, now),
    State: row.status,
    Ports: '',
    Names: row.name,
    Pid: row.pid,
    Labels: new Map(Object.entries(row.labels)),
    Label: (name: string) => row.labels[name] ?? '',
    Mounts: '',
    Networks: '',
    AutoRemove: row.autoRemove,
    Exited: isExited(row),
    ExitCode: row.exitCode ?? 0,
    ExitedAt: seconds(row.finishedAt),
    StartedAt: seconds(row.startedAt),
    IsInfra: false,
    Pod: '',
    PodName: '',
  };
}

/** What `ps --format json` prints of a container. */
export function psJson(row: ContainerSummary, now: Date): object {
  return {
    AutoRemove: row.autoRemove,
    Command: row.command,
    CreatedAt: ago(row.created, now),
    Exited: isExited(row),
    ExitedAt: seconds(row.finishedAt),
    ExitCode: row.exitCode ?? 0,
    Id: row.id,
    Image: row.image,
    ImageID: row.imageId,
    IsInfra: false,
    Labels: Object.keys(row.labels).length > 0 ? row.labels : null,
    Mounts: [],
    Names: [row.name],
    Namespaces: {},
    Networks: [],
    Pid: row.pid,
    Pod: '',
    PodName: '',
    Ports: null,
    Size: null,
    StartedAt: seconds(row.startedAt),
    State: row.status,
    Status: statusText(row, now),
    Created: Math.floor(row.created.getTime() / 1000),
  };
}

function isExited(row: ContainerSummary): boolean {
  return row.status === 'exited' || row.status === 'stopped';
}

function seconds(time: Date | undefined): number {
  return time === undefined ? NO_TIME : Math.floor(time.getTime() / 1000);
}

function statusText(row: ContainerSummary, now: Date): string {
  switch (row.status) {
    case 'running':
      return row.startedAt ? `Up ${humanDuration(now.getTime() - row.startedAt.getTime())}` : 'Up';
    case 'exited':
      return `Exited (${row.exitCode ?? 0})${row.finishedAt ? ` ${ago(row.finishedAt, now)}` : ''}`;
    case 'stopped':
      return 'Exited (unknown)';
    default:
      return row.status.charAt(0).toUpperCase() + row.status.slice(1);
  }
}

const NO_CONTAINER: ContainerSummary = {
  id: '',
  name: '',
  image: '',
  imageId: '',
  command: [],
  created: new Date(0),
  status: 'created',
  pid: 0,
  labels: {},
  autoRemove: false,
};

/** Headings of {@link psFields}. */
export const PS_HEADINGS: Headings = headingsOf(psFields(NO_CONTAINER, new Date(0), true), {
  ID: 'CONTAINER ID',
  CreatedHuman: 'CREATED',
  Label: (name: string) => name,
});
