import { VainaError } from '../errors.js';
import { matchesGlob } from '../util/glob.js';
import type { ImageRow } from '../store/images.js';
import type { Context } from './context.js';

/** Which images are wanted, as at podman: values of one key are alternatives (labels: all), all keys must match. */
export interface ImageFilter {
  /** Shell patterns of names, with or without registry and tag. */
  reference?: readonly string[];
  /** `key` or `key=value`; all of them. */
  label?: readonly string[];
  /** Made before this image, by name or id. */
  before?: string;
  /** Made after this image, by name or id. */
  since?: string;
  /** Whether it has no name. */
  dangling?: boolean;
}

/** One line of a list of images. */
export interface ImageSummary {
  /** 64 hexadecimal digits: of the digest of its configuration. */
  id: string;
  /** Full references, sorted. */
  names: readonly string[];
  /** Digest of the manifest. */
  digest: string;
  /** When it was made; when it came into the store, if its configuration does not say. */
  created: Date;
  /** Bytes of the layers, decompressed, and of the configuration. */
  size: number;
  /** Labels of its configuration. */
  labels: Record<string, string>;
  /** How many containers are made of it. */
  containers: number;
  /** Whether it has no name. */
  dangling: boolean;
}

const KEYS = new Set(['reference', 'label', 'before', 'since', 'dangling']);

/** The images that a filter lets through, newest first. */
export function listImages(context: Context, filter: ImageFilter = {}): ImageSummary[] {
  const unknown = Object.keys(filter).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new VainaError('ERR_INVALID_OPTION', `there is no filter ${unknown}`);
  const { images, containers } = context.store;
  const counts = containers.countByImage();
  const madeAt = (name: string): number => createdOf(images.find(name).image).getTime();
  const before = filter.before === undefined ? Infinity : madeAt(filter.before);
  const since = filter.since === undefined ? -Infinity : madeAt(filter.since);
  return images
    .list()
    .map((row) => summarise(row, counts.get(row.id) ?? 0))
    .filter((image) => image.created.getTime() < before && image.created.getTime() > since)
    .filter((image) => filter.dangling === undefined || image.dangling === filter.dangling)
    .filter((image) => filter.label?.every((label) => hasLabel(image.labels, label)) ?? true)
    .filter((image) => filter.reference?.some((reference) => isNamed(image.names, reference)) ?? true)
    .sort((a, b) => b.created.getTime() - a.created.getTime());
}

function summarise(row: ImageRow, containers: number): ImageSummary {
  return {
    id: row.id,
    names: row.names,
    digest: row.digest,
    created: createdOf(row),
    size: row.size,
    labels: row.config.config?.Labels ?? {},
    containers,
    dangling: row.names.length === 0,
  };
}

function createdOf(row: ImageRow): Date {
  const date = new Date(row.created ?? row.storedAt);
  return Number.isNaN(date.getTime()) ? new Date(row.storedAt) : date;
}

/** Whether a label is there, and has the value if one is asked for: `key` or `key=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(at + 1);
}

/** A pattern is held against the whole name and each of its ends, with and without the tag. */
function isNamed(names: readonly string[], pattern: string): boolean {
  return names.some((name) => {
    const untagged = name.replace(/:[^:/]+$/, '');
    return [name, untagged].some((form) => {
      const parts = form.split('/');
      return parts.some((_part, index) => matchesGlob(pattern, parts.slice(index).join('/')));
    });
  });
}
