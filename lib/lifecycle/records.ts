import type { ContainerOptions } from '../spec/options.js';
import type { LaunchPolicy } from '../spec/policy.js';
import type { Status } from './state.js';

/** What is fixed when a container is made: written once, to the catalogue. */
export interface ContainerRecord {
  id: string;
  name: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Absent with a plain root file system. */
  imageId?: string;
  /** The name the image was asked for by. */
  imageName?: string;
  options: ContainerOptions;
  /** How it is supervised. */
  policy: LaunchPolicy;
  /** Command line as it will be executed. */
  command: string[];
  /** Labels of the image and of the options, merged. */
  labels: Record<string, string>;
}

/** What changes: the last known state, written to the catalogue at every change. */
export interface ContainerState {
  status: Exclude<Status, 'stopping'>;
  /** Milliseconds since the epoch. */
  startedAt?: number;
  exit?: ExitStatus;
}

/** How a container or an exec ended. */
export interface ExitStatus {
  /** The exit code; 128 + N after signal N; -1 when it is unknown. */
  exitCode: number;
  /** The signal that ended it, e.g. `SIGKILL`, or null. */
  signal: string | null;
  /** Whether the kernel killed it for want of memory. */
  oomKilled: boolean;
  /** When the program was executed. */
  startedAt: Date;
  /** When it had ended. */
  finishedAt: Date;
  /** Most memory that was used at once, in bytes; 0 when unknown. */
  peakMemory: number;
  /** Processor time in microseconds; 0 when unknown. */
  cpuTime: number;
  /** Set when the monitor was lost, so that nobody knows how the container ended. */
  unknown?: true;
}
