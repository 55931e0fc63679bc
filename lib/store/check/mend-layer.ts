import { renameSync } from 'node:fs';
import type { Digest, ImageConfig, Manifest } from '../../oci/types.js';
import { syncDirectory } from '../../util/sync-directory.js';
import { chainIds } from '../chain.js';
import { makeLayerDirectory } from '../layers.js';
import { syncStore } from '../publish-layers.js';
import { unpackLayer } from '../unpack.js';
import type { Problem } from './problem.js';
import { unmendable, type Mending } from './repair.js';

/** What a layer is made from, as an image says. */
interface Origin {
  chainId: string;
  diffId: Digest;
  parent?: string;
  /** Blobs that the layer may be unpacked from. */
  blobs: Digest[];
}

/** Unpacks a layer once more, or all layers of an image whose rows are wrong, and sets their rows right. */
export async function mendLayer(mending: Mending, problem: Problem): Promise<string> {
  const { parts } = mending;
  if (problem.kind === 'layer-inconsistent') {
    const origin = originsOf(mending, problem.imageIds).get(problem.id);
    if (!origin) throw unmendable(`no image says what the layer ${problem.id} is made from`);
    writeRow(mending, origin);
    return 'its row was written anew from the configuration of its image';
  }
  if (problem.kind !== 'image-layers') {
    await unpackAgain(mending, problem.id, problem.imageIds);
    return 'it was unpacked again from its blob';
  }
  const { database } = parts;
  const row = database.get('SELECT config FROM images WHERE id = ?', problem.id);
  const config = JSON.parse((row?.['config'] as string | undefined) ?? '{}') as Partial<ImageConfig>;
  const chain = chainIds(config.rootfs?.diff_ids ?? []);
  for (const chainId of chain)
    if (!parts.layers.get(chainId)) await unpackAgain(mending, chainId, [problem.id]);
  database.transaction(() => {
    database.run('DELETE FROM image_layers WHERE image_id = ?', problem.id);
    for (const [position, chainId] of chain.entries()) {
      database.run(
        'INSERT INTO image_layers (image_id, position, chain_id) VALUES (?, ?, ?)',
        ...[problem.id, position, chainId],
      );
    }
  }, true);
  return 'its layers were entered anew from its configuration';
}

async function unpackAgain(mending: Mending, chainId: string, imageIds: readonly string[]): Promise<void> {
  const { parts } = mending;
  const origin = originsOf(mending, imageIds).get(chainId);
  const blob = origin?.blobs.find((digest) => parts.content.get(digest));
  if (!origin || blob === undefined) throw unmendable(`the blob of the layer ${chainId} is missing`);
  const directory = parts.session.path();
  try {
    const tree = parts.relative(makeLayerDirectory(directory));
    const { size, record } = await parts.withWorker(async (worker) => {
      await worker.begin(tree);
      const done = await unpackLayer(parts.content.open(blob), { what: `layer ${blob}`, worker });
      if (done.diffId !== origin.diffId) throw unmendable(`the blob ${blob} decompresses to ${done.diffId}`);
      return { size: done.size, record: await worker.usage(tree) };
    }, mending.signal);
    await syncStore(parts);
    // Containers that run on it keep what they have.
    mending.quarantine(parts.paths.layer(chainId));
    renameSync(directory, parts.paths.layer(chainId));
    await syncDirectory(parts.paths.layers);
    writeRow(mending, origin, size);
    parts.layers.setRecord(chainId, record);
  } catch (error) {
    await parts.removeTemporary(directory);
    throw error;
  }
}

function writeRow({ parts }: Mending, origin: Origin, size?: number): void {
  parts.database.run(
    `INSERT INTO layers (chain_id, diff_id, parent, size, created_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET diff_id = excluded.diff_id, parent = excluded.parent, size = coalesce(?, size)`,
    ...[origin.chainId, origin.diffId, origin.parent ?? null, size ?? 0, Date.now(), size ?? null],
  );
}

/** By chain id: what the layers of these images are made from. */
function originsOf({ parts }: Mending, imageIds: readonly string[]): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  for (const id of imageIds) {
    const row = parts.database.get('SELECT config FROM images WHERE id = ?', id);
    if (!row) continue;
    const diffIds = (JSON.parse(row['config'] as string) as ImageConfig).rootfs.diff_ids;
    const manifests = parts.database
      .all('SELECT content FROM manifests WHERE image_id = ?', id)
      .map((manifest) => JSON.parse(manifest['content'] as string) as Manifest);
    const chain = chainIds(diffIds);
    for (const [index, chainId] of chain.entries()) {
      const blobs = manifests.flatMap(({ layers }) => layers[index]?.digest ?? []);
      const parent = chain[index - 1];
      origins.set(chainId, {
        ...{ chainId, diffId: diffIds[index] as Digest },
        ...(parent === undefined ? {} : { parent }),
        blobs: [...(origins.get(chainId)?.blobs ?? []), ...blobs],
      });
    }
  }
  return origins;
}
