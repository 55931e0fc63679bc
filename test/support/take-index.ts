import { Readable } from 'node:stream';
import { parseManifest } from '../../lib/oci/manifest.js';
import type { CommittedManifest } from '../../lib/oci/types.js';
import type { Store } from '../../lib/store/store.js';
import { makeIndex, type TestImage } from './images.js';

function committed({ manifest, config }: TestImage): CommittedManifest {
  const { bytes, descriptor } = manifest;
  const parsed = parseManifest(bytes);
  if (parsed.kind !== 'manifest') throw new Error('it is an index');
  return {
    raw: { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest },
    manifest: parsed.manifest,
    config,
  };
}

/** Takes an index with all its images into a store, as a copy of all images brings it. */
export async function takeIndex(store: Store, images: readonly TestImage[], name: string): Promise<void> {
  const index = makeIndex(images);
  const sink = store.sink({ names: [name] });
  for (const image of images) {
    await sink.putBlob(image.config.descriptor, Readable.from([image.config.bytes]), { kind: 'config' });
    for (const [at, one] of image.layers.entries()) {
      const parents = image.layers.slice(0, at).map(({ diffId }) => diffId);
      const about = { kind: 'layer', index: at, diffId: one.diffId, parents } as const;
      await sink.putBlob(one.descriptor, Readable.from([one.bytes]), about);
    }
  }
  const { bytes, descriptor } = index;
  await sink.commit({
    top: { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest },
    manifests: images.map(committed),
    indexes: [],
    signatures: new Map(),
  });
  await sink.close();
}
