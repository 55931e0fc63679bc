import { VainaError } from '../errors.js';
import { signalNumber } from '../util/signals.js';
import { capabilityName } from './capabilities.js';
import {
  type Check,
  checkMembers,
  either,
  filled,
  flag,
  integer,
  line,
  list,
  map,
  number,
  parsed,
  text,
  word,
} from './checks.js';
import { checkContradictions } from './contradictions.js';
import { parseCpuset } from './cpuset.js';
import { parseDevice } from './devices.js';
import { invalid } from './invalid.js';
import type { ContainerOptions, ExecOptions } from './options.js';
import { parseUlimit } from './rlimits.js';
import { parseSecurityOpt } from './security-opt.js';
import { sizeOption } from './sizes.js';
import { parseUserReference } from './user.js';
import { parseVolume, tmpfsMount } from './volumes.js';

/** Most that fits into what the kernel takes for one exec. */
const MAX_SECONDS = 0x7fff_ffff / 1000;

const size: Check = (value, name) => {
  if (typeof value !== 'number') text(value, name);
  sizeOption(name, value as number | string);
};

const swap: Check = (value, name) => {
  if (value !== -1 && value !== '-1') size(value, name);
};

const capability: Check = (value, name) => {
  text(value, name);
  if (capabilityName(value as string) === undefined) {
    throw invalid(name, `option ${name}: unknown capability ${JSON.stringify(value)}`);
  }
};

const path: Check = (value, name) => {
  text(value, name);
  if (!(value as string).startsWith('/')) throw invalid(name, `option ${name} must be an absolute path`);
};

const variable: Check = (value, name) => {
  filled(value, name);
  if ((value as string).includes('='))
    throw invalid(name, `option ${name} ${JSON.stringify(value)} has a = in it`);
};

const hostname: Check = (value, name) => {
  line(value, name);
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value as string)) {
    throw invalid(name, `option ${name}: ${JSON.stringify(value)} is no host name of at most 64 characters`);
  }
};

const umask: Check = (value, name) => {
  text(value, name);
  if (!/^0?[0-7]{1,3}$/.test(value as string)) {
    throw invalid(name, `option ${name}: ${JSON.stringify(value)} is no octal number up to 0777`);
  }
};

const signal: Check = (value, name) => {
  const known = typeof value === 'string' || typeof value === 'number' ? signalNumber(value) : undefined;
  if (known === undefined) throw invalid(name, `option ${name}: ${JSON.stringify(value)} is no signal`);
};

const optional =
  (check: Check): Check =>
  (value, name) => {
    if (value !== undefined) check(value, name);
  };

const CONTAINER: Readonly<Record<keyof ContainerOptions, Check>> = {
  command: list(text),
  entrypoint: either(text, list(text)),
  env: map(variable, optional(text)),
  workdir: path,
  user: parsed((value) => value === '' || parseUserReference(value)),
  groupAdd: list(filled),
  hostname,
  name: parsed(checkName),
  labels: map(filled, text),
  annotations: map(filled, text),
  tty: flag,
  stdin: flag,
  memory: size,
  memorySwap: swap,
  memoryReservation: size,
  cpus: number(0, 100_000),
  cpuShares: integer(2, 262_144),
  cpuset: parsed((value) => {
    if (!parseCpuset(value))
      throw invalid('cpuset', `option cpuset: ${JSON.stringify(value)} is no list such as 0-2,4`);
  }),
  pidsLimit: integer(-1, 0x7fff_ffff),
  ulimits: list(parsed((value) => value === 'host' || parseUlimit(value))),
  capAdd: list(capability),
  capDrop: list(capability),
  privileged: flag,
  securityOpt: list(parsed((value) => parseSecurityOpt([value]))),
  readOnly: flag,
  readOnlyTmpfs: flag,
  volumes: list(parsed(parseVolume)),
  tmpfs: list(parsed(tmpfsMount)),
  devices: list(parsed(parseDevice)),
  sysctls: map(filled, text),
  network: word('none', 'host'),
  rootfs: parsed(parseRootfs),
  init: flag,
  stopSignal: signal,
  stopTimeout: number(0, MAX_SECONDS),
  autoRemove: flag,
  detach: flag,
  umask,
  shmSize: size,
  oomScoreAdj: integer(-1000, 1000),
  logDriver: word('k8s-file', 'none'),
  logMaxSize: size,
};

const EXEC: Readonly<Record<keyof ExecOptions, Check>> = {
  env: map(variable, text),
  workdir: path,
  user: parsed(parseUserReference),
  tty: flag,
  privileged: flag,
};

/**
 * Checks the options of a container: every member's type and form, and that none contradicts another. What only the host
 * or the image can tell is left to {@link compileSpec}.
 *
 * @returns a copy without the members that are undefined
 * @throws ERR_INVALID_OPTION, ERR_INVALID_NAME, ERR_UNSUPPORTED
 */
export function validateContainerOptions(options: unknown): ContainerOptions {
  const checked = checkMembers('container options', options, CONTAINER) as ContainerOptions;
  checkContradictions(checked);
  return checked;
}

/** As {@link validateContainerOptions}, for an exec. */
export function validateExecOptions(options: unknown): ExecOptions {
  return checkMembers('exec options', options, EXEC);
}

/**
 * Checks the name of a container: letters, digits, `_`, `.` and `-`, the first one a letter or digit.
 *
 * @throws ERR_INVALID_NAME
 */
export function checkName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(name)) return;
  throw new VainaError('ERR_INVALID_NAME', `${JSON.stringify(name.slice(0, 80))} is no name of a container`, {
    subject: name,
    hint: 'use letters, digits, _, . and -, and start with a letter or digit',
  });
}

/**
 * Parses `/path[:O]`.
 *
 * @throws ERR_INVALID_OPTION; ERR_UNSUPPORTED for id maps
 */
export function parseRootfs(rootfs: string): { path: string; overlay: boolean } {
  const [directory = '', ...options] = rootfs.split(':');
  if (!directory.startsWith('/'))
    throw invalid('rootfs', `rootfs ${JSON.stringify(rootfs)} is no absolute path`);
  for (const option of options) {
    if (option.startsWith('idmap')) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `rootfs ${JSON.stringify(rootfs)}: idmap is not supported yet`,
        {
          subject: 'rootfs',
        },
      );
    }
    if (option !== 'O') {
      throw invalid(
        'rootfs',
        `rootfs ${JSON.stringify(rootfs)}: option ${JSON.stringify(option)} is unknown`,
      );
    }
  }
  return { path: directory, overlay: options.length > 0 };
}
