import { copy, type CopyOptions } from '../../lib/oci/copy.js';
import type {
  CommittedManifest,
  Descriptor,
  ImageSink,
  ImageSource,
  RawManifest,
} from '../../lib/oci/types.js';

/** What a copy of one image has moved. */
export interface OneImage {
  manifest: RawManifest;
  config: NonNullable<CommittedManifest['config']>;
  layers: readonly Descriptor[];
  /** The index that led to it. */
  index?: RawManifest;
}

/** Copies one image, and fails where it was not exactly one. */
export async function copyOne(
  source: ImageSource,
  sink: ImageSink,
  options: CopyOptions = {},
): Promise<OneImage> {
  const { top, manifests, origin } = await copy(source, sink, options);
  const [only, another] = manifests;
  if (only?.config === undefined || another !== undefined || only.raw !== top)
    throw new Error('not exactly one image was copied');
  return {
    manifest: only.raw,
    config: only.config,
    layers: only.manifest.layers,
    ...(origin && { index: origin }),
  };
}
