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

export { PROBLEM_KINDS, type CheckOptions, type Problem, type ProblemKind } from './store/check/problem.js';
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
export type { Credentials, RegistryOptions } from './registry/options.js';
export type {
  RegistriesConfig,
  RegistryMirror,
  RegistryRule,
  ShortNameMode,
} from './registry/registries-conf.js';
export type {
  RegistryServer,
  ListeningRegistry,
  RegistryAccess,
  RegistryAction,
  RegistryAuthorize,
  RegistryChallenge,
  RegistryListenOptions,
  RegistryServerOptions,
  RegistryUpstream,
} from './registry-server/index.js';
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
