import { VainaError } from '../errors.js';
import { allContainers, type Entry } from './catalogue.js';
import type { Context } from './context.js';
import { hasLabel } from './list-images.js';
import type { Status } from './state.js';
import { readTruth } from './sync.js';

/**
 * Which containers are wanted, as at podman: values of one key are alternatives (labels are not: all must match), and all
 * keys must match.
 */
export interface ContainerFilter {
  /** Those that do not run too. Default false, but true when `status` or `exited` is given. */
  all?: boolean;
  /** Beginnings of ids. */
  id?: readonly string[];
  /** Regular expressions that some part of the name matches. */
  name?: readonly string[];
  /** `key` or `key=value`; all of them. */
  label?: readonly string[];
  /** States, of {@link STATUSES}. */
  status?: readonly string[];
  /** Exit codes of containers that have ended. */
  exited?: readonly number[];
  /** Images, by name or id. */
  ancestor?: readonly string[];
  /** Made before these containers, by name or id. */
  before?: readonly string[];
  /** Made after these containers, by name or id. */
  since?: readonly string[];
}

/** One line of a list of containers. */
export interface ContainerSummary {
  /** 64 hexadecimal digits. */
  id: string;
  /** The name it was given, or a random one. */
  name: string;
  /** The name the image was asked for by; empty with a plain root file system. */
  image: string;
  /** Id of the image; empty with a plain root file system. */
  imageId: string;
  /** Command line as it is executed. */
  command: string[];
  /** When it was made. */
  created: Date;
  /** The state it was in when the list was made. */
  status: Status;
  /** As in {@link ExitStatus.exitCode}; absent while it runs and before its first start. */
  exitCode?: number;
  /** Last start; absent before the first one. */
  startedAt?: Date;
  /** Last end; absent while it runs and before its first start. */
  finishedAt?: Date;
  /** Process id of its main process on the host; 0 unless it runs. */
  pid: number;
  /** Labels, its own over the image's. */
  labels: Record<string, string>;
  /** Whether it is removed when it has ended. */
  autoRemove: boolean;
}

/** The containers that a filter lets through, newest first. */
export function listContainers(context: Context, filter: ContainerFilter = {}): ContainerSummary[] {
  const entries = allContainers(context);
  const test = compile(entries, filter);
  return entries
    .map((entry) => summarise(context, entry))
    .filter(
      (summary) => !(summary.autoRemove && summary.status !== 'running' && summary.status !== 'created'),
    )
    .filter(test)
    .sort((a, b) => b.created.getTime() - a.created.getTime());
}

function summarise(context: Context, entry: Entry): ContainerSummary {
  const { record } = entry;
  const { status, state, pid } = readTruth(context, entry);
  const ended = status === 'running' ? undefined : state.exit;
  return {
    id: record.id,
    name: record.name,
    image: record.imageName ?? '',
    imageId: record.imageId ?? '',
    command: record.command,
    created: new Date(record.createdAt),
    status,
    ...(ended ? { exitCode: ended.exitCode, finishedAt: ended.finishedAt } : {}),
    ...(state.startedAt === undefined ? {} : { startedAt: new Date(state.startedAt) }),
    pid,
    labels: record.labels,
    autoRemove: record.options.autoRemove ?? false,
  };
}

const KEYS = new Set(['all', 'id', 'name', 'label', 'status', 'exited', 'ancestor', 'before', 'since']);

function compile(entries: readonly Entry[], filter: ContainerFilter): (summary: ContainerSummary) => boolean {
  const unknown = Object.keys(filter).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new VainaError('ERR_INVALID_OPTION', `there is no filter ${unknown}`);
  const all = filter.all ?? (filter.status !== undefined || filter.exited !== undefined);
  const names = filter.name?.map(pattern);
  const before = filter.before?.map((name) => madeAt(entries, name));
  const since = filter.since?.map((name) => madeAt(entries, name));
  return (summary) => {
    const created = summary.created.getTime();
    return (
      (all || summary.status === 'running') &&
      (filter.id?.some((id) => summary.id.startsWith(id)) ?? true) &&
      (names?.some((name) => name.test(summary.name)) ?? true) &&
      (filter.label?.every((label) => hasLabel(summary.labels, label)) ?? true) &&
      (filter.status?.some((status) => status === summary.status) ?? true) &&
      (filter.exited?.some((code) => code === summary.exitCode) ?? true) &&
      (filter.ancestor?.some((image) => isOf(summary, image)) ?? true) &&
      (before?.some((time) => created < time) ?? true) &&
      (since?.some((time) => created > time) ?? true)
    );
  };
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new VainaError('ERR_INVALID_OPTION', `the name filter ${text} is no regular expression`, {
      cause: error,
    });
  }
}

function madeAt(entries: readonly Entry[], nameOrId: string): number {
  const found = entries.find(({ record }) => record.name === nameOrId || record.id.startsWith(nameOrId));
  if (found) return found.record.createdAt;
  throw new VainaError('ERR_NO_SUCH_CONTAINER', `no container is named ${nameOrId}`, { subject: nameOrId });
}

function isOf(summary: ContainerSummary, image: string): boolean {
  const wanted = image.replace(/^sha256:/, '');
  if (/^[0-9a-f]{12,64}$/.test(wanted) && summary.imageId.startsWith(wanted)) return true;
  const short = summary.image.replace(/^(docker\.io\/library|localhost|docker\.io)\//, '');
  return [summary.image, short].some((name) => name === image || name.replace(/:[^:/]+$/, '') === image);
}
