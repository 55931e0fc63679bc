import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { parseReference } from '../oci/reference.js';
import { isIndexType, isManifestType } from '../oci/mediatypes.js';
import type { Descriptor, Digest } from '../oci/types.js';
import { registrySource } from '../registry/source.js';
import type { CheckOptions, Problem } from '../store/check/problem.js';
import type { Repair } from '../store/check/repair.js';
import { deleteContainer } from './catalogue.js';
import { checkEngine } from './check.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { removeContainer, removeFiles } from './remove.js';

export type { Repair };

/** How a store is mended. */
export interface EngineRepairOptions extends CheckOptions {
  /** Remove what cannot be mended: images, with the containers made of them, and containers. Default false. */
  force?: boolean;
  /**
   * Gives a blob from elsewhere, by its digest; undefined when it has none. Default: the registry that a name of the image
   * is of.
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
  /** Ids of containers that were removed. */
  removedContainers: string[];
  /** What is still wrong. */
  left: Problem[];
}

/** Mends what is damaged; with `force` what cannot be mended is removed. */
export async function repairEngine(context: Context, options: EngineRepairOptions): Promise<RepairReport> {
  const { force = false, fetch = fetchFromRegistry, ...check } = options;
  const { signal } = check;
  const found = await checkEngine(context, check);
  const report: RepairReport = { found, repairs: [], removedImages: [], removedContainers: [], left: [] };
  if (found.length === 0) return report;
  report.repairs = await context.store.repair(found, { fetch, ...(signal ? { signal } : {}) });
  report.left = await checkEngine(context, check);
  if (!force || report.left.length === 0) return report;
  for (const { kind, id, imageIds } of report.left) {
    if (kind === 'container-damaged') await dropContainer(context, id, report);
    for (const image of imageIds) await dropImage(context, image, report);
  }
  // What only these needed is garbage now.
  await context.store.sweep();
  report.left = await checkEngine(context, check);
  return report;
}

async function dropImage(context: Context, id: string, report: RepairReport): Promise<void> {
  for (const container of context.store.containers.ofImage(id))
    await dropContainer(context, container.id, report);
  try {
    await context.store.deleteImage(id);
  } catch (error) {
    // It was affected by more than one thing.
    if (VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) return;
    throw error;
  }
  context.users.delete(id);
  report.removedImages.push(id);
  publishImage('remove', id);
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

async function fetchFromRegistry(
  blob: { digest: string; size: number; mediaType: string },
  names: readonly string[],
): Promise<Readable | undefined> {
  for (const name of names) {
    if (name.startsWith('sha256:') || name.startsWith('localhost/')) continue;
    const source = registrySource(parseReference(name), {});
    const { mediaType } = blob;
    try {
      if (isIndexType(mediaType) || isManifestType(mediaType)) {
        const { bytes } = await source.manifest(blob.digest as Digest);
        await source.close();
        return Readable.from([bytes]);
      }
      const content = await source.blob(blob as Descriptor);
      content.once('close', () => void source.close());
      return content;
    } catch (error) {
      await source.close();
      // Another name may be of a registry that has it.
      if (!VainaError.is(error)) throw error;
    }
  }
  return undefined;
}
