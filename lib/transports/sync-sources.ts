import { opendir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { VainaError } from '../errors.js';
import { isDigest } from '../oci/digest.js';
import { fileFailure } from '../oci/failure.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import type { ImageName } from './name.js';
import type { EndOptions } from './options.js';
import { readSyncFile, type SyncRegistry, type SyncRule } from './sync-yaml.js';

/** One place that images are synchronised from. */
export interface SyncSource {
  /** What is copied, and what it is called below the destination. */
  images: readonly { name: ImageName; suffix: string }[];
  /** How to reach it. */
  options: EndOptions;
}

/** How a repository is asked for its tags. */
export type AskTags = (repository: Reference, options: EndOptions) => Promise<string[]>;

/** The one image that a reference names, or all of a repository. */
export async function registrySources(
  source: string,
  options: EndOptions,
  ask: AskTags,
): Promise<SyncSource[]> {
  const reference = parseReference(source);
  if (reference.tag !== undefined && reference.digest !== undefined) {
    throw new VainaError('ERR_INVALID_REFERENCE', `${source} has both a tag and a digest`, {
      subject: source,
    });
  }
  if (reference.tag !== undefined || reference.digest !== undefined) {
    return [{ images: [imageOf(reference)], options }];
  }
  const tags = await ask(reference, options);
  if (tags.length === 0) throw new VainaError('ERR_NO_SUCH_IMAGE', `no images to sync found in ${source}`);
  return [{ images: tags.map((tag) => imageOf({ ...reference, tag })), options }];
}

/** All directories below one that hold an image, itself included. */
export async function directorySources(source: string, options: EndOptions): Promise<SyncSource[]> {
  const images: { name: ImageName; suffix: string }[] = [];
  for (const path of await imageDirectories(source)) {
    const suffix = relative(source, path) || (source.replace(/\/+$/, '').split('/').at(-1) ?? '');
    images.push({ name: { transport: 'dir', path }, suffix });
  }
  if (images.length === 0)
    throw new VainaError('ERR_NO_SUCH_IMAGE', `no images to sync found in "${source}"`);
  return [{ images, options }];
}

/**
 * What a file names. A registry that cannot be asked, or a repository without an image, is left out with a warning, as at
 * skopeo.
 */
export async function fileSources(
  path: string,
  options: EndOptions,
  ask: AskTags,
  onWarning: (message: string) => void,
): Promise<SyncSource[]> {
  const sources: SyncSource[] = [];
  for (const registry of await readSyncFile(path)) {
    if (registry.images.length === 0) {
      onWarning(`no images specified for registry ${registry.registry}`);
      continue;
    }
    sources.push(...(await sourcesOf(registry, { ...options, ...registry.options }, ask, onWarning)));
  }
  return sources;
}

async function sourcesOf(
  { registry, images }: SyncRegistry,
  options: EndOptions,
  ask: AskTags,
  onWarning: (message: string) => void,
): Promise<SyncSource[]> {
  const sources: SyncSource[] = [];
  for (const rule of images) {
    const repository = parseReference(`${registry}/${rule.repository}`);
    if (repository.tag !== undefined || repository.digest !== undefined) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `${registry}/${rule.repository}: a repository has no tag or digest`,
      );
    }
    const chosen = await chooser(rule);
    let found: Reference[];
    try {
      found =
        rule.kind === 'names'
          ? rule.names.map((name) => ({
              ...repository,
              ...(isDigest(name) ? { digest: name } : { tag: checkTag(name) }),
            }))
          : (await ask(repository, options)).filter(chosen).map((tag) => ({ ...repository, tag }));
    } catch (error) {
      if (!VainaError.is(error) || error.code === 'ERR_INVALID_OPTION') throw error;
      onWarning(`error processing repo ${formatReference(repository)}, skipping: ${error.message}`);
      continue;
    }
    if (found.length === 0) onWarning(`no images to sync found in ${formatReference(repository)}`);
    else sources.push({ images: found.map(imageOf), options });
  }
  return sources;
}

/** Whether a tag is one that a rule means. */
async function chooser(rule: SyncRule): Promise<(tag: string) => boolean> {
  if (rule.kind === 'regex') {
    let expression: RegExp;
    try {
      expression = new RegExp(rule.expression);
    } catch (cause) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `${rule.repository}: ${rule.expression} is no regular expression`,
        {
          cause,
        },
      );
    }
    return (tag) => expression.test(tag);
  }
  if (rule.kind === 'semver') {
    const { satisfies, validRange } = await import('semver');
    // Between the conditions of one range skopeo's grammar has commas, npm's has spaces.
    const range = validRange(rule.range.replaceAll(',', ' '));
    if (range === null) {
      throw new VainaError('ERR_INVALID_OPTION', `${rule.repository}: ${rule.range} is no range of versions`);
    }
    return (tag) => {
      const version = versionOf(tag);
      return version !== undefined && satisfies(version, range);
    };
  }
  return () => true;
}

/** A tag as a version, `v1.2` as 1.2.0; undefined for other tags. */
function versionOf(tag: string): string | undefined {
  const match = /^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?((?:-[0-9A-Za-z.-]+)?)$/.exec(tag);
  if (!match) return undefined;
  const [, major = '0', minor = '0', patch = '0', rest = ''] = match;
  return `${Number(major)}.${Number(minor)}.${Number(patch)}${rest}`;
}

function checkTag(tag: string): string {
  return parseReference(`x:${tag}`).tag ?? tag;
}

function imageOf(reference: Reference): { name: ImageName; suffix: string } {
  return { name: { transport: 'docker', reference }, suffix: formatReference(reference) };
}

/** Follows no link: a directory outside may not be meant. */
async function imageDirectories(root: string): Promise<string[]> {
  const found: string[] = [];
  const search = async (path: string): Promise<void> => {
    const below: string[] = [];
    try {
      for await (const entry of await opendir(path)) {
        if (entry.isFile() && entry.name === 'manifest.json') found.push(path);
        else if (entry.isDirectory()) below.push(join(path, entry.name));
      }
    } catch (error) {
      throw fileFailure(error, path);
    }
    for (const one of below.sort()) await search(one);
  };
  await search(root);
  return found.sort();
}
