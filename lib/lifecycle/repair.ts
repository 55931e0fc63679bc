import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import type { CheckOptions, Problem } from '../store/check/problem.js';
import type { Repair, RepairOptions } from '../store/check/repair.js';
import { deleteContainer } from './catalogue.js';
import { checkEngine } from './check.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { fetchBlob } from './fetch-blob.js';
import { registryOptions, type ImageRegistryOptions } from './image-registry-options.js';
import { removeContainer, removeFiles } from './remove.js';
import { removeImage } from './remove-image.js';

export type { Repair };

/** How a store is mended, and how registries are reached for that. */
export interface EngineRepairOptions extends CheckOptions, ImageRegistryOptions {
  /**
   * Remove what cannot be mended: images, with the containers made of them and the manifest lists that they came with;
   * manifest lists, with the images that came with them and have no name; and containers. Default false.
   */
  force?: boolean;
  /**
   * Gives a blob from elsewhere, by its digest; undefined when it has none. Default: the registries that names of the
   * images or manifest lists which need it are of, with their mirrors, one after the other until one gives the right bytes.
   */
  fetch?: (
    blob: { digest: string; size: number; mediaType: string },
    names: readonly string[],
  ) => Promise<Readable | undefined>;
}

/** What a repair found and did. */
export interface RepairReport {
  /** What was wrong. */
  found: Problem[];
  /** What was tried, and whether it helped. */
  repairs: Repair[];
  /** Ids of images that were removed, since nothing could mend them. */
  removedImages: string[];
  /** Ids of manifest lists that were removed. */
  removedLists: string[];
  /** Ids of containers that were removed. */
  removedContainers: string[];
  /** What is still wrong. */
  left: Problem[];
}

/** Mends what is damaged; with `force` what cannot be mended is removed. */
export async function repairEngine(context: Context, options: EngineRepairOptions): Promise<RepairReport> {
  const { quick, trees, maxAge, signal, force = false, fetch } = options;
  const check = {
    ...(quick !== undefined && { quick }),
    ...(trees !== undefined && { trees }),
    ...(maxAge !== undefined && { maxAge }),
    ...(signal && { signal }),
  };
  const found = await checkEngine(context, check);
  const report: RepairReport = {
    ...{ found, repairs: [], removedImages: [], removedLists: [], removedContainers: [], left: [] },
  };
  if (found.length === 0) return report;
  report.repairs = await context.store.repair(found, {
    fetch: fetch ? given(fetch) : fetchFromRegistries(options),
    ...(signal ? { signal } : {}),
  });
  report.left = await checkEngine(context, check);
  if (!force || report.left.length === 0) return report;
  await removeDamaged(context, report);
  report.left = await checkEngine(context, check);
  return report;
}

async function removeDamaged(context: Context, report: RepairReport): Promise<void> {
  const { store } = context;
  const images = store.images.list().map(({ id }) => id);
  const lists = store.lists.list().map(({ id }) => id);
  for (const { kind, id, imageIds } of report.left) {
    if (kind === 'container-damaged') await dropContainer(context, id, report);
    for (const list of store.lists.needing(id, imageIds)) {
      await store.deleteList(list);
      publishImage('remove', list);
    }
    for (const image of imageIds) await dropImage(context, image, report);
  }
  // What only these needed is garbage now.
  await store.sweep();
  report.removedImages = images.filter((id) => !store.images.isKnown(id));
  report.removedLists = lists.filter((id) => !store.lists.get(id));
}

async function dropImage(context: Context, id: string, report: RepairReport): Promise<void> {
  // It was affected by more than one thing, or went with a list.
  if (!context.store.images.isKnown(id)) return;
  for (const container of context.store.containers.ofImage(id))
    await dropContainer(context, container.id, report);
  await removeImage(context, id, { force: true });
}

async function dropContainer(context: Context, id: string, report: RepairReport): Promise<void> {
  try {
    await removeContainer(context, id, { force: true, timeout: 0 });
  } catch (error) {
    // Its entry cannot be read; what runs of it shows by its lock, and is left alone.
    if (VainaError.is(error)) throw error;
    await removeFiles(context, id);
    deleteContainer(context, id);
  }
  if (!report.removedContainers.includes(id)) report.removedContainers.push(id);
}

type Fetch = NonNullable<RepairOptions['fetch']>;

function given(fetch: NonNullable<EngineRepairOptions['fetch']>): Fetch {
  return async (blob, names, keep) => {
    const content = await fetch(blob, names);
    if (content) await keep(content);
    return content !== undefined;
  };
}

function fetchFromRegistries(options: EngineRepairOptions): Fetch {
  const access = registryOptions(options);
  return async (blob, names, keep) => {
    await fetchBlob(blob, names, keep, access, options.signal);
    return true;
  };
}
