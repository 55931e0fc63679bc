import { VainaError } from '../errors.js';
import { signalNumber } from '../util/signals.js';
import type { ContainerFacts, ContainerPaths } from './facts.js';
import type { ContainerOptions } from './options.js';
import { sizeOption } from './sizes.js';

const SIGTERM = 15;
const DEFAULT_STOP_TIMEOUT = 10;

/** What a launch plan needs beside the runtime spec: how the monitor supervises. */
export interface LaunchPolicy {
  /** The container's directory in the runroot; absent for a worker. */
  runDir: string;
  /** Where the exit record goes; absent when the container's files are removed at its end anyway. */
  exitRecord?: string;
  /** `direct`: the container gets the three descriptors; `piped`: the monitor copies, logs, and allows `attach`. */
  stdio: 'direct' | 'piped';
  /** Only with `piped`; `maxSize` in bytes, 0 for no limit. */
  log?: { path: string; maxSize: number };
  /** Size of the terminal, when the process has one; 0 × 0 leaves it as the kernel makes it. */
  terminal?: { rows: number; columns: number };
  /** Stdin stays open for a later `attach`. */
  keepStdin: boolean;
  stopSignal: number;
  /** Milliseconds between the stop signal and SIGKILL. */
  stopTimeout: number;
  /** The container outlives the program that started it. */
  detach: boolean;
  /** A small init is process 1. */
  init: boolean;
  /** The working directory is made when it is missing: it is the image's, not one that was asked for. */
  createWorkdir: boolean;
  /** With `autoRemove`: trees to remove at the end. */
  remove?: { trees: readonly string[] };
}

/** The policy that the options ask for. The verbs change what only they know: sizes of terminals, direct descriptors. */
export function compilePolicy(
  options: ContainerOptions,
  facts: ContainerFacts,
  paths: ContainerPaths,
): LaunchPolicy {
  const maxSize = sizeOption('logMaxSize', options.logMaxSize) ?? 0;
  const log = options.logDriver === 'none' ? undefined : paths.log;
  return {
    runDir: paths.runDirectory,
    ...(options.autoRemove === true ? {} : { exitRecord: paths.exitRecord }),
    stdio: 'piped',
    ...(log === undefined ? {} : { log: { path: log, maxSize } }),
    ...(options.tty === true ? { terminal: { rows: 0, columns: 0 } } : {}),
    keepStdin: options.stdin === true,
    stopSignal: stopSignal(options, facts),
    stopTimeout: Math.round((options.stopTimeout ?? DEFAULT_STOP_TIMEOUT) * 1000),
    detach: options.detach === true,
    init: options.init === true,
    createWorkdir: options.workdir === undefined,
    ...(options.autoRemove === true ? { remove: { trees: [paths.directory] } } : {}),
  };
}

function stopSignal(options: ContainerOptions, facts: ContainerFacts): number {
  if (options.stopSignal !== undefined) {
    const number = signalNumber(options.stopSignal);
    if (number !== undefined) return number;
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `stopSignal ${JSON.stringify(options.stopSignal)} is no signal`,
      {
        subject: 'stopSignal',
      },
    );
  }
  const ofImage = facts.image?.StopSignal;
  if (ofImage === undefined || ofImage === '') return SIGTERM;
  const number = signalNumber(ofImage);
  if (number !== undefined) return number;
  throw new VainaError(
    'ERR_INVALID_IMAGE',
    `config.StopSignal of the image is ${JSON.stringify(ofImage)}, no signal`,
  );
}
