import { VainaError } from '../errors.js';
import { capabilityNames } from './capabilities.js';
import { mergeEnvironment } from './environment.js';
import type { HostFacts } from './facts.js';
import { cloneFlags } from './namespaces.js';
import type { OciCapabilities, OciProcess, OciSpec, OciUser } from './oci-spec.js';
import type { ExecOptions } from './options.js';
import { cleanPath } from './paths.js';
import { availableCapabilities, supplementaryGroups } from './process.js';
import { credentialSteps, keyringName, pairSeccomp, watchParent } from './plan-credentials.js';
import type { Plan } from './steps.js';
import { resolveUser } from './user.js';

/** What the plan of an exec is compiled from beside the container's spec and the options. */
export interface ExecFacts {
  /** The container's id. */
  id: string;
  host: HostFacts;
  /** Text of the container's passwd and group files, for `user`. */
  passwd?: string;
  group?: string;
  /** The filter compiled from the spec's `linux.seccomp`, exactly when it has one (`privileged` leaves it out). */
  seccomp?: Uint8Array;
  /** `direct` (the default without a terminal) or `piped`. */
  stdio?: 'direct' | 'piped';
  /** Size of the terminal; default 0 × 0, as the kernel makes it. */
  terminal?: { rows: number; columns: number };
}

/**
 * Compiles an exec but for its last step, `exec`: the container's namespaces, cgroup and confinement, and a
 * process of its own. The monitor puts it into the container's cgroup.
 *
 * @throws ERR_NO_SUCH_USER, ERR_INVALID_OPTION
 */
export function compileExecSetting(spec: OciSpec, options: ExecOptions, facts: ExecFacts): Plan {
  const process = execProcess(spec, options, facts);
  const filter = options.privileged === true ? undefined : spec.linux.seccomp;
  const seccomp = pairSeccomp(filter, filter ? facts.seccomp : undefined);
  const terminal = facts.terminal ?? { rows: 0, columns: 0 };
  const tty = options.tty === true;
  const piped = tty || facts.stdio === 'piped';
  return [
    ['stdio', piped ? 1 : 0],
    // No `console` step: the monitor makes the terminal, and /dev/console stays the container's first one.
    ...(tty ? [['tty', terminal.rows, terminal.columns] as const] : []),
    ['join', cloneFlags(spec.linux.namespaces)],
    watchParent(),
    ['keyring', keyringName(facts.id)],
    ...(process.oomScoreAdj === undefined ? [] : [['oom-score-adj', String(process.oomScoreAdj)] as const]),
    ['workdir', process.cwd, 0],
    ['umask', process.user.umask ?? 0o022],
    ...credentialSteps(process, seccomp),
    ['env', ...process.env],
  ];
}

/**
 * The arguments of the last step of an exec.
 *
 * @throws ERR_INVALID_OPTION without a command, and for what is no string or has a NUL in it
 */
export function checkCommand(argv: readonly string[]): readonly string[] {
  if (argv[0] === undefined || argv[0] === '') {
    throw new VainaError('ERR_INVALID_OPTION', 'an exec needs a command', { subject: 'command' });
  }
  for (const argument of argv) {
    if (typeof argument === 'string' && !argument.includes('\0')) continue;
    throw new VainaError('ERR_INVALID_OPTION', 'an argument of a command is a string without NUL', {
      subject: 'command',
    });
  }
  return argv;
}

function execProcess(spec: OciSpec, options: ExecOptions, facts: ExecFacts): OciProcess {
  const container = spec.process;
  const user = execUser(container.user, options, facts);
  return {
    ...container,
    user: user.user,
    cwd: options.workdir === undefined ? container.cwd : cleanPath(options.workdir),
    env: execEnvironment(container.env, options, user.home),
    capabilities: execCapabilities(container, user.user.uid, options, facts.host),
  };
}

function execUser(
  container: OciUser,
  options: ExecOptions,
  facts: ExecFacts,
): { user: OciUser; home?: string } {
  if (options.user === undefined) return { user: container };
  const resolved = resolveUser(options.user, facts.passwd, facts.group);
  const additionalGids = supplementaryGroups(resolved, [], facts.host);
  const umask = container.umask === undefined ? {} : { umask: container.umask };
  const user = { uid: resolved.uid, gid: resolved.gid, additionalGids, ...umask };
  return resolved.uid === container.uid ? { user } : { user, home: resolved.home };
}

/** HOME follows another user; a terminal wants TERM. What the options say wins. */
function execEnvironment(
  container: readonly string[],
  options: ExecOptions,
  home: string | undefined,
): string[] {
  const over: Record<string, string | undefined> = {};
  if (home !== undefined) over['HOME'] = home;
  if (options.tty === true && !container.some((entry) => entry.startsWith('TERM='))) over['TERM'] = 'xterm';
  return mergeEnvironment(container, { ...over, ...options.env });
}

/**
 * Never more than the container's bounding set, but with `privileged`. Root has all of it, another user than the
 * container's own nothing.
 */
function execCapabilities(
  container: OciProcess,
  uid: number,
  options: ExecOptions,
  host: HostFacts,
): OciCapabilities {
  const own = container.capabilities;
  const privileged = options.privileged === true;
  if (!privileged && (options.user === undefined || uid === container.user.uid)) return own;
  const bounding = privileged ? capabilityNames(availableCapabilities(host)) : own.bounding;
  const effective = uid === 0 ? bounding : [];
  return { bounding, effective, permitted: effective, inheritable: [], ambient: [] };
}
