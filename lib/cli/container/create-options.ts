import { readFileSync } from 'node:fs';
import { keyValue } from '../arguments.js';
import { readEnvironment } from '../environment.js';
import { CommandError } from '../errors.js';
import type { CreateOptions } from '../../index.js';
import { pullPolicy, transferOptions } from '../transfer.js';
import type { Session } from '../verb.js';
import type { CreateGiven } from './create-flags.js';

/** The flags that the library takes under another name and without a change. */
const SAME = {
  capAdd: 'capAdd',
  capDrop: 'capDrop',
  cpuShares: 'cpuShares',
  cpus: 'cpus',
  cpusetCpus: 'cpuset',
  device: 'devices',
  groupAdd: 'groupAdd',
  hostname: 'hostname',
  init: 'init',
  interactive: 'stdin',
  memory: 'memory',
  memoryReservation: 'memoryReservation',
  name: 'name',
  network: 'network',
  oomScoreAdj: 'oomScoreAdj',
  pidsLimit: 'pidsLimit',
  privileged: 'privileged',
  readOnly: 'readOnly',
  readOnlyTmpfs: 'readOnlyTmpfs',
  rm: 'autoRemove',
  securityOpt: 'securityOpt',
  shmSize: 'shmSize',
  stopTimeout: 'stopTimeout',
  tmpfs: 'tmpfs',
  tty: 'tty',
  ulimit: 'ulimits',
  umask: 'umask',
  user: 'user',
  volume: 'volumes',
  workdir: 'workdir',
} as const satisfies Partial<Record<keyof CreateGiven, keyof CreateOptions>>;

/** What the library is asked to create: an image or, with `--rootfs`, none. */
export interface Wish {
  image: string | null;
  options: CreateOptions;
}

/** Compiles `[flags] IMAGE [COMMAND [ARG...]]`. */
export function createOptions(session: Session, args: readonly string[], given: CreateGiven): Wish {
  const [first, ...command] = args;
  if (first === undefined) throw new CommandError('requires at least 1 arg(s), only received 0');
  const options: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(SAME)) {
    const value = given[name as keyof CreateGiven];
    if (value !== undefined) options[option] = value;
  }
  const extra: CreateOptions = {
    pullOptions: transferOptions(session, given),
    ...(command.length > 0 ? { command } : {}),
    ...environmentOf(session, given),
    ...labelsOf(given),
    ...logOf(given),
    ...(given.annotation ? { annotations: Object.fromEntries(given.annotation.map(annotation)) } : {}),
    ...(given.sysctl ? { sysctls: Object.fromEntries(given.sysctl.map(sysctl)) } : {}),
    ...(given.entrypoint === undefined ? {} : { entrypoint: entrypoint(given.entrypoint) }),
    ...(given.memorySwap === undefined
      ? {}
      : { memorySwap: given.memorySwap === '-1' ? -1 : given.memorySwap }),
    ...(given.stopSignal === undefined ? {} : { stopSignal: signal(given.stopSignal) }),
    ...(given.pull === undefined ? {} : { pull: pullPolicy(given.pull) }),
    // The container lives on when this process ends: nobody expects Ctrl-C at the wrong moment to take it along.
    detach: true,
  };
  const all: CreateOptions = { ...options, ...extra };
  return given.rootfs ? { image: null, options: { ...all, rootfs: first } } : { image: first, options: all };
}

function environmentOf(session: Session, given: CreateGiven): CreateOptions {
  if (!given.env && !given.envFile) return {};
  return { env: readEnvironment(session.host.env, given.envFile, given.env) };
}

function labelsOf(given: CreateGiven): CreateOptions {
  if (!given.label && !given.labelFile) return {};
  const lines = (given.labelFile ?? []).flatMap((file) => {
    try {
      return readFileSync(file, 'utf8')
        .split(/\r?\n/)
        .map((line) => line.trimStart());
    } catch (error) {
      throw new CommandError(`unable to process labels: ${(error as Error).message}`);
    }
  });
  const entries = [...lines.filter((line) => line !== '' && !line.startsWith('#')), ...(given.label ?? [])];
  return { labels: Object.fromEntries(entries.map(keyValue)) };
}

function logOf(given: CreateGiven): CreateOptions {
  const log: CreateOptions = {};
  // podman's other name for the same format.
  if (given.logDriver !== undefined) {
    log.logDriver = (given.logDriver === 'json-file' ? 'k8s-file' : given.logDriver) as 'k8s-file' | 'none';
  }
  for (const option of given.logOpt ?? []) {
    const [name, value] = keyValue(option);
    if (name !== 'max-size') throw new CommandError(`unsupported log option "${option}": only max-size=SIZE`);
    log.logMaxSize = value;
  }
  return log;
}

function annotation(text: string): [string, string] {
  if (!text.includes('=')) throw new CommandError(`annotations must be formatted KEY=VALUE: ${text}`);
  return keyValue(text);
}

function sysctl(text: string): [string, string] {
  if (!text.includes('=')) {
    throw new CommandError(`${text} is invalid, sysctl values must be in the form of KEY=VALUE`);
  }
  return keyValue(text);
}

/** One word, or a JSON array of words. */
function entrypoint(text: string): readonly string[] {
  if (text === '') return [];
  try {
    const parsed = JSON.parse(text) as unknown;
    if (Array.isArray(parsed) && parsed.every((word) => typeof word === 'string')) return parsed;
  } catch {
    // Not JSON: a path.
  }
  return [text];
}

/** A name or, in digits, a number. */
export function signal(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}
