import { VainaError } from '../errors.js';
import type { OciDeviceRule } from './oci-spec.js';

/** Access bits and kinds of struct bpf_cgroup_dev_ctx (linux/bpf.h). */
export const DEVICE_ACCESS = { m: 1, r: 2, w: 4 } as const;
export const DEVICE_TYPE = { b: 1, c: 2 } as const;
const ANY_ACCESS = 7;

/** Opcodes of eBPF (linux/bpf.h, linux/bpf_common.h): class, source and operation added up. */
const LOAD_WORD = 0x61;
const AND_32_IMM = 0x54;
const SHIFT_RIGHT_32_IMM = 0x74;
const MOVE_32_REG = 0xbc;
const MOVE_64_IMM = 0xb7;
const JUMP_NOT_EQUAL_IMM = 0x55;
const JUMP_EQUAL_IMM = 0x15;
const JUMP_NOT_EQUAL_REG = 0x5d;
const EXIT = 0x95;

/** What the registers hold after the prologue. */
const [VERDICT, CONTEXT, TYPE, ACCESS, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5];

type Instruction = readonly [
  code: number,
  destination: number,
  source: number,
  offset: number,
  immediate: number,
];

/**
 * Compiles device rules to a program of type BPF_PROG_TYPE_CGROUP_DEVICE: the last rule that matches decides, and
 * nothing is allowed that no rule allows. An allowing rule must cover all of the access that is asked for, a denying one
 * any of it.
 *
 * @returns an array of struct bpf_insn, little endian
 */
export function compileDeviceFilter(rules: readonly OciDeviceRule[]): Uint8Array {
  const program: Instruction[] = [
    [LOAD_WORD, TYPE, CONTEXT, 0, 0],
    [AND_32_IMM, TYPE, 0, 0, 0xffff],
    [LOAD_WORD, ACCESS, CONTEXT, 0, 0],
    [SHIFT_RIGHT_32_IMM, ACCESS, 0, 0, 16],
    [LOAD_WORD, MAJOR, CONTEXT, 4, 0],
    [LOAD_WORD, MINOR, CONTEXT, 8, 0],
  ];
  for (const rule of rules.toReversed()) {
    program.push(...ruleBlock(rule));
    // The verifier refuses a program with instructions that are never reached.
    if (matchesAll(rule)) return encode(program);
  }
  program.push([MOVE_64_IMM, VERDICT, 0, 0, 0], [EXIT, 0, 0, 0, 0]);
  return encode(program);
}

/** A block that leaves with a verdict when the rule matches and falls through when it does not. */
function ruleBlock(rule: OciDeviceRule): Instruction[] {
  const block: Instruction[] = [];
  const tests: number[] = [];
  // A jump of 0 is patched below to lead past the block.
  const test = (...instruction: Instruction): void => {
    tests.push(block.push(instruction) - 1);
  };
  if (rule.type !== undefined && rule.type !== 'a')
    test(JUMP_NOT_EQUAL_IMM, TYPE, 0, 0, DEVICE_TYPE[rule.type]);
  const access = accessBits(rule.access);
  if (access !== ANY_ACCESS) {
    block.push([MOVE_32_REG, CONTEXT, ACCESS, 0, 0], [AND_32_IMM, CONTEXT, 0, 0, access]);
    if (rule.allow) test(JUMP_NOT_EQUAL_REG, CONTEXT, ACCESS, 0, 0);
    else test(JUMP_EQUAL_IMM, CONTEXT, 0, 0, 0);
  }
  if (rule.major !== undefined && rule.major >= 0) test(JUMP_NOT_EQUAL_IMM, MAJOR, 0, 0, rule.major);
  if (rule.minor !== undefined && rule.minor >= 0) test(JUMP_NOT_EQUAL_IMM, MINOR, 0, 0, rule.minor);
  block.push([MOVE_64_IMM, VERDICT, 0, 0, rule.allow ? 1 : 0], [EXIT, 0, 0, 0, 0]);
  for (const at of tests) {
    const [code, destination, source, , immediate] = block[at] as Instruction;
    block[at] = [code, destination, source, block.length - at - 1, immediate];
  }
  return block;
}

function matchesAll(rule: OciDeviceRule): boolean {
  const any = (number: number | undefined): boolean => number === undefined || number < 0;
  const type = rule.type === undefined || rule.type === 'a';
  return type && any(rule.major) && any(rule.minor) && accessBits(rule.access) === ANY_ACCESS;
}

function accessBits(access: string): number {
  let bits = 0;
  for (const letter of access) {
    if (letter !== 'r' && letter !== 'w' && letter !== 'm') {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `device access ${JSON.stringify(access)} is not of r, w and m`,
      );
    }
    bits |= DEVICE_ACCESS[letter];
  }
  return bits;
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, destination, source, offset, immediate], index) => {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, destination | (source << 4));
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, immediate | 0, true);
  });
  return bytes;
}
