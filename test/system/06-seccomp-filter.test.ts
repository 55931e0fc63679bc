import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { native } from '../../lib/native/index.js';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../lib/spec/capabilities.js';
import { defaultSeccomp } from '../../lib/spec/seccomp.js';
import { seccompProgram } from '../../lib/spec/seccomp-program.js';
import { rangeFilter } from '../../lib/spec/seccomp-ranges.js';
import { runFilter } from '../support/bpf.js';
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

function run(filter: Buffer, arch: number, nr: number, args: readonly bigint[] = []): string {
  const answer = runFilter(filter, arch, nr, args);
  return ANSWERS[answer] ?? `0x${answer.toString(16)}`;
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
      let compiled: Buffer;
      let filter: Buffer;
      before(() => {
        compiled = native().compileSeccomp(seccompProgram(section));
        filter = rangeFilter(compiled);
      });

      it('is a third of what libseccomp writes, and says the same of any call', () => {
        expect(filter.length).to.be.below(compiled.length / 3);
        const corners = [
          0n,
          1n,
          2n,
          16n,
          38n,
          40n,
          0x7e020000n,
          0xffffffffn,
          0x1_0000_0010n,
          0xffff_ffff_ffff_ffffn,
        ];
        for (const arch of [X86_64, I386, 0xc00000b7, 0]) {
          for (let number = 0; number < 1100; number++) {
            for (const high of [0, X32, 0x7ffffc00, 0xfffffb00]) {
              const nr = (high + number) >>> 0;
              for (const value of high === 0 ? corners : corners.slice(0, 1)) {
                const args = corners.map((corner) => (corner + value) & 0xffff_ffff_ffff_ffffn).slice(0, 6);
                if (runFilter(filter, arch, nr, args) !== runFilter(compiled, arch, nr, args))
                  expect.fail(`${arch} ${nr} ${args.join()}`);
              }
            }
          }
        }
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
