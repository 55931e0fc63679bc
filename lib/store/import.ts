import type { Readable } from 'node:stream';
import { digestOf, hexOf } from '../oci/digest.js';
import { MEDIA } from '../oci/mediatypes.js';
import { hostPlatform } from '../oci/platform.js';
import type { ImageConfig, ImageRuntimeConfig, Manifest, Platform, TransferOptions } from '../oci/types.js';
import type { StoreSink } from './sink.js';

/** Options of an import. */
export interface ImportOptions extends TransferOptions {
  /** A full reference that the image gets. */
  name?: string;
  /** What its containers run by default. */
  config?: ImageRuntimeConfig;
  /** The comment of the one entry of its history. */
  message?: string;
  /** Default: this host's. */
  platform?: Platform;
  /** Default: now. */
  created?: Date;
}

/**
 * Makes an image of one layer out of an archive of a root file system, plain or compressed.
 *
 * @returns the image's id
 */
export async function importArchive(
  sink: StoreSink,
  content: Readable,
  options: ImportOptions,
): Promise<string> {
  const { config = {}, message, platform = hostPlatform(), created = new Date() } = options;
  try {
    const layer = await sink.putNewLayer(content, 'the archive', options);
    const time = created.toISOString();
    const parsed: ImageConfig = {
      created: time,
      ...platform,
      config,
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created: time, ...(message === undefined ? {} : { comment: message }) }],
    };
    const bytes = Buffer.from(JSON.stringify(parsed));
    const descriptor = { mediaType: MEDIA.ociConfig, digest: digestOf(bytes), size: bytes.length };
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: descriptor,
      layers: [layer.descriptor],
    };
    const manifestBytes = Buffer.from(JSON.stringify(manifest));
    const raw = { bytes: manifestBytes, mediaType: MEDIA.ociManifest, digest: digestOf(manifestBytes) };
    await sink.commit({
      top: raw,
      manifests: [{ raw, manifest, config: { descriptor, bytes, parsed } }],
      indexes: [],
      signatures: new Map(),
    });
    return hexOf(descriptor.digest);
  } finally {
    await sink.close();
  }
}
