import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { native } from '../../lib/native/index.js';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../lib/spec/capabilities.js';
import { defaultSeccomp } from '../../lib/spec/seccomp.js';
import { seccompProgram } from '../../lib/spec/seccomp-program.js';
import { verdict } from '../unit/spec/seccomp-verdict.js';

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const X32 = 0x40000000;
const ANSWERS: Record<number, string> = {
  0x7fff0000: 'allow',
  0x50001: 'EPERM',
  0x50016: 'EINVAL',
  0x50026: 'ENOSYS',
  0x50061: 'EAFNOSUPPORT',
  0x0: 'kill',
  0x80000000: 'kill',
};

/** Calls that are younger than some headers and libraries, which leave them out, so that they get ENOSYS. */
const YOUNG = ['cachestat', 'fchmodat2', 'map_shadow_stack', 'futex_wake', 'futex_wait', 'futex_requeue'];
const FIRST_YOUNG = 451;

/** Runs a classic BPF program over struct seccomp_data, as the kernel does. */
function run(filter: Buffer, arch: number, nr: number, args: readonly bigint[] = []): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((value, index) => data.writeBigUInt64LE(value, 16 + index * 8));
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const code = filter.readUInt16LE(at * 8);
    const [jumpTrue = 0, jumpFalse = 0] = [filter[at * 8 + 2], filter[at * 8 + 3]];
    const k = filter.readUInt32LE(at * 8 + 4);
    const jump = (taken: boolean): void => {
      at += taken ? jumpTrue : jumpFalse;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else if (code === 0x06) return ANSWERS[k] ?? `0x${k.toString(16)}`;
    else throw new Error(`unexpected opcode 0x${code.toString(16)}`);
  }
}

/** Number → name, from the kernel's headers. */
function calls(header: string): Map<number, string> {
  const text = readFileSync(header, 'utf8');
  return new Map(
    [...text.matchAll(/^#define __NR_(\w+) (\d+)$/gm)].map(([, name = '', number]) => [Number(number), name]),
  );
}

const HEADERS = '/usr/include/x86_64-linux-gnu/asm';

describe('the compiled default seccomp filter', function () {
  before(function () {
    if (process.arch !== 'x64' || !existsSync(`${HEADERS}/unistd_32.h`)) this.skip();
  });

  const host = { architecture: 'x64', kernel: [6, 1] as const };
  for (const [what, capabilities] of [
    ['the default capabilities', DEFAULT_CAPABILITIES],
    ['all capabilities', [...CAPABILITIES]],
  ] as const) {
    describe(`with ${what}`, () => {
      const section = defaultSeccomp(capabilities, host);
      const wanted = (name: string): string[] => [
        verdict(section, name),
        ...(YOUNG.includes(name) ? ['ENOSYS'] : []),
      ];
      let filter: Buffer;
      before(() => {
        filter = native().compileSeccomp(seccompProgram(section));
      });

      it('says of every 64-bit call what the rules say', () => {
        const named = calls(`${HEADERS}/unistd_64.h`);
        expect(named.size).to.be.above(300);
        for (let number = 0; number < 1024; number++) {
          const name = named.get(number) ?? YOUNG[number - FIRST_YOUNG] ?? 'none';
          expect(run(filter, X86_64, number), `${number} ${name}`).to.be.oneOf(wanted(name));
          expect(run(filter, X86_64, number | X32), `x32 ${name}`).to.not.equal('allow');
        }
      });

      it('says of every 32-bit call what the rules say', () => {
        for (const [number, name] of calls(`${HEADERS}/unistd_32.h`)) {
          expect(run(filter, I386, number), name).to.be.oneOf(wanted(name));
        }
      });

      it('closes both doors to AF_ALG and AF_VSOCK', () => {
        const [socket64 = -1] = numbersOf('socket', 'unistd_64.h');
        const [socket32 = -1] = numbersOf('socket', 'unistd_32.h');
        const [socketcall = -1] = numbersOf('socketcall', 'unistd_32.h');
        for (const family of [38n, 40n]) {
          for (const high of [0n, 0x1_0000_0000n, 0xffff_ffff_0000_0000n]) {
            expect(run(filter, X86_64, socket64, [high + family, 5n, 0n])).to.equal('EAFNOSUPPORT');
          }
          expect(run(filter, I386, socket32, [family, 5n, 0n])).to.equal('EAFNOSUPPORT');
        }
        for (let call = 0n; call < 32n; call++)
          expect(run(filter, I386, socketcall, [call])).to.equal('EPERM');
      });

      it('says of every socket family and protocol what the rules say', () => {
        const [socket = -1] = numbersOf('socket', 'unistd_64.h');
        for (const high of [0n, 0xdead_0000_0000n]) {
          for (let family = 0n; family < 80n; family++) {
            for (let protocol = 0n; protocol < 34n; protocol++) {
              const args = [high + family, 1n, high + protocol];
              const answer = verdict(section, 'socket', args);
              expect(run(filter, X86_64, socket, args), `${family} ${protocol}`).to.equal(answer);
            }
          }
        }
      });

      it('kills what comes from no architecture it knows', () => {
        expect(run(filter, 0xc00000b7, 0)).to.equal('kill');
      });
    });
  }

  function numbersOf(wanted: string, header: string): number[] {
    return [...calls(`${HEADERS}/${header}`)].filter(([, name]) => name === wanted).map(([number]) => number);
  }
});
