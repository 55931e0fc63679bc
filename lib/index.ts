export { Engine, type EngineOptions, type RunOptions } from './engine.js';
export { Container } from './container.js';
export { Containers, type CreateOptions, type PullPolicy } from './containers.js';
export { Image, type ImageInspect, type RemoveImageResult } from './image.js';
export { Images, type ImportOptions, type PullOptions } from './images.js';
export { ERROR_CODES, VainaError, type ErrorCode, type ErrorDetails } from './errors.js';

export type { CollectOptions, CommandResult } from './lifecycle/collect.js';
export type { DoctorReport, Finding } from './lifecycle/doctor.js';
export type { ExecStartOptions } from './lifecycle/exec.js';
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
export { Process } from './lifecycle/process.js';
export type { ExitStatus } from './lifecycle/records.js';
export type { RemoveOptions } from './lifecycle/remove.js';
export type { StartOptions } from './lifecycle/start.js';
export { ALLOWED, STATUSES, type Status, type Verb } from './lifecycle/state.js';
export type { Stdio, StdioTriple } from './lifecycle/stdio.js';
export type { Timings } from './lifecycle/timings.js';
export type { HistoryEntry, ImageRuntimeConfig, ProgressEvent, TransferOptions } from './oci/types.js';
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
