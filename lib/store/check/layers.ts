import { lstatSync } from 'node:fs';
import { VainaError } from '../../errors.js';
import { chainIds } from '../chain.js';
import { makeLayerDirectory, type LayerRow } from '../layers.js';
import type { StoreParts } from '../parts.js';
import { firstDifference } from '../tree-difference.js';
import { unpackLayer } from '../unpack.js';
import type { StorageWorker } from '../worker.js';
import type { CheckOptions, Findings } from './problem.js';

/** Holds every layer of the catalogue against its tree. */
export async function checkLayers(
  parts: StoreParts,
  findings: Findings,
  options: CheckOptions,
): Promise<void> {
  const layers = parts.layers.list();
  const known = new Map(layers.map((layer) => [layer.chainId, layer]));
  for (const layer of layers) {
    const wrong = chainFault(layer, known);
    if (wrong !== undefined) report(parts, findings, layer, 'layer-inconsistent', wrong);
  }
  if (layers.length === 0) return;
  await parts.withWorker(async (worker) => {
    for (const layer of layers) await checkTree(parts, findings, layer, worker, options);
  }, options.signal);
}

function chainFault(layer: LayerRow, known: ReadonlyMap<string, LayerRow>): string | undefined {
  const diffIds = [];
  for (let at: LayerRow | undefined = layer, left = known.size; at; left--) {
    if (left === 0) return 'is above itself';
    diffIds.unshift(at.diffId);
    if (at.parent === undefined) break;
    const below: LayerRow | undefined = known.get(at.parent);
    if (!below) return `is above the layer ${at.parent}, which is missing`;
    at = below;
  }
  return chainIds(diffIds).at(-1) === layer.chainId ? undefined : 'is not the one that its row describes';
}

async function checkTree(
  parts: StoreParts,
  findings: Findings,
  layer: LayerRow,
  worker: StorageWorker,
  options: CheckOptions,
): Promise<void> {
  const tree = parts.layers.treeOf(layer.chainId);
  try {
    if (!lstatSync(tree).isDirectory())
      return report(parts, findings, layer, 'layer-missing', 'is no directory');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return report(parts, findings, layer, 'layer-missing', `has no tree (${code})`);
  }
  const { record } = layer;
  if (record) {
    const now = await worker.usage(parts.relative(tree));
    if (now.files !== record.files || now.size !== record.size) {
      const what = `has ${now.files} names and ${now.size} bytes, not ${record.files} and ${record.size} as it was unpacked`;
      return report(parts, findings, layer, 'layer-changed', what);
    }
    if (now.mark !== record.mark) {
      const what = 'has other names, types, modes, owners or times than it was unpacked with';
      return report(parts, findings, layer, 'layer-changed', what);
    }
  }
  if (!options.trees) return;
  // With a worker of its own: after a bad archive one is in the middle of a request.
  await parts.withWorker((own) => compareWithArchive(parts, findings, layer, own, options), options.signal);
}

/** Unpacks the archive once more, beside the tree, and looks for what differs. */
async function compareWithArchive(
  parts: StoreParts,
  findings: Findings,
  layer: LayerRow,
  worker: StorageWorker,
  options: CheckOptions,
): Promise<void> {
  const blob = parts.content.list().find(({ diffId }) => diffId === layer.diffId);
  const content = blob && parts.content.get(blob.digest);
  // That a blob is missing is told where blobs are looked at.
  if (!content) return;
  const directory = parts.session.path();
  const fresh = parts.relative(makeLayerDirectory(directory));
  // What no archive names has the time of its making.
  const begun = Date.now() / 1000 - 1;
  try {
    await worker.begin(fresh);
    await unpackLayer(parts.content.open(content.digest), { what: `layer ${content.digest}`, worker });
    const kept = parts.relative(parts.layers.treeOf(layer.chainId));
    const difference = await firstDifference(worker, fresh, kept, begun);
    if (difference !== undefined)
      report(parts, findings, layer, 'layer-differs', `is not what its archive holds: ${difference}`);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!VainaError.is(error) || error.code === 'ERR_NO_SPACE') throw error;
    // A damaged archive is the blob's problem, which is reported as such.
    if (error.code !== 'ERR_DIGEST_MISMATCH' && error.code !== 'ERR_INVALID_LAYER') {
      report(parts, findings, layer, 'layer-differs', `cannot be read: ${error.message}`);
    }
  } finally {
    await parts.removeTemporary(directory);
  }
}

function report(
  parts: StoreParts,
  findings: Findings,
  { chainId }: LayerRow,
  kind: 'layer-missing' | 'layer-changed' | 'layer-differs' | 'layer-inconsistent',
  what: string,
): void {
  // Somebody may have deleted its image meanwhile.
  if (!parts.layers.get(chainId)) return;
  findings.add(kind, chainId, `the layer ${chainId} ${what}`, findings.usersOfLayer(chainId));
}
