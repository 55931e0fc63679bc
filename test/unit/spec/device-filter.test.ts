import { expect } from 'chai';
import fc from 'fast-check';
import { compileDeviceFilter, DEVICE_ACCESS, DEVICE_TYPE } from '../../../lib/spec/device-filter.js';
import { STANDARD_RULES } from '../../../lib/spec/devices.js';
import type { OciDeviceRule } from '../../../lib/spec/oci-spec.js';
import { thrown } from './thrown.js';

interface Request {
  type: 'c' | 'b';
  major: number;
  minor: number;
  access: string;
}

/** Runs the program as the kernel would, with its own idea of every opcode; anything unexpected throws. */
function interpret(program: Uint8Array, request: Request): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const access = [...request.access].reduce((bits, letter) => bits | DEVICE_ACCESS[letter as 'r'], 0);
  const context = new Map([
    [0, (access << 16) | DEVICE_TYPE[request.type]],
    [4, request.major],
    [8, request.minor],
  ]);
  const registers: (bigint | 'context' | undefined)[] = new Array<undefined>(11).fill(undefined);
  registers[1] = 'context';
  const number = (index: number): bigint => {
    const value = registers[index];
    if (typeof value !== 'bigint') throw new Error(`register ${index} is not readable`);
    return value;
  };
  for (let at = 0, steps = 0; steps < 10_000; at++, steps++) {
    if (at < 0 || at * 8 >= program.length) throw new Error('ran off the program');
    const code = view.getUint8(at * 8);
    const [destination, source] = [view.getUint8(at * 8 + 1) & 15, view.getUint8(at * 8 + 1) >> 4];
    const offset = view.getInt16(at * 8 + 2, true);
    const immediate = view.getInt32(at * 8 + 4, true);
    const signed = BigInt.asUintN(64, BigInt(immediate));
    switch (code) {
      case 0x61: {
        const word = registers[source] === 'context' ? context.get(offset) : undefined;
        if (word === undefined) throw new Error('load of something else than the context');
        registers[destination] = BigInt(word >>> 0);
        break;
      }
      case 0x54:
        registers[destination] = number(destination) & BigInt(immediate >>> 0);
        break;
      case 0x74:
        registers[destination] = (number(destination) & 0xffffffffn) >> BigInt(immediate);
        break;
      case 0xbc:
        registers[destination] = number(source) & 0xffffffffn;
        break;
      case 0xb7:
        registers[destination] = signed;
        break;
      case 0x55:
        if (number(destination) !== signed) at += offset;
        break;
      case 0x15:
        if (number(destination) === signed) at += offset;
        break;
      case 0x5d:
        if (number(destination) !== number(source)) at += offset;
        break;
      case 0x95:
        return number(0) !== 0n;
      default:
        throw new Error(`unknown opcode 0x${code.toString(16)}`);
    }
  }
  throw new Error('does not end');
}

/** What the rules mean, said once more. */
function verdict(rules: readonly OciDeviceRule[], request: Request): boolean {
  for (const rule of [...rules].reverse()) {
    if (rule.type !== undefined && rule.type !== 'a' && rule.type !== request.type) continue;
    if (rule.major !== undefined && rule.major >= 0 && rule.major !== request.major) continue;
    if (rule.minor !== undefined && rule.minor >= 0 && rule.minor !== request.minor) continue;
    const letters = [...request.access];
    const covered = rule.allow
      ? letters.every((letter) => rule.access.includes(letter))
      : letters.some((letter) => rule.access.includes(letter));
    if (covered) return rule.allow;
  }
  return false;
}

const DENY: OciDeviceRule = { allow: false, access: 'rwm' };

describe('compileDeviceFilter', () => {
  const program = compileDeviceFilter([DENY, ...STANDARD_RULES]);
  const table: [Request, boolean][] = [
    [{ type: 'c', major: 1, minor: 3, access: 'rw' }, true],
    [{ type: 'c', major: 1, minor: 8, access: 'r' }, true],
    [{ type: 'c', major: 136, minor: 77, access: 'rw' }, true],
    [{ type: 'c', major: 5, minor: 2, access: 'rw' }, true],
    [{ type: 'c', major: 1, minor: 1, access: 'r' }, false],
    [{ type: 'c', major: 1, minor: 1, access: 'm' }, true],
    [{ type: 'c', major: 1, minor: 1, access: 'rm' }, false],
    [{ type: 'b', major: 7, minor: 0, access: 'm' }, true],
    [{ type: 'b', major: 7, minor: 0, access: 'r' }, false],
    [{ type: 'b', major: 1, minor: 3, access: 'r' }, false],
    [{ type: 'c', major: 10, minor: 200, access: 'rw' }, false],
    [{ type: 'c', major: 0xffffffff, minor: 3, access: 'r' }, false],
  ];
  for (const [request, allowed] of table) {
    it(`${allowed ? 'allows' : 'refuses'} ${request.type} ${request.major}:${request.minor} ${request.access}`, () => {
      expect(interpret(program, request)).to.equal(allowed);
    });
  }

  it('refuses all without rules', () => {
    expect(interpret(compileDeviceFilter([]), { type: 'c', major: 1, minor: 3, access: 'r' })).to.equal(
      false,
    );
  });

  it('means what the rules mean', () => {
    const access = fc.constantFrom('r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm');
    const number = fc.constantFrom(0, 1, 3, 0x7fffffff);
    const type = fc.constantFrom('c' as const, 'b' as const);
    const rule = fc.record(
      {
        allow: fc.boolean(),
        type: fc.constantFrom('a' as const, 'b' as const, 'c' as const),
        major: fc.oneof(number, fc.constant(-1)),
        minor: fc.oneof(number, fc.constant(-1)),
        access,
      },
      { requiredKeys: ['allow', 'access'] },
    );
    const request = fc.record({ type, major: number, minor: number, access });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), request, (rules, asked) => {
        const compiled = compileDeviceFilter(rules);
        expect(interpret(compiled, asked)).to.equal(verdict(rules, asked));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses access of other letters', () => {
    thrown('ERR_INVALID_OPTION', () => compileDeviceFilter([{ allow: true, access: 'x' }]));
  });
});
