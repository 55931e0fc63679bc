import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../lib/spec/capabilities.js';
import type { OciSeccomp } from '../../../lib/spec/oci-spec.js';
import { compileSeccompSection, defaultSeccomp } from '../../../lib/spec/seccomp.js';
import { maskBlocks } from '../../../lib/spec/seccomp-default.js';
import { parseSeccompProfile } from '../../../lib/spec/seccomp-profile.js';
import { seccompProgram } from '../../../lib/spec/seccomp-program.js';
import { parseSecurityOpt } from '../../../lib/spec/security-opt.js';
import { expectGolden } from './golden.js';
import { verdict } from './seccomp-verdict.js';
import { thrown } from './thrown.js';

const HOST = { architecture: 'x64', kernel: [6, 1] as const };
const PEER = '/usr/share/containers/seccomp.json';
function names(section: OciSeccomp): string[] {
  return section.syscalls.flatMap((rule) => rule.names);
}

describe('the default seccomp profile', () => {
  const section = defaultSeccomp(DEFAULT_CAPABILITIES, HOST);
  const allCaps = defaultSeccomp([...CAPABILITIES], HOST);

  it('says the same of every call as before', () => {
    const calls = [...new Set([...names(section), ...names(allCaps)])].sort();
    expectGolden(
      'seccomp',
      Object.fromEntries(
        calls.map((name) => {
          const [plain, all] = [verdict(section, name), verdict(allCaps, name)];
          return [name, plain === all ? plain : `${plain}, with all capabilities ${all}`];
        }),
      ),
    );
  });

  it('never has two answers to one call', () => {
    for (const name of names(section)) expect(verdict(section, name), name).to.not.include(' or ');
    for (const name of names(allCaps)) expect(verdict(allCaps, name), name).to.not.include(' or ');
  });

  /** Call → what podman's profile says, what ours says, why. */
  const DIFFERENCES: Record<string, [string, string]> = {
    keyctl: ['allow', 'ENOSYS'],
    socketcall: ['allow', 'EPERM'],
    // Podman's profile of this Debian is older than today's, which ours follows in the rest.
    fanotify_init: ['EPERM', 'allow'],
    fchmodat2: ['ENOSYS', 'allow'],
    futex_requeue: ['ENOSYS', 'allow'],
    futex_wait: ['ENOSYS', 'allow'],
    futex_waitv: ['ENOSYS', 'allow'],
    futex_wake: ['ENOSYS', 'allow'],
    cachestat: ['ENOSYS', 'EPERM'],
    io_pgetevents_time64: ['ENOSYS', 'EPERM'],
    map_shadow_stack: ['ENOSYS', 'EPERM'],
    quotactl_fd: ['ENOSYS', 'EPERM'],
    swapcontext: ['EPERM', 'ENOSYS'],
    syscall: ['allow', 'EPERM'],
    readdir: ['allow', 'ENOSYS'],
    sigaction: ['allow', 'ENOSYS'],
    sigpending: ['allow', 'ENOSYS'],
    sigsuspend: ['allow', 'ENOSYS'],
    timerfd: ['allow', 'ENOSYS'],
    // It has setns in two rules, so that it depends on the compiler which one holds.
    setns: ['EPERM or allow', 'EPERM'],
  };

  it('differs from podman’s only where it is meant to', function () {
    if (!existsSync(PEER)) this.skip();
    const theirs = parseSeccompProfile(readFileSync(PEER, 'utf8'), PEER, DEFAULT_CAPABILITIES, HOST);
    const found: Record<string, [string, string]> = {};
    for (const name of new Set([...names(theirs), ...names(section)])) {
      if (name === 'socket') continue;
      const [peer, own] = [verdict(theirs, name), verdict(section, name)];
      if (peer !== own) found[name] = [peer, own];
    }
    expect(found).to.deep.equal(DIFFERENCES);
  });

  const HIGH = 0x1_0000_0000n;
  const sockets: [bigint, bigint, string][] = [
    [0n, 0n, 'allow'],
    [1n, 0n, 'allow'],
    [2n, 6n, 'allow'],
    [10n, 17n, 'allow'],
    [15n, 0n, 'allow'],
    [16n, 0n, 'allow'],
    [16n, 8n, 'allow'],
    [16n, 9n, 'EINVAL'],
    [16n, 10n, 'allow'],
    [16n, 31n, 'allow'],
    [17n, 0n, 'allow'],
    [37n, 0n, 'allow'],
    [38n, 0n, 'EAFNOSUPPORT'],
    [39n, 0n, 'allow'],
    [40n, 0n, 'EAFNOSUPPORT'],
    [41n, 0n, 'allow'],
    [45n, 0n, 'allow'],
    [63n, 0n, 'allow'],
    [64n, 0n, 'ENOSYS'],
    // The kernel takes the family and the protocol as int: what stands above must not open a door.
    [HIGH + 38n, 0n, 'EAFNOSUPPORT'],
    [HIGH + 40n, 0n, 'EAFNOSUPPORT'],
    [HIGH + 16n, HIGH + 9n, 'EINVAL'],
    [HIGH + 2n, 0n, 'allow'],
    [0xffffffffn, 0n, 'ENOSYS'],
  ];
  for (const [family, protocol, answer] of sockets) {
    it(`answers socket(0x${family.toString(16)}, …, 0x${protocol.toString(16)}) with ${answer}`, () => {
      expect(verdict(section, 'socket', [family, 1n, protocol])).to.equal(answer);
    });
  }

  it('lets CAP_AUDIT_WRITE speak to the audit system', () => {
    const audit = defaultSeccomp([...DEFAULT_CAPABILITIES, 'CAP_AUDIT_WRITE'], HOST);
    expect(verdict(audit, 'socket', [16n, 1n, 9n])).to.equal('allow');
    expect(verdict(audit, 'socket', [38n, 1n, 0n])).to.equal('EAFNOSUPPORT');
  });

  it('closes socketcall before it allows socket, or libseccomp would open it', () => {
    const order = names(section);
    expect(order.indexOf('socketcall')).to.be.at.least(0).and.below(order.indexOf('socket'));
    expect(verdict(section, 'socketcall')).to.equal('EPERM');
  });

  it('follows the capabilities', () => {
    const of = (cap: string) => defaultSeccomp([...DEFAULT_CAPABILITIES, cap], HOST);
    for (const [call, cap] of [
      ['bpf', 'CAP_BPF'],
      ['bpf', 'CAP_SYS_ADMIN'],
      ['perf_event_open', 'CAP_PERFMON'],
      ['kcmp', 'CAP_SYS_PTRACE'],
      ['settimeofday', 'CAP_SYS_TIME'],
      ['init_module', 'CAP_SYS_MODULE'],
    ] as const) {
      expect(verdict(section, call)).to.equal('EPERM');
      expect(verdict(of(cap), call)).to.equal('allow');
    }
  });

  it('lets personality only look', () => {
    for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn])
      expect(verdict(section, 'personality', [value])).to.equal('allow');
    expect(verdict(section, 'personality', [0x40000n])).to.equal('ENOSYS');
  });

  it('knows the architectures, x32 not among them', () => {
    expect(section.architectures).to.deep.equal(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
    const arm = defaultSeccomp(DEFAULT_CAPABILITIES, { architecture: 'arm64', kernel: [6, 1] });
    expect(arm.architectures).to.deep.equal(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect(verdict(arm, 'arch_prctl')).to.equal('ENOSYS');
    expect(verdict(arm, 'cacheflush')).to.equal('allow');
    const s390 = defaultSeccomp(DEFAULT_CAPABILITIES, { architecture: 's390x', kernel: [6, 1] });
    expect(verdict(s390, 'socketcall')).to.equal('allow');
  });
});

describe('maskBlocks', () => {
  it('covers a range exactly', () => {
    for (const [first, last] of [
      [0, 15],
      [17, 37],
      [39, 39],
      [41, 63],
      [0, 8],
      [10, 31],
      [5, 5],
      [1, 62],
    ] as const) {
      const blocks = maskBlocks(first, last);
      for (let value = 0; value < 128; value++) {
        const matches = blocks.filter(([mask, wanted]) => (value & mask) >>> 0 === wanted).length;
        expect(matches, `${value} of ${first}-${last}`).to.equal(value >= first && value <= last ? 1 : 0);
      }
    }
  });
});

describe('seccomp profiles', () => {
  const parse = (profile: unknown, caps: readonly string[] = DEFAULT_CAPABILITIES, host = HOST) =>
    parseSeccompProfile(
      typeof profile === 'string' ? profile : JSON.stringify(profile),
      'p.json',
      caps,
      host,
    );
  const rule = (more: object) => ({ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', ...more });
  const one = (more: object) => ({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule(more)] });

  it('settle includes and excludes', () => {
    const kept = (more: object, caps?: readonly string[]) => parse(one(more), caps).syscalls.length === 1;
    expect(kept({})).to.equal(true);
    expect(kept({ includes: { arches: ['amd64'] } })).to.equal(true);
    expect(kept({ includes: { arches: ['arm64'] } })).to.equal(false);
    expect(kept({ excludes: { arches: ['amd64'] } })).to.equal(false);
    expect(kept({ includes: { caps: ['CAP_CHOWN', 'CAP_SYS_ADMIN'] } })).to.equal(false);
    expect(kept({ includes: { caps: ['CAP_CHOWN'] } })).to.equal(true);
    expect(kept({ excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_CHOWN'] } })).to.equal(false);
    expect(kept({ includes: { minKernel: '4.8' } })).to.equal(true);
    expect(kept({ includes: { minKernel: '6.2' } })).to.equal(false);
    expect(kept({ excludes: { minKernel: '6.1' } })).to.equal(false);
  });

  it('keep 64-bit numbers exact', () => {
    const text =
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"x","action":"SCMP_ACT_ERRNO","errnoRet":5,"args":[{"index":1,"value":18446744073709551615,"valueTwo":9007199254740993,"op":"SCMP_CMP_MASKED_EQ"}]}]}';
    const program = seccompProgram(parse(text));
    expect(program.rules).to.deep.equal([
      {
        names: ['x'],
        action: 0x50005,
        args: [{ index: 1, op: 7, value: 0xffff_ffff_ffff_ffffn, valueTwo: 9007199254740993n }],
      },
    ]);
  });

  it('take the architectures of their map', () => {
    const archMap = [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    ];
    expect(parse({ ...one({}), archMap }).architectures).to.deep.equal([
      'SCMP_ARCH_X86_64',
      'SCMP_ARCH_X86',
      'SCMP_ARCH_X32',
    ]);
    expect(parse({ ...one({}), architectures: ['SCMP_ARCH_X86_64'] }).architectures).to.deep.equal([
      'SCMP_ARCH_X86_64',
    ]);
    expect(parse(one({})).architectures).to.deep.equal(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  });

  const malformed: [string, unknown][] = [
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no default action', { syscalls: [] }],
    ['an unknown default action', { defaultAction: 'SCMP_ACT_MAYBE', syscalls: [] }],
    ['an unknown member', { ...one({}), sycalls: [] }],
    ['no list of calls', { defaultAction: 'SCMP_ACT_ALLOW', syscalls: {} }],
    ['an unknown member of a rule', one({ argss: [] })],
    ['an unknown condition', one({ includes: { caps: [], arch: [] } })],
    ['a name that is no string', { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule({ names: [1] })] }],
    ['an index out of range', one({ args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] })],
    ['an unknown comparison', one({ args: [{ index: 0, value: 0, op: 'SCMP_CMP_IS' }] })],
    ['a negative number', one({ args: [{ index: 0, value: -1, op: 'SCMP_CMP_EQ' }] })],
    ['an errno out of range', one({ errnoRet: 70000 })],
    ['a malformed kernel', one({ includes: { minKernel: 'new' } })],
  ];
  for (const [what, profile] of malformed) {
    it(`with ${what} are refused`, () => {
      expect(thrown('ERR_INVALID_OPTION', () => parse(profile)).message).to.include('p.json');
    });
  }

  it('with listeners are not supported', () => {
    thrown('ERR_UNSUPPORTED', () => parse(one({ action: 'SCMP_ACT_NOTIFY' })));
    thrown('ERR_UNSUPPORTED', () => parse({ ...one({}), listenerPath: '/x' }));
  });

  it('are chosen by securityOpt and privileged', () => {
    const section = (entries: string[], privileged = false, profile?: string) =>
      compileSeccompSection(parseSecurityOpt(entries), privileged, DEFAULT_CAPABILITIES, HOST, profile);
    expect(section([])?.defaultErrnoRet).to.equal(38);
    expect(section(['seccomp=unconfined'])).to.equal(undefined);
    expect(section([], true)).to.equal(undefined);
    expect(section(['seccomp=/p'], true, JSON.stringify(one({})))?.syscalls).to.have.length(1);
  });
});
