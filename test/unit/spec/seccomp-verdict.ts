import type { OciSeccomp } from '../../../lib/spec/oci-spec.js';

const ERRNO: Record<number, string> = { 1: 'EPERM', 22: 'EINVAL', 38: 'ENOSYS', 97: 'EAFNOSUPPORT' };

/** What a section does with a call, whose arguments count as 64-bit numbers, as the kernel's filters see them. */
export function verdict(section: OciSeccomp, name: string, args: readonly bigint[] = []): string {
  const holds = ({
    index,
    value,
    valueTwo = 0,
    op,
  }: {
    index: number;
    value: number | bigint;
    valueTwo?: number | bigint;
    op: string;
  }) => {
    const [argument, one, two] = [args[index] ?? 0n, BigInt(value), BigInt(valueTwo)];
    switch (op) {
      case 'SCMP_CMP_EQ':
        return argument === one;
      case 'SCMP_CMP_NE':
        return argument !== one;
      case 'SCMP_CMP_MASKED_EQ':
        return (argument & one) === two;
      default:
        throw new Error(`unexpected ${op}`);
    }
  };
  const found = section.syscalls.filter(
    (rule) => rule.names.includes(name) && (rule.args ?? []).every(holds),
  );
  const actions = new Set(
    found.map((rule) => (rule.action === 'SCMP_ACT_ALLOW' ? 'allow' : (ERRNO[rule.errnoRet ?? 1] ?? '?'))),
  );
  if (actions.size === 0) return ERRNO[section.defaultErrnoRet ?? 1] ?? '?';
  return [...actions].sort().join(' or ');
}
