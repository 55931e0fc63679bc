import { headingsOf, type Headings } from '../format.js';
import { ago, humanSize, wholeSeconds } from '../human.js';
import type { ImageSummary } from '../../index.js';
import { GoTime } from '../template.js';

/** One line of `images`: an image under one of its names. */
export interface NamedImage {
  image: ImageSummary;
  repository: string;
  tag: string;
}

/** An image once for each of its names; nameless ones once. */
export function byName(image: ImageSummary): NamedImage[] {
  if (image.names.length === 0) return [{ image, repository: '<none>', tag: '<none>' }];
  return image.names.map((name) => ({ image, ...splitName(name) }));
}

/** `registry:5000/name:tag` in two. */
export function splitName(name: string): { repository: string; tag: string } {
  const at = name.indexOf('@');
  if (at !== -1) return { repository: name.slice(0, at), tag: '<none>' };
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon === -1
    ? { repository: name, tag: '<none>' }
    : { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

/** What the templates of `images` can print. */
export function imageFields(
  { image, repository, tag }: NamedImage,
  now: Date,
  truncate: boolean,
): Record<string, unknown> {
  const since = ago(image.created, now);
  return {
    ID: truncate ? image.id.slice(0, 12) : `sha256:${image.id}`,
    Id: image.id,
    Repository: repository,
    Tag: tag,
    Digest: image.digest,
    Created: since,
    CreatedSince: since,
    CreatedAt: new GoTime(wholeSeconds(image.created)),
    CreatedTime: new GoTime(wholeSeconds(image.created)),
    Size: humanSize(image.size),
    VirtualSize: image.size,
    Labels: new Map(Object.entries(image.labels)),
    Names: image.names,
    History: image.names.join(', '),
    RepoTags: image.names,
    RepoDigests: digests(image),
    Containers: image.containers,
    Dangling: image.dangling,
    ReadOnly: false,
  };
}

/** What `images --format json` prints of an image. */
export function imageJson(image: ImageSummary): object {
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: image.names.length > 0 ? image.names : null,
    RepoDigests: digests(image),
    Size: image.size,
    SharedSize: 0,
    VirtualSize: image.size,
    Labels: Object.keys(image.labels).length > 0 ? image.labels : null,
    Containers: image.containers,
    ...(image.dangling ? { Dangling: true } : {}),
    Names: image.names,
    Digest: image.digest,
    Created: Math.floor(image.created.getTime() / 1000),
    CreatedAt: wholeSeconds(image.created),
  };
}

function digests(image: ImageSummary): string[] {
  return [...new Set(image.names.map((name) => `${splitName(name).repository}@${image.digest}`))].sort();
}

const NO_IMAGE: ImageSummary = {
  id: '',
  names: [],
  digest: '',
  created: new Date(0),
  size: 0,
  labels: {},
  containers: 0,
  dangling: false,
};

/** Headings of {@link imageFields}. */
export const IMAGE_HEADINGS: Headings = headingsOf(
  imageFields({ image: NO_IMAGE, repository: '', tag: '' }, new Date(0), true),
  { ID: 'IMAGE ID', CreatedSince: 'CREATED' },
);
