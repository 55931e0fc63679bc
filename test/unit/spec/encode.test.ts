import { expect } from 'chai';
import * as fc from 'fast-check';
import { VainaError, type ErrorCode } from '../../../lib/errors.js';
import { encodePlan, MAX_PLAN_SIZE } from '../../../lib/spec/encode.js';
import {
  type Phase,
  type Plan,
  type Step,
  type StepArgument,
  type StepName,
  STEPS,
} from '../../../lib/spec/steps.js';
import { decodePlan } from '../../support/decode-plan.js';

function codeOf(run: () => unknown): ErrorCode | undefined {
  try {
    run();
  } catch (error) {
    if (VainaError.is(error)) return error.code;
    throw error;
  }
  return undefined;
}

const PHASES: Phase[] = ['policy', 'host', 'clone', 'inside', 'after'];
const names = Object.keys(STEPS) as StepName[];

const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));
const integer = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array();

function stepOf(name: StepName): fc.Arbitrary<Step> {
  const kinds: string = STEPS[name].args;
  const one = (kind: string): fc.Arbitrary<StepArgument> =>
    kind === 'u' ? integer : kind === 'b' ? bytes : text;
  if (!kinds.endsWith('*')) return fc.tuple(fc.constant(name), ...[...kinds].map(one));
  const fixed = [...kinds.slice(0, -2)].map(one);
  const rest = fc.array(one(kinds.charAt(kinds.length - 2)), { maxLength: 5 });
  return fc
    .tuple(fc.tuple(...fixed), rest)
    .map(([head, tail]) => [name, ...head, ...tail] as unknown as Step);
}

const anyPlan = fc
  .array(fc.constantFrom(...names).chain(stepOf), { maxLength: 30 })
  .map((steps) =>
    steps.sort((a, b) => PHASES.indexOf(STEPS[a[0]].phase) - PHASES.indexOf(STEPS[b[0]].phase)),
  );

/** Integers in the form in which the decoder gives them. */
function normalized(plan: Plan): unknown {
  return plan.map((step) =>
    step.map((value) =>
      typeof value === 'bigint' && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value,
    ),
  );
}

describe('encodePlan', () => {
  it('writes exactly the bytes of docs/plan.md', () => {
    const plan: Plan = [
      ['stdio', 1],
      ['hostname', 'é'],
    ];
    const expected = Buffer.concat([
      Buffer.from('VPLN'),
      Buffer.from([1, 0, 0, 0, 16 + 4 + 13 + 4 + 7, 0, 0, 0, 2, 0, 0, 0]),
      Buffer.from([3, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from([72, 0, 1, 0, 2, 0, 0, 0, 0xc3, 0xa9, 0]),
    ]);
    expect(encodePlan(plan).equals(expected)).to.equal(true);
  });

  it('says all of a plan', () => {
    fc.assert(
      fc.property(anyPlan, (plan) => {
        expect(decodePlan(encodePlan(plan))).to.deep.equal(normalized(plan));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps strings that are not UTF-8 as bytes', () => {
    const name = Uint8Array.from([0x2f, 0xff, 0xfe]);
    expect(decodePlan(encodePlan([['mkdir', name, 0o755]]))).to.deep.equal([['mkdir', name, 0o755]]);
    const mark = '\ufeffx';
    expect(decodePlan(encodePlan([['hostname', mark]]))).to.deep.equal([['hostname', mark]]);
  });

  const refused: [string, Plan, ErrorCode][] = [
    ['an unknown step', [['fly', 1] as unknown as Step], 'ERR_INTERNAL'],
    ['a name of Object.prototype', [['toString'] as unknown as Step], 'ERR_INTERNAL'],
    ['a missing argument', [['log', '/x']], 'ERR_INTERNAL'],
    ['an argument too many', [['detach', 1]], 'ERR_INTERNAL'],
    ['text for a number', [['stdio', '1']], 'ERR_INTERNAL'],
    ['a number for text', [['hostname', 1]], 'ERR_INTERNAL'],
    ['text for bytes', [['seccomp', 0, 'x']], 'ERR_INTERNAL'],
    ['a fraction', [['stdio', 0.5]], 'ERR_INTERNAL'],
    ['a number past 2^53', [['stdio', 2 ** 53]], 'ERR_INTERNAL'],
    ['a negative number', [['umask', -1]], 'ERR_INTERNAL'],
    ['a number past 64 bits', [['stdio', 2n ** 64n]], 'ERR_INTERNAL'],
    ['a NUL in text', [['hostname', 'a\0b']], 'ERR_INVALID_OPTION'],
    ['a NUL in bytes for text', [['hostname', Uint8Array.from([97, 0])]], 'ERR_INVALID_OPTION'],
    ['a wrong repeated argument', [['user', 0, 0, 1, 'wheel']], 'ERR_INTERNAL'],
    [
      'a phase out of order',
      [
        ['hostname', 'x'],
        ['clone', 0],
      ],
      'ERR_INTERNAL',
    ],
    ['a plan past 8 MiB', [['env', 'A='.padEnd(MAX_PLAN_SIZE)]], 'ERR_INVALID_OPTION'],
  ];
  for (const [what, plan, code] of refused) {
    it(`refuses ${what}`, () => {
      expect(codeOf(() => encodePlan(plan))).to.equal(code);
    });
  }
});
