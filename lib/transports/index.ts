/**
 * Names with transports: `import { copyImage } from 'vaina/transports'`. Copies, inspects, lists, deletes and synchronises
 * images wherever they are; needs neither the native addon nor a store.
 *
 * @packageDocumentation
 */

export {
  copyImage,
  type CopyCommonOptions,
  type CopyImageOptions,
  type CopyResult,
  type CopyStage,
} from './copy-image.js';
export { deleteImage, type DeleteImageOptions } from './delete-image.js';
export { manifestDigest } from './digest.js';
export {
  inspectImage,
  type InspectedConfig,
  type InspectedLayer,
  type InspectImageOptions,
  type RemoteInspect,
} from './inspect-image.js';
export { listTags, type ListTagsOptions, type TagList } from './list-tags.js';
export {
  formatImageName,
  parseImageName,
  type ImageName,
  type StorageSpecifier,
  type TransportName,
} from './name.js';
export { openSink, openSource, type SinkOptions, type SourceOptions } from './open.js';
export type { EndOptions, PlatformOptions, TransportOptions } from './options.js';
export { signImage, type MadeSignature, type SignImageOptions } from './sign-image.js';
export type { ImageStoreTransport } from './store.js';
export {
  syncImages,
  type FailedImage,
  type SyncedImage,
  type SyncEvent,
  type SyncFrom,
  type SyncOptions,
  type SyncResult,
  type SyncTo,
} from './sync-images.js';
export type { TrustOptions } from './trust.js';
