import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import {
  algorithmOf,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  verifyBytes,
  VerifyingStream,
} from '../../../lib/oci/digest.js';
import type { Digest } from '../../../lib/oci/types.js';
import { readAll } from '../../../lib/util/read-all.js';
import { failure } from '../../support/memory-source.js';

const content = Buffer.from('some content');

async function through(expected: { digest: Digest; size: number }, chunks: Buffer[]): Promise<Buffer> {
  const verified = new VerifyingStream(expected);
  return readAll(Readable.from(chunks).pipe(verified), 1000, () => new Error('large'));
}

describe('oci digest', () => {
  it('computes sha256 and sha512', () => {
    expect(digestOf(content)).to.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`);
    const long = digestOf(content, 'sha512');
    expect(algorithmOf(long)).to.equal('sha512');
    expect(hexOf(long)).to.match(/^[0-9a-f]{128}$/);
    expect(parseDigest(long)).to.equal(long);
  });

  it('refuses what is no digest, with the code that was asked for', () => {
    for (const value of [
      '',
      'sha256',
      undefined,
      null,
      5,
      {},
      `sha1:${'a'.repeat(40)}`,
      `sha256:${'g'.repeat(64)}`,
      `sha256:${'a'.repeat(128)}`,
    ]) {
      expect(isDigest(value)).to.equal(false);
      expect(() => parseDigest(value))
        .to.throw(VainaError)
        .with.property('code', 'ERR_INVALID_IMAGE');
    }
    expect(() => parseDigest('x', 'here', 'ERR_INVALID_OPTION'))
      .to.throw(VainaError, /^here: "x"/)
      .with.property('code', 'ERR_INVALID_OPTION');
  });

  it('passes the right bytes in any pieces', async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const expected = { digest: digestOf(content, algorithm), size: content.length };
      expect(await through(expected, [content])).to.deep.equal(content);
      expect(
        await through(
          expected,
          [...content].map((byte) => Buffer.from([byte])),
        ),
      ).to.deep.equal(content);
    }
    expect(await through({ digest: digestOf(Buffer.alloc(0)), size: 0 }, [])).to.have.length(0);
  });

  it('fails for wrong, missing and additional bytes', async () => {
    const expected = { digest: digestOf(content), size: content.length };
    const wrong = Buffer.from(content);
    wrong[3] = 0;
    for (const chunks of [[wrong], [content.subarray(1)], [content, Buffer.from('x')], []]) {
      expect((await failure(through(expected, chunks))).code).to.equal('ERR_DIGEST_MISMATCH');
    }
    expect(() => verifyBytes(wrong, expected, 'it')).to.throw(VainaError, /^it should have the digest/);
    expect(() => verifyBytes(content.subarray(1), expected, 'it')).to.throw(
      VainaError,
      /^it should have 12 bytes but has 11/,
    );
  });
});
