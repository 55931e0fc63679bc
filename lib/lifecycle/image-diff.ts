import { relative } from 'node:path';
import { changesBetween, changesOfLayer, type Change } from '../store/changes.js';
import type { Context } from './context.js';

export type { Change };

/** What the top layer of an image changes of those below; with a base, what makes the image out of the base. */
export async function imageDiff(context: Context, id: string, base?: string): Promise<Change[]> {
  const { store } = context;
  const treesOf = (image: string): string[] =>
    store.layers.lowerDirectories(image).map((tree) => relative(store.root, tree));
  const [top, ...below] = treesOf(id);
  return store.worker(async (worker) => {
    if (base !== undefined) return changesBetween(worker, treesOf(id), treesOf(base));
    return top === undefined ? [] : changesOfLayer(worker, top, below);
  });
}
