import type { HostFacts } from './facts.js';

/** Architectures of libseccomp by `process.arch`: the native one and those of the same processor, but for x32. */
export const SECCOMP_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  ia32: ['SCMP_ARCH_X86'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  arm: ['SCMP_ARCH_ARM'],
  ppc64: ['SCMP_ARCH_PPC64LE'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  loong64: ['SCMP_ARCH_LOONGARCH64'],
};

/** The part of the host that a profile depends on. */
export type SeccompHost = Pick<HostFacts, 'architecture' | 'kernel'>;
