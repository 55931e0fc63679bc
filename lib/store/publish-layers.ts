import { renameSync } from 'node:fs';
import { promisify } from 'node:util';
import { syncDirectory } from '../util/sync-directory.js';
import { ioFailure } from './io-failure.js';
import type { StoreParts } from './parts.js';
import type { BuiltLayer } from './sink.js';

/**
 * Gives layers their places. Data before names: after a power loss a layer that has its place is whole. The event loop goes
 * on while the disk is waited for.
 */
export async function publishLayers(
  parts: StoreParts,
  layers: readonly BuiltLayer[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { paths } = parts;
  signal?.throwIfAborted();
  await syncStore(parts);
  signal?.throwIfAborted();
  for (const layer of layers) {
    if (layer.directory === undefined) continue;
    try {
      renameSync(layer.directory, paths.layer(layer.chainId));
      delete layer.directory;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Another transfer was faster; ours is removed when this one is closed.
      if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw ioFailure(error, paths.layer(layer.chainId));
      // Directories that no archive names have the time of their making: theirs is another tree.
      delete layer.record;
    }
  }
  await syncDirectory(paths.layers);
}

/** Waits until all that was written to the store survives a power loss. */
export async function syncStore({ native, paths }: StoreParts): Promise<void> {
  try {
    await promisify(native.syncfsLater.bind(native))(paths.root);
  } catch (error) {
    throw ioFailure(error, paths.root);
  }
}
