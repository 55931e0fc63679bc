import { Readable } from 'node:stream';
import { copy } from '../../lib/oci/copy.js';
import type { CommittedImage, CommittedManifest, ImageSink, Signature, Digest } from '../../lib/oci/types.js';
import type { RegistrySinkOptions } from '../../lib/registry/options.js';
import { registrySink } from '../../lib/registry/sink.js';
import { env } from './fake-pull.js';
import type { FakeRegistry } from './fake-registry.js';
import type { TestImage } from './images.js';
import { MemorySource } from './memory-source.js';

/** A sink to a fake registry, as an ordinary user without files would make it. */
export function sinkTo(registry: FakeRegistry, name: string, options: RegistrySinkOptions = {}): ImageSink {
  return registrySink(`${registry.host}/${name}`, { tlsVerify: false, env, retryDelay: 1, ...options });
}

/** Copies an image from memory into a fake registry. */
export async function push(
  registry: FakeRegistry,
  image: TestImage,
  options: RegistrySinkOptions & { name?: string; signal?: AbortSignal } = {},
): Promise<void> {
  const { name = 'test/pushed:1', signal, ...rest } = options;
  await copy(MemorySource.of(image), sinkTo(registry, name, rest), signal ? { signal } : {});
}

/** An image as a sink gets it at the end. */
export function committed(image: TestImage): CommittedManifest {
  const { manifest } = image;
  return {
    raw: {
      bytes: manifest.bytes,
      mediaType: manifest.descriptor.mediaType,
      digest: manifest.descriptor.digest,
    },
    manifest: JSON.parse(manifest.bytes.toString()) as CommittedManifest['manifest'],
    config: image.config,
  };
}

/** Puts all blobs of images into a sink, and commits. */
export async function pushWhole(
  sink: ImageSink,
  images: readonly TestImage[],
  rest: Partial<CommittedImage> = {},
  signatures: ReadonlyMap<Digest, readonly Signature[]> = new Map(),
): Promise<void> {
  const manifests = images.map(committed);
  try {
    for (const { config, layers } of images) {
      for (const { bytes, descriptor } of [config, ...layers]) {
        if (await sink.hasBlob(descriptor, { kind: 'data' })) continue;
        await sink.putBlob(descriptor, Readable.from([bytes]), { kind: 'data' });
      }
    }
    const top = rest.top ?? (manifests[0] as CommittedManifest).raw;
    await sink.commit({ top, manifests, indexes: [], signatures, ...rest });
  } finally {
    await sink.close();
  }
}
