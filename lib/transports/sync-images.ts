import { mkdir, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import { checkCopyOptions, copyNamed, type CopyCommonOptions, type CopyResult } from './copy-image.js';
import { formatImageName, parseImageName, type ImageName } from './name.js';
import { registryOptions, withinTime } from './options.js';
import {
  directorySources,
  fileSources,
  registrySources,
  type AskTags,
  type SyncSource,
} from './sync-sources.js';
import { listTags } from '../registry/list.js';

/** Where {@link syncImages} copies from. */
export interface SyncFrom {
  /** `docker`: a repository, or one image of it; `dir`: a directory of images; `yaml`: a file that names images. */
  transport: 'docker' | 'dir' | 'yaml';
  /** The reference, or the path. */
  place: string;
}

/** Where {@link syncImages} copies to. */
export interface SyncTo {
  /** `docker`: a registry, perhaps with a path in it; `dir`: a directory. */
  transport: 'docker' | 'dir';
  /** The registry, or the path. */
  place: string;
}

/** Options of {@link syncImages}. */
export interface SyncOptions extends CopyCommonOptions {
  /** Put the whole name of the source below the destination, not only its last part. Default false. */
  scoped?: boolean;
  /** What is added to each tag at the destination. Default nothing. */
  appendSuffix?: string;
  /** Copy nothing; say what would be copied. Default false. */
  dryRun?: boolean;
  /** Go on when an image fails; those that failed are in the result. Default false: the first failure is thrown. */
  keepGoing?: boolean;
  /** Called before and after each image. */
  onImage?: (event: SyncEvent) => void;
  /** Called for what is left out. */
  onWarning?: (message: string) => void;
}

/** What happens to one image of a sync. */
export interface SyncEvent {
  /** Before it is copied, or would be; after it was; when it failed and others follow. */
  phase: 'start' | 'done' | 'failed';
  /** Its full name at the source. */
  source: string;
  /** Its full name at the destination. */
  destination: string;
  /** Its place among those of its source, from 1. */
  number: number;
  /** How many its source has. */
  of: number;
  /** Why it failed. */
  error?: unknown;
}

/** What {@link syncImages} did. */
export interface SyncResult {
  /** How many places images came from: repositories, or one directory. */
  sources: number;
  /** What was copied, or would be. */
  images: readonly SyncedImage[];
  /** What failed; only with `keepGoing`. */
  failed: readonly FailedImage[];
}

/** One image of {@link SyncResult.failed}. */
export interface FailedImage {
  /** Its full name at the source. */
  source: string;
  /** Its full name at the destination. */
  destination: string;
  /** Why it failed. */
  error: unknown;
}

/** One image of {@link SyncResult}. */
export interface SyncedImage {
  /** Its full name at the source. */
  source: string;
  /** Its full name at the destination. */
  destination: string;
  /** What was written; absent in a dry run. */
  copy?: CopyResult;
}

/**
 * Copies all images of a place (skopeo-sync(1)): registry to directory, directory to registry, registry to registry, and
 * what a YAML file names to either. In a directory each image is a `dir:` named after it.
 *
 * @throws VainaError as {@link copyImage}; `ERR_UNSUPPORTED` for `dir` to `dir`, `ERR_INVALID_OPTION` for malformed files, `ERR_NO_SUCH_IMAGE`
 * when there is nothing to copy, `ERR_NAME_IN_USE` for a directory that exists
 */
export async function syncImages(from: SyncFrom, to: SyncTo, options: SyncOptions = {}): Promise<SyncResult> {
  checkCopyOptions('syncImages', options);
  checkPlaces(from, to);
  return withinTime(options, async (signal) => {
    const { timeoutMs: _whole, scoped = false, appendSuffix = '', ...rest } = options;
    const { dryRun = false, keepGoing = false, onImage, onWarning = () => undefined, ...common } = rest;
    const copyOptions: CopyCommonOptions = { ...common, ...(signal && { signal }) };
    const sources = await sourcesOf(from, options, onWarning, signal);
    const images: SyncedImage[] = [];
    const failed: FailedImage[] = [];
    for (const source of sources) {
      for (const [i, image] of source.images.entries()) {
        signal?.throwIfAborted();
        const target = targetOf(to, scoped ? image.suffix : basename(image.suffix), appendSuffix);
        const names = { source: formatImageName(image.name), destination: formatImageName(target) };
        const place = { ...names, number: i + 1, of: source.images.length };
        onImage?.({ phase: 'start', ...place });
        if (dryRun) {
          images.push(names);
          continue;
        }
        try {
          const copy = await copyOne(image.name, target, { ...copyOptions, source: source.options });
          images.push({ ...names, copy });
          onImage?.({ phase: 'done', ...place });
        } catch (error) {
          signal?.throwIfAborted();
          if (!keepGoing) throw error;
          failed.push({ ...names, error });
          onImage?.({ phase: 'failed', ...place, error });
        }
      }
    }
    return { sources: sources.length, images, failed };
  });
}

function checkPlaces(from: SyncFrom, to: SyncTo): void {
  if (!['docker', 'dir', 'yaml'].includes(from.transport)) {
    throw new VainaError('ERR_INVALID_OPTION', `"${from.transport}" is not a valid source transport`);
  }
  if (!['docker', 'dir'].includes(to.transport)) {
    throw new VainaError('ERR_INVALID_OPTION', `"${to.transport}" is not a valid destination transport`);
  }
  if (from.transport === 'dir' && to.transport === 'dir') {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      "sync from 'dir' to 'dir' not implemented, consider using rsync instead",
      { hint: `rsync -a ${from.place}/ ${to.place}` },
    );
  }
}

async function sourcesOf(
  from: SyncFrom,
  options: SyncOptions,
  onWarning: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<SyncSource[]> {
  const end = options.source ?? {};
  const ask: AskTags = async (repository, how) => {
    return listTags(repository, registryOptions(how, signal));
  };
  switch (from.transport) {
    case 'docker':
      return registrySources(from.place, end, ask);
    case 'dir':
      return directorySources(from.place, end);
    case 'yaml':
      return fileSources(from.place, end, ask, onWarning);
  }
}

function targetOf(to: SyncTo, suffix: string, append: string): ImageName {
  const place = `${join(to.place, suffix)}${append}`;
  return parseImageName(to.transport === 'dir' ? `dir:${place}` : `docker://${place}`);
}

async function copyOne(from: ImageName, to: ImageName, options: CopyCommonOptions): Promise<CopyResult> {
  if (to.transport !== 'dir') return copyNamed(from, to, options);
  // A directory that exists may hold something else: an image is not written over it.
  try {
    await mkdir(dirname(to.path), { recursive: true, mode: 0o755 });
    await mkdir(to.path, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileFailure(error, to.path);
    throw new VainaError('ERR_NAME_IN_USE', `refusing to overwrite destination directory "${to.path}"`, {
      path: to.path,
    });
  }
  try {
    return await copyNamed(from, to, options);
  } catch (error) {
    await rmdir(to.path).catch(() => undefined);
    throw error;
  }
}
