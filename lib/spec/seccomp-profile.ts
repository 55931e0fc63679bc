import { invalid, unsupported } from './invalid.js';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from './oci-spec.js';
import { SECCOMP_ARCHITECTURES, type SeccompHost } from './seccomp-architectures.js';
import { parseExact } from './spec-json.js';

type Members = Record<string, unknown>;

const PROFILE_KEYS = [
  'defaultAction',
  'defaultErrno',
  'defaultErrnoRet',
  'architectures',
  'archMap',
  'syscalls',
  'flags',
  'listenerPath',
  'listenerMetadata',
];
const RULE_KEYS = ['name', 'names', 'action', 'args', 'comment', 'includes', 'excludes', 'errno', 'errnoRet'];
const CONDITION_KEYS = ['arches', 'caps', 'minKernel'];
const ACTIONS = ['KILL', 'KILL_PROCESS', 'KILL_THREAD', 'TRAP', 'ERRNO', 'TRACE', 'ALLOW', 'LOG'];
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];
const FLAGS = ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'];

/** What Docker's and podman's profiles call the architectures, by `process.arch`. */
const PROFILE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: 'x86',
  ppc64: 'ppc64le',
};

/**
 * Reads a profile in the format of Docker and podman (which the format of the runtime spec is a part of) and settles its
 * `includes` and `excludes` (architectures, capabilities, kernel) for this container and host.
 *
 * @param name - of the file, for messages
 * @throws ERR_INVALID_OPTION when it is malformed; ERR_UNSUPPORTED for SCMP_ACT_NOTIFY
 */
export function parseSeccompProfile(
  text: string,
  name: string,
  bounding: readonly string[],
  host: SeccompHost,
): OciSeccomp {
  const profile = new Profile(name);
  let value: unknown;
  try {
    value = parseExact(text);
  } catch (error) {
    throw profile.malformed(`is no JSON: ${(error as Error).message}`);
  }
  const members = profile.members(value, 'the profile', PROFILE_KEYS);
  if ('listenerPath' in members)
    throw unsupported('securityOpt', `seccomp profile ${name}: listeners are not supported yet`);
  const defaultErrnoRet = members['defaultErrnoRet'];
  return {
    defaultAction: profile.action(members['defaultAction']),
    ...(defaultErrnoRet === undefined || defaultErrnoRet === null
      ? {}
      : { defaultErrnoRet: profile.errno(defaultErrnoRet) }),
    architectures: architectures(profile, members, host),
    ...(members['flags'] === undefined ? {} : { flags: profile.strings(members['flags'], 'flags', FLAGS) }),
    syscalls: profile
      .list(members['syscalls'], 'syscalls')
      .map((rule) => profile.members(rule, 'a rule', RULE_KEYS))
      .filter((rule) => applies(profile, rule, bounding, host))
      .map((rule) => toOci(profile, rule)),
  };
}

/** The profile's own list, else its map's entry for the native architecture, else ours. */
function architectures(profile: Profile, members: Members, host: SeccompHost): string[] {
  const given = profile.strings(members['architectures'] ?? [], 'architectures');
  if (given.length > 0) return given;
  const ours = SECCOMP_ARCHITECTURES[host.architecture] ?? [];
  for (const entry of profile.list(members['archMap'] ?? [], 'archMap')) {
    const { architecture, subArchitectures } = profile.members(entry, 'an entry of archMap', [
      'architecture',
      'subArchitectures',
    ]);
    if (architecture === ours[0]) {
      return [String(architecture), ...profile.strings(subArchitectures ?? [], 'subArchitectures')];
    }
  }
  return [...ours];
}

function applies(profile: Profile, rule: Members, bounding: readonly string[], host: SeccompHost): boolean {
  const architecture = PROFILE_ARCHITECTURES[host.architecture] ?? host.architecture;
  const includes = profile.members(rule['includes'] ?? {}, 'includes', CONDITION_KEYS);
  const excludes = profile.members(rule['excludes'] ?? {}, 'excludes', CONDITION_KEYS);
  const of = (condition: Members, key: string): string[] => profile.strings(condition[key] ?? [], key);
  const arches = of(includes, 'arches');
  if (arches.length > 0 && !arches.includes(architecture)) return false;
  if (of(excludes, 'arches').includes(architecture)) return false;
  if (!of(includes, 'caps').every((cap) => bounding.includes(cap))) return false;
  if (of(excludes, 'caps').some((cap) => bounding.includes(cap))) return false;
  if (includes['minKernel'] !== undefined && !profile.kernelAtLeast(includes['minKernel'], host))
    return false;
  return excludes['minKernel'] === undefined || !profile.kernelAtLeast(excludes['minKernel'], host);
}

function toOci(profile: Profile, rule: Members): OciSyscallRule {
  const names = profile.strings(rule['name'] === undefined ? rule['names'] : [rule['name']], 'names');
  const errnoRet = rule['errnoRet'];
  const args = profile.list(rule['args'] ?? [], 'args').map((argument) => profile.argument(argument));
  return {
    names,
    action: profile.action(rule['action']),
    ...(errnoRet === undefined || errnoRet === null ? {} : { errnoRet: profile.errno(errnoRet) }),
    ...(args.length === 0 ? {} : { args }),
  };
}

/** Checks of values, with the file's name in the messages. */
class Profile {
  constructor(private readonly name: string) {}

  malformed(why: string): Error {
    return invalid('securityOpt', `seccomp profile ${this.name} ${why}`);
  }

  members(value: unknown, what: string, keys: readonly string[]): Members {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.malformed(`: ${what} is no object`);
    }
    for (const key of Object.keys(value)) {
      if (!keys.includes(key))
        throw this.malformed(`has the unknown member ${JSON.stringify(key)} in ${what}`);
    }
    return value as Members;
  }

  list(value: unknown, what: string): unknown[] {
    if (!Array.isArray(value)) throw this.malformed(`: ${what} is no list`);
    return value;
  }

  strings(value: unknown, what: string, known?: readonly string[]): string[] {
    return this.list(value, what).map((item) => {
      if (typeof item !== 'string' || known?.includes(item) === false) {
        throw this.malformed(`has ${JSON.stringify(item)} in ${what}`);
      }
      return item;
    });
  }

  action(value: unknown): string {
    const action = typeof value === 'string' ? value.replace(/^SCMP_ACT_/, '') : '';
    if (action === 'NOTIFY') {
      throw unsupported('securityOpt', `seccomp profile ${this.name}: SCMP_ACT_NOTIFY is not supported yet`);
    }
    if (!ACTIONS.includes(action)) throw this.malformed(`has the unknown action ${JSON.stringify(value)}`);
    return `SCMP_ACT_${action}`;
  }

  errno(value: unknown): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 4095) return value;
    throw this.malformed(`has the malformed errnoRet ${JSON.stringify(value)}`);
  }

  argument(value: unknown): OciSyscallArgument {
    const members = this.members(value, 'an argument', ['index', 'value', 'valueTwo', 'op']);
    const index = members['index'];
    const op = typeof members['op'] === 'string' ? members['op'].replace(/^SCMP_CMP_/, '') : '';
    if (
      typeof index !== 'number' ||
      !Number.isInteger(index) ||
      index < 0 ||
      index > 5 ||
      !OPERATORS.includes(op)
    ) {
      throw this.malformed('has a malformed argument');
    }
    const [first, second] = [this.integer(members['value'] ?? 0), this.integer(members['valueTwo'] ?? 0)];
    return { index, value: first, ...(second === 0 ? {} : { valueTwo: second }), op: `SCMP_CMP_${op}` };
  }

  kernelAtLeast(value: unknown, host: SeccompHost): boolean {
    const match = /^(\d{1,4})\.(\d{1,4})/.exec(typeof value === 'string' ? value : '');
    if (!match) throw this.malformed(`has the malformed minKernel ${JSON.stringify(value)}`);
    const [major, minor] = [Number(match[1]), Number(match[2])];
    return host.kernel[0] > major || (host.kernel[0] === major && host.kernel[1] >= minor);
  }

  private integer(value: unknown): number | bigint {
    if (typeof value === 'bigint' && value <= 0xffff_ffff_ffff_ffffn) return value;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.malformed('has a malformed number');
  }
}
