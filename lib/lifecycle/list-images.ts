import { VainaError } from '../errors.js';
import { matchesGlob } from '../util/glob.js';
import type { ImageRow } from '../store/images.js';
import type { ListRow } from '../store/lists.js';
import type { Context } from './context.js';

/** Which images are wanted, as at podman: values of one key are alternatives (labels: all), all keys must match. */
export interface ImageFilter {
  /** Also images without a name that came with a manifest list, and go with it. Default false. */
  all?: boolean;
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
  /** Ids, or beginnings of ids; any of them. */
  id?: readonly string[];
  /** Digests of the manifest, or of the index that led to it; any of them. */
  digest?: readonly string[];
  /** Made before this moment. */
  until?: Date;
  /** Whether a container is made of it. */
  containers?: boolean;
  /** Whether it has no name and another image is built on it. */
  intermediate?: boolean;
  /** Whether it is a manifest list. */
  manifest?: boolean;
  /** Whether it is in a store that is only read; none is. */
  readonly?: boolean;
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
  /** Set for a manifest list, which has an id of its own and no layers. */
  manifestList?: true;
}

const KEYS = new Set([
  ...['all', 'reference', 'label', 'before', 'since', 'dangling', 'id', 'digest', 'until', 'containers'],
  ...['intermediate', 'manifest', 'readonly'],
]);

/** The images that a filter lets through, newest first. */
export function listImages(context: Context, filter: ImageFilter = {}): ImageSummary[] {
  const unknown = Object.keys(filter).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new VainaError('ERR_INVALID_OPTION', `there is no filter ${unknown}`);
  const { images, containers } = context.store;
  const counts = containers.countByImage();
  const madeAt = (name: string): number => createdOf(images.find(name).image).getTime();
  const before = filter.before === undefined ? Infinity : madeAt(filter.before);
  const since = filter.since === undefined ? -Infinity : madeAt(filter.since);
  const { id, digest, until, intermediate, manifest, readonly } = filter;
  if (readonly === true) return [];
  const bases = intermediate === undefined ? undefined : basesOf(context);
  const hidden = filter.all === true ? new Set<string>() : context.store.lists.broughtImages();
  const rows = images
    .list()
    .filter((row) => row.names.length > 0 || !hidden.has(row.id))
    .filter((row) => digest?.some((one) => one === row.digest || one === row.indexDigest) ?? true)
    .map((row) => summarise(row, counts.get(row.id) ?? 0));
  const lists = context.store.lists
    .list()
    .filter((list) => digest?.includes(list.digest) ?? true)
    .map(summariseList);
  return [...(manifest === true ? [] : rows), ...(manifest === false ? [] : lists)]
    .filter((image) => image.created.getTime() < before && image.created.getTime() > since)
    .filter((image) => filter.dangling === undefined || image.dangling === filter.dangling)
    .filter((image) => filter.label?.every((label) => hasLabel(image.labels, label)) ?? true)
    .filter((image) => filter.reference?.some((reference) => isNamed(image.names, reference)) ?? true)
    .filter((image) => id?.some((one) => image.id.startsWith(one.replace(/^sha256:/, ''))) ?? true)
    .filter((image) => until === undefined || image.created < until)
    .filter((image) => filter.containers === undefined || image.containers > 0 === filter.containers)
    .filter((image) => !bases || (image.dangling && bases.has(image.id)) === intermediate)
    .sort((a, b) => b.created.getTime() - a.created.getTime());
}

function summariseList({ id, names, digest, storedAt, content }: ListRow): ImageSummary {
  const [created, size, dangling] = [new Date(storedAt), Buffer.byteLength(content), names.length === 0];
  return { id, names, digest, created, size, labels: {}, containers: 0, dangling, manifestList: true };
}

/** Images whose layers another image has below its own. */
function basesOf({ store }: Context): Set<string> {
  const rows = store.images.list().map(({ id }) => ({ id, chain: store.images.layersOf(id) }));
  const lower = new Set(rows.flatMap(({ chain }) => chain.slice(0, -1)));
  return new Set(rows.filter(({ chain }) => lower.has(chain.at(-1) ?? '')).map(({ id }) => id));
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
