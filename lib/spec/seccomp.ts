import type { OciSeccomp, OciSyscallRule } from './oci-spec.js';
import { SECCOMP_ARCHITECTURES, type SeccompHost } from './seccomp-architectures.js';
import { DEFAULT_RULES, type DefaultRule } from './seccomp-default.js';
import { parseSeccompProfile } from './seccomp-profile.js';
import type { SecurityOptions } from './security-opt.js';

const ENOSYS = 38;

/**
 * The `linux.seccomp` of a container, or undefined for none: `unconfined`, and `privileged` unless a profile is named.
 *
 * @param bounding - the container's bounding capabilities, on which rules may depend
 * @param profile - the text of the profile that `securityOpt` names
 */
export function compileSeccompSection(
  security: SecurityOptions,
  privileged: boolean,
  bounding: readonly string[],
  host: SeccompHost,
  profile: string | undefined,
): OciSeccomp | undefined {
  if (security.seccomp === 'unconfined') return undefined;
  if (security.seccomp !== undefined)
    return parseSeccompProfile(profile ?? '', security.seccomp, bounding, host);
  return privileged ? undefined : defaultSeccomp(bounding, host);
}

/** The default profile for these capabilities on this architecture. */
export function defaultSeccomp(bounding: readonly string[], host: SeccompHost): OciSeccomp {
  const key = `${host.architecture} ${bounding.join()}`;
  let profile = compiled.get(key);
  if (!profile) compiled.set(key, (profile = compileDefault(bounding, host)));
  return profile;
}

/** The profiles that were asked for: nearly always one, and large. Equal input gives the same object. */
const compiled = new Map<string, OciSeccomp>();

function compileDefault(bounding: readonly string[], host: SeccompHost): OciSeccomp {
  const rules = DEFAULT_RULES.filter((rule) => applies(rule, bounding, host.architecture));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: [...(SECCOMP_ARCHITECTURES[host.architecture] ?? [])],
    syscalls: rules.map(toOci),
  };
}

function applies(rule: DefaultRule, bounding: readonly string[], architecture: string): boolean {
  const has = (name: string): boolean => bounding.includes(name);
  if (rule.architectures && !rule.architectures.includes(architecture)) return false;
  if (rule.notArchitectures?.includes(architecture) === true) return false;
  if (rule.withCapability && !rule.withCapability.some(has)) return false;
  return rule.withoutCapability?.some(has) !== true;
}

function toOci(rule: DefaultRule): OciSyscallRule {
  return {
    names: [...rule.calls],
    ...(rule.errno === 0 ? { action: 'SCMP_ACT_ALLOW' } : { action: 'SCMP_ACT_ERRNO', errnoRet: rule.errno }),
    ...(rule.when
      ? {
          args: rule.when.map(([index, mask, value]) => ({
            index,
            value: mask,
            valueTwo: value,
            op: 'SCMP_CMP_MASKED_EQ',
          })),
        }
      : {}),
  };
}
