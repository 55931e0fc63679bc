import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { chainIds } from '../../../lib/store/chain.js';

describe('store/chain', () => {
  it('follows the image-spec', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text)));
    if (!a || !b || !c) throw new Error('unreachable');
    const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
    const first = a.slice('sha256:'.length);
    const second = sha(`${a} ${b}`);
    const third = sha(`sha256:${second} ${c}`);
    expect(chainIds([a, b, c])).to.deep.equal([first, second, third]);
    expect(chainIds([])).to.deep.equal([]);
    expect(chainIds([b, a])[1]).to.not.equal(second);
  });
});
