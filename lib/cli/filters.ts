import { keyValue } from './arguments.js';
import { CommandError } from './errors.js';
import { parseTime } from './human.js';
import type { ContainerFilter, ImageFilter, PruneImagesOptions } from '../index.js';

type PruneFilters = NonNullable<PruneImagesOptions['filters']>;

const STATUSES = [
  'created',
  'initialized',
  'running',
  'stopped',
  'paused',
  'exited',
  'removing',
  'stopping',
  'unknown',
];

/** Reads podman's `--filter` of containers: `key=value`, as often as wanted. */
export function containerFilters(texts: readonly string[] = []): ContainerFilter {
  const filters: Record<string, unknown[]> = {};
  for (const text of texts) {
    const [key, value] = split(text);
    switch (key) {
      case 'id':
      case 'name':
      case 'label':
      case 'ancestor':
      case 'before':
      case 'since':
        (filters[key] ??= []).push(value);
        break;
      case 'status':
        if (!STATUSES.includes(value)) throw new CommandError(`unknown container state: ${value}`);
        (filters[key] ??= []).push(value);
        break;
      case 'exited':
        if (!/^-?\d+$/.test(value)) throw new CommandError(`exited code out of range "${value}"`);
        (filters[key] ??= []).push(Number(value));
        break;
      default:
        throw new CommandError(`${key} is an invalid filter`);
    }
  }
  return filters;
}

/** Reads podman's `--filter` of images. */
export function imageFilters(texts: readonly string[] = [], now = new Date()): ImageFilter {
  const filters: ImageFilter = {};
  for (const text of texts) {
    const [key, value] = split(text);
    switch (key) {
      case 'reference':
      case 'label':
      case 'id':
      case 'digest':
        filters[key] = [...(filters[key] ?? []), value];
        break;
      case 'before':
      case 'since':
        filters[key] = value;
        break;
      case 'after':
        filters.since = value;
        break;
      case 'until':
        filters.until = moment(value, now);
        break;
      case 'containers':
      case 'dangling':
      case 'intermediate':
      case 'manifest':
      case 'readonly':
        if (value !== 'true' && value !== 'false') {
          throw new CommandError(`non-boolean value "${value}" for ${key} filter`);
        }
        filters[key] = value === 'true';
        break;
      default:
        throw new CommandError(`unsupported image filter "${key}"`);
    }
  }
  return filters;
}

/** Reads podman's `--filter` of `image prune`. */
export function pruneFilters(texts: readonly string[] = [], now = new Date()): PruneFilters {
  const filters: PruneFilters = {};
  for (const text of texts) {
    const [key, value] = split(text);
    if (key === 'label') filters.label = [...(filters.label ?? []), value];
    else if (key === 'label!') filters.labelNot = [...(filters.labelNot ?? []), value];
    else if (key === 'until') filters.until = moment(value, now);
    else if (key === 'dangling' && (value === 'true' || value === 'false'))
      filters.dangling = value === 'true';
    else if (key === 'dangling') throw new CommandError(`non-boolean value "${value}" for dangling filter`);
    else throw new CommandError(`unsupported image filter "${key}"`);
  }
  return filters;
}

function moment(text: string, now: Date): Date {
  const time = parseTime(text, now);
  if (!time) throw new CommandError(`unable to parse "${text}" as a time or duration`);
  return time;
}

function split(text: string): [string, string] {
  if (!text.includes('=')) throw new CommandError(`invalid filter "${text}"`);
  return keyValue(text);
}
