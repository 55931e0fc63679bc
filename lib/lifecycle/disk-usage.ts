import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { allContainers } from './catalogue.js';
import { filesOf, type Context } from './context.js';
import { listImages } from './list-images.js';
import { readTruth } from './sync.js';
import type { Status } from './state.js';

/** What an image takes. */
export interface ImageUsage {
  /** 64 hexadecimal digits. */
  id: string;
  /** Full references, sorted. */
  names: readonly string[];
  /** When it was made. */
  created: Date;
  /** Bytes of its layers, decompressed, and of its configuration. */
  size: number;
  /** Of these, bytes of layers that other images have too. */
  sharedSize: number;
  /** Of these, bytes that only this image has. */
  uniqueSize: number;
  /** How many containers are made of it. */
  containers: number;
}

/** What a container takes beside its image. */
export interface ContainerUsage {
  /** 64 hexadecimal digits. */
  id: string;
  /** Its name. */
  name: string;
  /** Id of its image; absent with a plain root file system. */
  imageId?: string;
  /** What it runs. */
  command: readonly string[];
  /** When it was made. */
  created: Date;
  /** The state it is in. */
  status: Status;
  /** Bytes that it has written to its own layer. */
  size: number;
}

/** What a store takes. */
export interface DiskUsage {
  /** Newest first. */
  images: ImageUsage[];
  /** Oldest first. */
  containers: ContainerUsage[];
  /** Bytes of all layers and configurations, each counted once. */
  imagesSize: number;
  /** Of these, bytes that would become free without the images that no container is made of. */
  imagesReclaimable: number;
}

/** What the images take, by what the catalogue knows. */
function imagesUsage(context: Context): Omit<DiskUsage, 'containers'> {
  const { images, layers } = context.store;
  const sizes = new Map(layers.list().map((layer) => [layer.chainId, layer.size]));
  const users = new Map<string, number>();
  const needed = new Set<string>();
  const rows = listImages(context, { manifest: false }).map((image) => ({
    image,
    chain: images.layersOf(image.id),
  }));
  for (const { image, chain } of rows) {
    for (const chainId of chain) users.set(chainId, (users.get(chainId) ?? 0) + 1);
    if (image.containers > 0) for (const chainId of chain) needed.add(chainId);
  }
  const sum = (chain: readonly string[]): number =>
    chain.reduce((total, chainId) => total + (sizes.get(chainId) ?? 0), 0);
  let [imagesSize, kept] = [sum([...users.keys()]), sum([...needed])];
  const usages = rows.map(({ image, chain }): ImageUsage => {
    const { id, names, created, size, containers } = image;
    const sharedSize = sum(chain.filter((chainId) => (users.get(chainId) ?? 0) > 1));
    const configuration = size - sum(chain);
    imagesSize += configuration;
    if (containers > 0) kept += configuration;
    return { id, names, created, size, sharedSize, uniqueSize: size - sharedSize, containers };
  });
  return { images: usages, imagesSize, imagesReclaimable: imagesSize - kept };
}

/** What all of the store takes. */
export async function diskUsage(context: Context): Promise<DiskUsage> {
  const entries = allContainers(context);
  const sizes = new Map<string, number>();
  if (entries.length > 0) {
    await context.store.worker(async (worker) => {
      for (const { record } of entries) {
        const { upper } = filesOf(context, record.id);
        if (!existsSync(upper)) continue;
        sizes.set(record.id, (await worker.usage(relative(context.root, upper))).size);
      }
    });
  }
  const containers = entries.map((entry): ContainerUsage => {
    const { record } = entry;
    return {
      ...{ id: record.id, name: record.name, created: new Date(record.createdAt) },
      ...(record.imageId === undefined ? {} : { imageId: record.imageId }),
      command: record.command,
      status: readTruth(context, entry).status,
      size: sizes.get(record.id) ?? 0,
    };
  });
  return { ...imagesUsage(context), containers };
}
