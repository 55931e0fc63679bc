import type { HistoryEntry } from '../oci/types.js';
import type { Context } from './context.js';

/** One step of how an image came to be. */
export interface HistoryRow {
  /** Id of the image that the step made, where the store has it; else `<missing>`. */
  id: string;
  /** When; the epoch where it is not known. */
  created: Date;
  /** The command. */
  createdBy: string;
  /** Bytes of the layer that it made, decompressed; 0 for none. */
  size: number;
  /** A remark of who made it. */
  comment: string;
  /** Names of the image that the step made. */
  tags: readonly string[];
}

/** How an image came to be, the newest step first. */
export function imageHistory(context: Context, id: string): HistoryRow[] {
  const { images, layers } = context.store;
  const row = images.require(id);
  const chain = images.layersOf(id);
  const tops = new Map(images.list().map((image) => [images.layersOf(image.id).at(-1), image]));
  const steps: HistoryEntry[] = row.config.history ?? chain.map(() => ({}));
  let layer = 0;
  const rows = steps.map((step, index): HistoryRow => {
    const chainId = step.empty_layer ? undefined : chain[layer++];
    // An image that has exactly these layers may have been made by this step.
    const made = index === steps.length - 1 ? row : chainId === undefined ? undefined : tops.get(chainId);
    return {
      id: made?.id ?? '<missing>',
      created: new Date(step.created ?? 0),
      createdBy: step.created_by ?? '',
      size: chainId === undefined ? 0 : (layers.get(chainId)?.size ?? 0),
      comment: step.comment ?? '',
      tags: made?.names ?? [],
    };
  });
  return rows.reverse();
}
