import { VainaError } from '../errors.js';
import { capabilityMask } from './capabilities.js';
import type { OciProcess, OciSeccomp } from './oci-spec.js';
import { RLIMITS } from './rlimits.js';
import { seccompFlags } from './seccomp-program.js';
import type { Step } from './steps.js';

const SIGKILL = 9;

/** The compiled filter of a spec's `linux.seccomp`. */
export interface CompiledSeccomp {
  section: OciSeccomp;
  program: Uint8Array;
}

/** Pairs the section with its filter. Throws ERR_INTERNAL when one is there without the other. */
export function pairSeccomp(
  section: OciSeccomp | undefined,
  program: Uint8Array | undefined,
): CompiledSeccomp | undefined {
  if (section === undefined && program === undefined) return undefined;
  if (section && program) return { section, program };
  throw new VainaError('ERR_INTERNAL', 'a seccomp section and its compiled filter must come together');
}

/**
 * The last steps before the environment: limits, then who the process is and what it may do.
 *
 * Limits come late, since a low one would starve the steps after it, but before the capability to raise them goes.
 * Without no-new-privileges the filter needs CAP_SYS_ADMIN, so it comes before the capabilities go; with it, it comes
 * last, so that it need not allow what sets the rest up. The death of the parent is watched from the start; a change of
 * user makes the kernel forget that, so it is asked for again.
 */
export function credentialSteps(process: OciProcess, seccomp: CompiledSeccomp | undefined): Step[] {
  const { user, capabilities } = process;
  const steps: Step[] = [];
  for (const { type, soft, hard } of process.rlimits ?? []) {
    const resource = (RLIMITS as readonly string[]).indexOf(type);
    if (resource < 0) throw new VainaError('ERR_UNSUPPORTED', `rlimit ${type} is not supported`);
    steps.push(['rlimit', resource, BigInt(soft), BigInt(hard)]);
  }
  const filter: Step[] = seccomp ? [['seccomp', seccompFlags(seccomp.section), seccomp.program]] : [];
  if (process.noNewPrivileges !== true) steps.push(...filter);
  steps.push(['bounding', capabilityMask(capabilities.bounding)]);
  const groups = (user.additionalGids ?? []).filter((gid) => gid !== user.gid);
  steps.push(['user', user.uid, user.gid, ...groups]);
  steps.push([
    'capabilities',
    capabilityMask(capabilities.effective),
    capabilityMask(capabilities.permitted),
    capabilityMask(capabilities.inheritable),
    capabilityMask(capabilities.ambient),
  ]);
  steps.push(watchParent());
  if (process.noNewPrivileges === true) steps.push(['no-new-privileges'], ...filter);
  return steps;
}

/** The process ends with its monitor, however that ends. */
export function watchParent(): Step {
  return ['parent-death-signal', SIGKILL];
}

/** Every container has a session keyring of its own, which its execs share. */
export function keyringName(id: string): string {
  return `_ses.${id}`;
}
