import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { FrameWriter, MAKE, MAX_FRAME, metaSize, REQUEST } from '../../../lib/store/frames.js';

const source = (path: string): string => readFileSync(join(__dirname, '../../..', path), 'utf8');

/** Constants of an enumeration in C++, with names as TypeScript has them. */
function enumeration(text: string, name: string): Record<string, number> {
  const body = new RegExp(`enum class ${name} [^{]*{([^}]*)}`).exec(text)?.[1] ?? '';
  return Object.fromEntries(
    [...body.matchAll(/k(\w+) = (\d+)/g)].map(([, key = '', value]) => [
      key.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase(),
      Number(value),
    ]),
  );
}

describe('store/protocol', () => {
  const header = source('csrc/store/protocol.h');

  it('has the same numbers in both languages', () => {
    expect(enumeration(header, 'Request')).to.deep.equal({ ...REQUEST });
    expect(enumeration(header, 'EntryType')).to.deep.equal({ ...MAKE });
    expect(header).to.include('kMaxFrame = 1u << 20');
    expect(MAX_FRAME).to.equal(1 << 20);
  });

  it('is described', () => {
    const docs = source('docs/storage.md');
    for (const [name, number] of Object.entries(REQUEST))
      expect(docs).to.include(`| ${number} \`${name}\` |`);
  });

  it('writes numbers of 64 bits as they are', () => {
    const out = new FrameWriter(64);
    const numbers = [0, 1, -1, 2 ** 32, -(2 ** 32) - 5, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    for (const number of numbers) out.i64(number);
    expect(numbers.map((_, i) => Number(out.bytes.readBigInt64LE(8 * i)))).to.deep.equal(numbers);
  });

  it('knows beforehand how long attributes are', () => {
    const time = { seconds: 1, nanoseconds: 2 };
    const meta = { mode: 0, uid: 0, gid: 0, mtime: time, atime: time };
    for (const xattrs of [[], [{ name: Buffer.from('user.a'), value: Buffer.from('value') }]]) {
      const out = new FrameWriter(256);
      out.meta({ ...meta, xattrs });
      expect(out.at).to.equal(metaSize({ ...meta, xattrs }));
    }
  });
});
