import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STEPS } from '../../../lib/spec/steps.js';

/** Lines such as `STEP(Mount, "mount", 63, Inside, "sssus")`. */
const LINE = /^STEP\((\w+), "([^"]+)", (\d+), (\w+), "([^"]*)"\)$/;

function nativeTable(): { identifier: string; name: string; op: number; phase: string; args: string }[] {
  const text = readFileSync(join(__dirname, '../../../csrc/tables/steps.def'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('//'))
    .map((line) => {
      const match = LINE.exec(line);
      if (!match) throw new Error(`not a step: ${line}`);
      const [, identifier = '', name = '', op = '', phase = '', args = ''] = match;
      return { identifier, name, op: Number(op), phase: phase.toLowerCase(), args };
    });
}

describe('the two tables of steps', () => {
  it('have the same steps in the same order', () => {
    const native = nativeTable().map(({ name, op, phase, args }) => ({ name, op, phase, args }));
    expect(native).to.deep.equal(Object.entries(STEPS).map(([name, step]) => ({ name, ...step })));
  });

  it('name a step alike on both sides', () => {
    for (const { identifier, name } of nativeTable()) {
      const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
      expect(identifier).to.equal(words.join(''));
    }
  });

  it('give every number once', () => {
    const ops = nativeTable().map(({ op }) => op);
    expect(new Set(ops).size).to.equal(ops.length);
  });
});
