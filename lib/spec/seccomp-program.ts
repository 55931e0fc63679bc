import { VainaError } from '../errors.js';
import type { SeccompProgram } from '../native/types.js';
import type { OciSeccomp } from './oci-spec.js';

/** Actions of libseccomp (seccomp_rule_add(3)); the low 16 bits of some carry a number. */
const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0x0000_0000,
  SCMP_ACT_KILL_THREAD: 0x0000_0000,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};
const EPERM = 1;

/** Comparisons of libseccomp. */
const OPERATORS: Readonly<Record<string, number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** Flags of seccomp(2). */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

/**
 * Translates the `linux.seccomp` of a runtime spec to what {@link Native.compileSeccomp} takes, with all names as
 * numbers. Equal input gives equal output, so that compiled filters can be cached by it.
 */
export function seccompProgram(seccomp: OciSeccomp): SeccompProgram {
  return {
    defaultAction: action(seccomp.defaultAction, seccomp.defaultErrnoRet),
    architectures: [...(seccomp.architectures ?? [])],
    rules: seccomp.syscalls.map((rule) => ({
      names: [...rule.names],
      action: action(rule.action, rule.errnoRet),
      args: (rule.args ?? []).map(({ index, value, valueTwo, op }) => ({
        index,
        op: lookup(OPERATORS, op),
        value: BigInt(value),
        valueTwo: BigInt(valueTwo ?? 0),
      })),
    })),
  };
}

/** The flags of seccomp(2) that the spec asks for. */
export function seccompFlags(seccomp: OciSeccomp): number {
  return (seccomp.flags ?? []).reduce((flags, name) => flags | lookup(FLAGS, name), 0);
}

function action(name: string, number: number | undefined): number {
  const base = lookup(ACTIONS, name);
  return name === 'SCMP_ACT_ERRNO' || name === 'SCMP_ACT_TRACE' ? base + (number ?? EPERM) : base;
}

function lookup(table: Readonly<Record<string, number>>, name: string): number {
  if (!Object.hasOwn(table, name))
    throw new VainaError('ERR_UNSUPPORTED', `seccomp: ${name} is not supported`);
  return table[name] ?? 0;
}
