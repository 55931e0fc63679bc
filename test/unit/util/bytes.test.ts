import { expect } from 'chai';
import { parseSize } from '../../../lib/util/bytes.js';

describe('parseSize', () => {
  const sizes: [string, number | undefined][] = [
    ['0', 0],
    ['1', 1],
    ['512b', 512],
    ['1k', 1024],
    ['1K', 1024],
    ['512m', 512 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['64 MiB', 64 * 1024 ** 2],
    ['64MB', 64 * 1024 ** 2],
    ['2t', 2 * 1024 ** 4],
    ['7p', 7 * 1024 ** 5],
    ['0.5', 0],
    ['9p', undefined],
    ['', undefined],
    ['-1', undefined],
    ['1x', undefined],
    ['1bb', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['1 k k', undefined],
    ['.5g', undefined],
    ['1.g', undefined],
    [' 1', undefined],
    ['1\n', undefined],
    ['99999999999999999999', undefined],
  ];
  for (const [text, bytes] of sizes) {
    it(`${JSON.stringify(text)} is ${bytes ?? 'no size'}`, () => {
      expect(parseSize(text)).to.equal(bytes);
    });
  }
});
