import { keyValue } from './arguments.js';
import { CommandError } from './errors.js';
import type { ContainerFilters, ImageFilters } from './library.js';

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
export function containerFilters(texts: readonly string[] = []): ContainerFilters {
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
export function imageFilters(texts: readonly string[] = []): ImageFilters {
  const filters: ImageFilters = {};
  for (const text of texts) {
    const [key, value] = split(text);
    switch (key) {
      case 'reference':
      case 'label':
        (filters[key] ??= []).push(value);
        break;
      case 'before':
      case 'since':
        filters[key] = value;
        break;
      case 'dangling':
        if (value !== 'true' && value !== 'false') {
          throw new CommandError(`non-boolean value "${value}" for dangling filter`);
        }
        filters.dangling = value === 'true';
        break;
      default:
        throw new CommandError(`unsupported image filter "${key}"`);
    }
  }
  return filters;
}

function split(text: string): [string, string] {
  if (!text.includes('=')) throw new CommandError(`invalid filter "${text}"`);
  return keyValue(text);
}
