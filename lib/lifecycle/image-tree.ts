import type { LayerRow } from '../store/layers.js';
import type { Context } from './context.js';

/** A layer of an image's tree. */
export interface ImageTreeLayer {
  /** 64 hexadecimal digits: of its chain id. */
  id: string;
  /** Bytes of its archive, decompressed. */
  size: number;
  /** Names of the images whose top layer it is. */
  topOf: readonly string[];
}

/** What an image is made of. */
export interface ImageTree {
  /** 64 hexadecimal digits. */
  id: string;
  /** Names of the image. */
  names: readonly string[];
  /** Bytes of the layers, decompressed, and of the configuration. */
  size: number;
  /** Its layers, the lowest first; with `whatRequires` its top layer, then the layers above it. */
  layers: ImageTreeLayer[];
}

/** The layers of an image; with `whatRequires` those of images that are built on it. */
export function imageTree(context: Context, id: string, options: { whatRequires?: boolean }): ImageTree {
  const { images, layers } = context.store;
  const row = images.require(id);
  const tops = new Map<string | undefined, string[]>();
  for (const image of images.list()) {
    const top = images.layersOf(image.id).at(-1);
    tops.set(top, [...(tops.get(top) ?? []), ...image.names]);
  }
  const describe = (chainId: string): ImageTreeLayer => ({
    id: chainId,
    size: layers.get(chainId)?.size ?? 0,
    topOf: tops.get(chainId) ?? [],
  });
  const own = images.layersOf(id);
  const top = own.at(-1);
  const chosen = options.whatRequires && top !== undefined ? above(layers.list(), top) : own;
  return { id, names: row.names, size: row.size, layers: chosen.map(describe) };
}

/** A layer and all that are above it, each before those above itself. */
function above(layers: readonly LayerRow[], chainId: string): string[] {
  const children = layers.filter(({ parent }) => parent === chainId);
  return [chainId, ...children.flatMap((child) => above(layers, child.chainId))];
}
