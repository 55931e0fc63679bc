import { expect } from 'chai';
import { rangeFilter } from '../../../lib/spec/seccomp-ranges.js';
import { runFilter } from '../../support/bpf.js';

type Line = readonly [code: number, jt: number, jf: number, k: number];

const [LOAD, EQUAL, AT_LEAST, SET, AND, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x54, 0x06];
const [NUMBER, ARCHITECTURE, ARGUMENT] = [0, 4, 16];
const [ALLOW, REFUSE, KILL] = [0x7fff0000, 0x50001, 0];

function assemble(lines: readonly Line[]): Buffer {
  const filter = Buffer.alloc(lines.length * 8);
  lines.forEach(([code, jt, jf, k], at) => {
    filter.writeUInt16LE(code, at * 8);
    filter.set([jt, jf], at * 8 + 2);
    filter.writeUInt32LE(k, at * 8 + 4);
  });
  return filter;
}

/** Allows the calls 10 to 59 one by one; 60 only where its argument is even. */
const chain: Line[] = [
  [LOAD, 0, 0, ARCHITECTURE],
  [EQUAL, 0, 57, 7],
  [LOAD, 0, 0, NUMBER],
  ...Array.from({ length: 50 }, (_, index): Line => [EQUAL, 54 - index, 0, 10 + index]),
  [EQUAL, 0, 3, 60],
  [LOAD, 0, 0, ARGUMENT],
  [AND, 0, 0, 1],
  [EQUAL, 1, 0, 0],
  [RETURN, 0, 0, REFUSE],
  [RETURN, 0, 0, ALLOW],
  [RETURN, 0, 0, KILL],
];

describe('a seccomp filter by ranges', () => {
  it('is short, and decides as the long one does', () => {
    const long = assemble(chain);
    const short = rangeFilter(long);
    expect(short.length / 8).to.be.below(20);
    const results = new Set<number>();
    for (const architecture of [7, 8]) {
      for (const number of [...Array(100).keys(), 0x7fffffff, 0x80000000, 0xffffffff]) {
        for (const argument of [0n, 1n, 2n, 0xffff_ffff_ffff_ffffn]) {
          const result = runFilter(long, architecture, number, [argument]);
          expect(runFilter(short, architecture, number, [argument]), `${number}`).to.equal(result);
          results.add(result);
        }
      }
    }
    expect([...results]).to.have.members([ALLOW, REFUSE, KILL]);
  });

  it('is the long one where that does something unexpected, or is no shorter', () => {
    const odd: Line[][] = [
      [[RETURN, 0, 0, ALLOW]],
      // Bits of the number, a comparison of architectures by size, nothing loaded, no end.
      [
        [LOAD, 0, 0, ARCHITECTURE],
        [EQUAL, 0, 3, 7],
        [LOAD, 0, 0, NUMBER],
        [SET, 0, 1, 1],
        [RETURN, 0, 0, ALLOW],
        [RETURN, 0, 0, KILL],
      ],
      [
        [LOAD, 0, 0, ARCHITECTURE],
        [AT_LEAST, 0, 1, 7],
        [RETURN, 0, 0, ALLOW],
        [RETURN, 0, 0, KILL],
      ],
      [
        [EQUAL, 0, 1, 7],
        [RETURN, 0, 0, ALLOW],
        [RETURN, 0, 0, KILL],
      ],
      [[LOAD, 0, 0, ARCHITECTURE]],
      [],
    ];
    for (const lines of odd)
      expect(rangeFilter(assemble(lines)), JSON.stringify(lines)).to.deep.equal(assemble(lines));
  });
});
