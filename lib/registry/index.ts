/**
 * The registry client alone: `import { registrySource } from 'vaina/registry'`. It moves images between registries and
 * whatever else is a source or a sink, and needs neither the native addon nor a store. Nothing is loaded for the network
 * before the first request.
 *
 * @packageDocumentation
 */

export { copy, type CopyOptions } from '../oci/copy.js';
export type { UnverifiedImage } from '../oci/copy-options.js';
export { isDigest, parseDigest } from '../oci/digest.js';
export { formatReference, parseReference, type Reference } from '../oci/reference.js';
export type {
  BlobRole,
  CommittedImage,
  CommittedManifest,
  Descriptor,
  Digest,
  HistoryEntry,
  ImageConfig,
  ImageRuntimeConfig,
  ImageSink,
  ImageSource,
  LayerCompression,
  Manifest,
  Platform,
  ProgressEvent,
  RawManifest,
  Signature,
  SinkTakes,
  TransferOptions,
} from '../oci/types.js';
export { ERROR_CODES, VainaError, type ErrorCode, type ErrorDetails } from '../errors.js';
export type { Scopes } from './auth.js';
export { RegistryClient, type Ask } from './client.js';
export { deleteManifest, deleteTag } from './delete.js';
export { catalog, listTags, type ListOptions } from './list.js';
export type { RegistryCallOptions } from './open.js';
export type { Credentials, Lookaside, RegistryOptions, RegistrySinkOptions, Settings } from './options.js';
export type { Payload } from './payload.js';
export { ping } from './ping.js';
export { referrers, type ReferrersOptions } from './referrers.js';
export { registrySink } from './sink.js';
export { registrySource } from './source.js';
export type { Answer, Method } from './transport.js';
export {
  getLogin,
  login,
  logout,
  logoutAll,
  verifyLogin,
  type AuthFileOptions,
  type LoginOptions,
  type LoginResult,
} from './login.js';
export {
  search,
  searchRegistries,
  type SearchFilter,
  type SearchOptions,
  type SearchResult,
} from './search.js';
export {
  resolveShortName,
  type ChooseShortName,
  type ResolvedName,
  type ShortNameOptions,
} from './short-names.js';
