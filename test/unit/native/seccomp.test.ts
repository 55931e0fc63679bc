import { expect } from 'chai';
import { native } from '../../../lib/native/index.js';
import type { SeccompProgram } from '../../../lib/native/types.js';

const ALLOW = 0x7fff0000;
const errno = (code: number) => 0x00050000 + code;
const KILL = 0;
const NE = 1;
const GE = 5;
const EQ = 4;
const MASKED = 7;
const X86_64 = 0xc000003e;
const X86 = 0x40000003;
const READ = 0;
const CLONE = 56;
const PERSONALITY = 135;

/** The classic BPF machine, as far as seccomp filters use it. */
function run(filter: Buffer, architecture: number, number: number, args: readonly bigint[]): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture, 4);
  args.forEach((value, index) => data.writeBigUInt64LE(value, 16 + 8 * index));
  let register = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const [code, yes, no] = [filter.readUInt16LE(at), filter.readUInt8(at + 2), filter.readUInt8(at + 3)];
    const operand = filter.readUInt32LE(at + 4);
    const jump = (condition: boolean) => (at += 8 * (condition ? yes : no));
    if (code === 0x06) return operand;
    else if (code === 0x20) register = data.readUInt32LE(operand);
    else if (code === 0x54) register = (register & operand) >>> 0;
    else if (code === 0x05) at += 8 * operand;
    else if (code === 0x15) jump(register === operand);
    else if (code === 0x25) jump(register > operand);
    else if (code === 0x35) jump(register >= operand);
    else throw new Error(`instruction ${code.toString(16)}`);
  }
  throw new Error('the filter ends without an answer');
}

const profile: SeccompProgram = {
  defaultAction: errno(38),
  architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  rules: [
    { names: ['read', 'write', 'no_such_call'], action: ALLOW, args: [] },
    { names: ['personality'], action: ALLOW, args: [{ index: 0, op: EQ, value: 8n, valueTwo: 0n }] },
    {
      names: ['personality'],
      action: ALLOW,
      args: [{ index: 0, op: EQ, value: 0xffffffffffffffffn, valueTwo: 0n }],
    },
    { names: ['clone'], action: ALLOW, args: [{ index: 0, op: MASKED, value: 0x7e020000n, valueTwo: 0n }] },
    { names: ['ioctl'], action: errno(38), args: [] },
    {
      names: ['socket'],
      action: ALLOW,
      args: [
        { index: 0, op: EQ, value: 1n, valueTwo: 0n },
        { index: 0, op: EQ, value: 2n, valueTwo: 0n },
      ],
    },
    {
      names: ['lseek'],
      action: ALLOW,
      args: [
        { index: 0, op: GE, value: 3n, valueTwo: 0n },
        { index: 2, op: NE, value: 7n, valueTwo: 0n },
      ],
    },
    { names: ['ptrace'], action: errno(1), args: [] },
  ],
};

describe('compileSeccomp', function () {
  let filter: Buffer;
  before(function () {
    if (process.arch !== 'x64') this.skip();
    filter = native().compileSeccomp(profile);
  });
  const call = (number: number, ...args: bigint[]) => run(filter, X86_64, number, args);

  it('gives whole instructions, fewer than the kernel takes', () => {
    expect(filter.length % 8).to.equal(0);
    expect(filter.length / 8).to.be.within(10, 4096);
  });

  it('allows what is listed and answers the default for the rest', () => {
    expect(call(READ)).to.equal(ALLOW);
    expect(call(1)).to.equal(ALLOW);
    expect(call(2)).to.equal(errno(38));
    expect(call(16)).to.equal(errno(38));
    expect(call(101)).to.equal(errno(1));
    for (const number of [335, 1000, 0x40000000, 0xffffffff])
      expect(call(number), String(number)).to.not.equal(ALLOW);
  });

  it('compares arguments in all 64 bits', () => {
    expect(call(PERSONALITY, 8n)).to.equal(ALLOW);
    expect(call(PERSONALITY, 8n + (1n << 32n))).to.equal(errno(38));
    expect(call(PERSONALITY, 0xffffffffffffffffn)).to.equal(ALLOW);
    expect(call(PERSONALITY, 0xffffffffn)).to.equal(errno(38));
  });

  it('masks', () => {
    expect(call(CLONE, 0x11n)).to.equal(ALLOW);
    expect(call(CLONE, 0x10000000n)).to.equal(errno(38));
  });

  it('takes several conditions on one argument as alternatives, on several as all of them', () => {
    expect([0n, 1n, 2n, 3n].map((family) => call(41, family) === ALLOW)).to.deep.equal([
      false,
      true,
      true,
      false,
    ]);
    expect(call(8, 3n, 0n, 0n)).to.equal(ALLOW);
    expect(call(8, 3n, 0n, 7n)).to.equal(errno(38));
    expect(call(8, 2n, 0n, 0n)).to.equal(errno(38));
  });

  it('knows the other architectures by their own numbers, and kills unknown ones', () => {
    expect(run(filter, X86, 3, [])).to.equal(ALLOW);
    expect(run(filter, X86, 5, [])).to.equal(errno(38));
    expect(run(filter, 0xc00000b7, READ, [])).to.equal(KILL);
  });

  it('refuses what it does not understand', () => {
    const wrong: object[] = [
      { ...profile, architectures: ['SCMP_ARCH_PDP11'] },
      { ...profile, defaultAction: -1 },
      {
        ...profile,
        rules: [{ names: ['read'], action: ALLOW, args: [{ index: 6, op: EQ, value: 0n, valueTwo: 0n }] }],
      },
      {
        ...profile,
        rules: [{ names: ['read'], action: ALLOW, args: [{ index: 0, op: 9, value: 0n, valueTwo: 0n }] }],
      },
      {
        ...profile,
        rules: [{ names: ['read'], action: ALLOW, args: [{ index: 0, op: EQ, value: 1, valueTwo: 0n }] }],
      },
      {
        ...profile,
        rules: [{ names: ['read'], action: ALLOW, args: [{ index: 0, op: EQ, value: -1n, valueTwo: 0n }] }],
      },
      { ...profile, rules: [{ names: 'read', action: ALLOW, args: [] }] },
    ];
    for (const one of wrong) expect(() => native().compileSeccomp(one as SeccompProgram)).to.throw(TypeError);
  });
});
