import { expect } from 'chai';
import fc from 'fast-check';
import { chunkRange, wantedRange } from '../../../lib/registry-server/ranges.js';

describe('registry-server/ranges', () => {
  const cases: [string | undefined, number, ReturnType<typeof wantedRange>][] = [
    [undefined, 10, undefined],
    ['bytes=0-0', 10, { start: 0, end: 0 }],
    ['bytes=2-5', 10, { start: 2, end: 5 }],
    ['bytes=2-', 10, { start: 2, end: 9 }],
    ['bytes=-3', 10, { start: 7, end: 9 }],
    ['bytes=-30', 10, { start: 0, end: 9 }],
    ['bytes=2-100', 10, { start: 2, end: 9 }],
    ['BYTES=2-5', 10, { start: 2, end: 5 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=5-2', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-5', 0, 'unsatisfiable'],
    ['bytes=0-1,3-4', 10, undefined],
    ['bytes=-', 10, undefined],
    ['bytes=a-b', 10, undefined],
    ['lines=1-2', 10, undefined],
    ['bytes=1-2-3', 10, undefined],
    [`bytes=0-${'9'.repeat(400)}`, 10, undefined],
  ];
  for (const [header, size, expected] of cases) {
    it(`of ${size} bytes, ${String(header).slice(0, 30)} is ${JSON.stringify(expected)}`, () => {
      expect(wantedRange(header, size)).to.deep.equal(expected);
    });
  }

  it('never leads out of the blob', () => {
    const number = fc.oneof(fc.constant(''), fc.nat(200).map(String));
    fc.assert(
      fc.property(number, number, fc.nat(100), (first, last, size) => {
        const range = wantedRange(`bytes=${first}-${last}`, size);
        if (range === undefined || range === 'unsatisfiable') return;
        expect(range.start).to.be.within(0, range.end);
        expect(range.end).to.be.below(size);
      }),
    );
  });

  it('reads the place of a chunk', () => {
    expect(chunkRange('0-9')).to.deep.equal({ start: 0, end: 9 });
    for (const text of [
      '',
      '0',
      '9-0',
      'bytes 0-9',
      'bytes=0-9',
      '0-9/10',
      '-9',
      '0-',
      ' 0-9',
      `0-${'9'.repeat(20)}`,
    ])
      expect(chunkRange(text), text).to.equal(undefined);
  });
});
