export { Engine, type EngineOptions, type RunOptions } from './engine.js';
export { Container } from './container.js';
export { Containers, type CreateOptions, type PullPolicy } from './containers.js';
export { Image, type ImageInspect, type RemoveImageResult } from './image.js';
export {
  Images,
  type ImportOptions,
  type LoadOptions,
  type PullOptions,
  type PushOptions,
  type SaveOptions,
} from './images.js';
export type { ImageTrust } from './lifecycle/image-trust.js';
export type { ImageRegistryOptions } from './lifecycle/image-registry-options.js';
export type { ScpOptions } from './lifecycle/scp-image.js';
export type { StoreEngine } from './lifecycle/scp-place.js';
export {
  ManifestList,
  type ListAddOptions,
  type ListEntryOptions,
  type ListPushOptions,
} from './manifest-list.js';
export { Manifests, type CreateListOptions } from './manifests.js';
export { ERROR_CODES, VainaError, type ErrorCode, type ErrorDetails } from './errors.js';

export { PROBLEM_KINDS, type CheckOptions, type Problem, type ProblemKind } from './lifecycle/check.js';
export type { DigestAlgorithm } from './oci/digest.js';
export type { SharedLock } from './transports/containers-storage/source.js';
export type { CollectOptions, CommandResult } from './lifecycle/collect.js';
export type { ContainerUsage, DiskUsage, ImageUsage } from './lifecycle/disk-usage.js';
export type { DoctorReport, Finding } from './lifecycle/doctor.js';
export type { ExecStartOptions } from './lifecycle/exec.js';
export type { Change } from './lifecycle/image-diff.js';
export type { HistoryRow } from './lifecycle/image-history.js';
export type { ImageTree, ImageTreeLayer } from './lifecycle/image-tree.js';
export type { EngineInfo } from './lifecycle/info.js';
export type {
  ContainerInspect,
  InspectConfig,
  InspectHostConfig,
  InspectMount,
  InspectState,
} from './lifecycle/inspect-types.js';
export type { ContainerFilter, ContainerSummary } from './lifecycle/list.js';
export type { ImageFilter, ImageSummary } from './lifecycle/list-images.js';
export type { LogEntry, LogsOptions } from './lifecycle/logs.js';
export type { MountedImage } from './lifecycle/mount-image.js';
export { Process } from './lifecycle/process.js';
export type { PrunedImage, PruneImagesOptions } from './lifecycle/prune-images.js';
export type { ExitStatus } from './lifecycle/records.js';
export type { EngineRepairOptions, Repair, RepairReport } from './lifecycle/repair.js';
export type { RemoveOptions } from './lifecycle/remove.js';
export type { StartOptions } from './lifecycle/start.js';
export { ALLOWED, STATUSES, type Status, type Verb } from './lifecycle/state.js';
export type { Stdio, StdioTriple } from './lifecycle/stdio.js';
export type { Timings } from './lifecycle/timings.js';
export { parseReference, type Reference } from './oci/reference.js';
export type {
  Digest,
  HistoryEntry,
  ImageRuntimeConfig,
  ImageSource,
  Index,
  ProgressEvent,
  RawManifest,
  Signature,
  TransferOptions,
} from './oci/types.js';
export {
  getLogin,
  login,
  logout,
  logoutAll,
  verifyLogin,
  type AuthFileOptions,
  type LoginOptions,
  type LoginResult,
} from './registry/login.js';
export type { Credentials, RegistryOptions } from './registry/options.js';
export type {
  RegistriesConfig,
  RegistryMirror,
  RegistryRule,
  ShortNameMode,
} from './registry/registries-conf.js';
export {
  search,
  searchRegistries,
  type SearchFilter,
  type SearchOptions,
  type SearchResult,
} from './registry/search.js';
export {
  resolveShortName,
  type ChooseShortName,
  type ResolvedName,
  type ShortNameOptions,
} from './registry/short-names.js';
export {
  RegistryServer,
  type ListeningRegistry,
  type RegistryAccess,
  type RegistryAction,
  type RegistryAuthorize,
  type RegistryChallenge,
  type RegistryListenOptions,
  type RegistryServerOptions,
  type RegistryUpstream,
} from './registry-server/index.js';
export { evaluatePolicy, type PolicySubject } from './signature/evaluate.js';
export type { GpgOptions, Keyring, VerifiedMessage } from './signature/gpg.js';
export { withKeyring } from './signature/gpg.js';
export {
  policyVerifier,
  signer,
  type PolicyVerifierOptions,
  type SignerOptions,
  type UnverifiedManifest,
} from './signature/hooks.js';
export type { SignedIdentity } from './signature/identity.js';
export {
  createLookaside,
  type HttpGetter,
  type LookasideOptions,
  type LookasideStorage,
} from './signature/lookaside.js';
export { readPolicy, type PolicyFile, type PolicyFileOptions } from './signature/policy-file.js';
export { checkPolicy, parsePolicy, type Policy } from './signature/policy.js';
export { readPublicKey } from './signature/public-key.js';
export type { RegistriesDOptions } from './signature/registries-d.js';
export type {
  PolicyRequirement,
  SignedByRequirement,
  SigstoreSignedRequirement,
} from './signature/requirements.js';
export { pathScopes, referenceScopes, storageScopes } from './signature/scopes.js';
export { generateSigstoreKey, type SigstoreKeyPair } from './signature/sigstore-key.js';
export {
  signSigstore,
  verifySigstore,
  type SigstoreSignature,
  type SigstoreSignOptions,
  type VerifiedSigstore,
} from './signature/sigstore.js';
export {
  signSimple,
  verifySimple,
  type Expectation,
  type SimpleSignature,
  type SimpleSignOptions,
  type VerifiedSignature,
} from './signature/simple.js';
export {
  standaloneSign,
  standaloneVerify,
  type StandaloneSignKey,
  type StandaloneVerified,
  type StandaloneVerifyKey,
} from './signature/standalone.js';
export {
  setTrust,
  showTrust,
  type SetTrustOptions,
  type ShownTrust,
  type ShowTrustOptions,
  type TrustRow,
} from './signature/trust.js';
export { formatPlan } from './spec/explain.js';
export type { ContainerOptions, ExecOptions } from './spec/options.js';
export {
  STEPS,
  type Phase,
  type Plan,
  type Step,
  type StepArgument,
  type StepDefinition,
  type StepName,
} from './spec/steps.js';
export {
  copyImage,
  type CopyCommonOptions,
  type CopyImageOptions,
  type CopyResult,
  type CopyStage,
} from './transports/copy-image.js';
export { deleteImage, type DeleteImageOptions } from './transports/delete-image.js';
export { manifestDigest } from './transports/digest.js';
export {
  inspectImage,
  type InspectedConfig,
  type InspectedLayer,
  type InspectImageOptions,
  type RemoteInspect,
} from './transports/inspect-image.js';
export { listTags, type ListTagsOptions, type TagList } from './transports/list-tags.js';
export {
  formatImageName,
  parseImageName,
  type ImageName,
  type StorageSpecifier,
  type TransportName,
} from './transports/name.js';
export { openSink, openSource, type SinkOptions, type SourceOptions } from './transports/open.js';
export type { EndOptions, PlatformOptions, TransportOptions } from './transports/options.js';
export { signImage, type MadeSignature, type SignImageOptions } from './transports/sign-image.js';
export type { ImageStoreTransport } from './transports/store.js';
export {
  syncImages,
  type FailedImage,
  type SyncedImage,
  type SyncEvent,
  type SyncFrom,
  type SyncOptions,
  type SyncResult,
  type SyncTo,
} from './transports/sync-images.js';
export type { TrustOptions } from './transports/trust.js';
