import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import {
  formatReference,
  isShortName,
  parseReference,
  referenceCandidates,
  repositoryOf,
  withDefaultTag,
} from '../../../lib/oci/reference.js';

const HEX = 'a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4';
const DIGEST = `sha256:${HEX}`;

describe('oci reference', () => {
  const good: [string, string][] = [
    ['busybox', 'docker.io/library/busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['user/app', 'docker.io/user/app'],
    ['docker.io/busybox', 'docker.io/library/busybox'],
    ['index.docker.io/busybox', 'docker.io/library/busybox'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app'],
    ['127.0.0.1:5000/a/b/c:T.a-g_1', '127.0.0.1:5000/a/b/c:T.a-g_1'],
    ['[::1]:5000/app', '[::1]:5000/app'],
    ['[2001:db8::1]/app:v1', '[2001:db8::1]/app:v1'],
    ['REGISTRY/app', 'REGISTRY/app'],
    ['example.com/a__b/c.d/e---f', 'example.com/a__b/c.d/e---f'],
    [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [`quay.io/a/b:tag@${DIGEST}`, `quay.io/a/b:tag@${DIGEST}`],
    [`a@sha512:${HEX}${HEX}`, `docker.io/library/a@sha512:${HEX}${HEX}`],
    ['foo:5000', 'docker.io/library/foo:5000'],
    ['foo:5000/bar', 'foo:5000/bar'],
    [`x/${HEX}`, `docker.io/x/${HEX}`],
  ];
  for (const [text, full] of good) {
    it(`reads ${text}`, () => expect(formatReference(parseReference(text))).to.equal(full));
  }

  const bad = [
    ...[
      '',
      ':tag',
      '@',
      `@${DIGEST}`,
      'a:',
      'a@',
      'a@sha256:',
      `a@sha256:${HEX.slice(1)}`,
      `a@sha256:${HEX.toUpperCase()}`,
    ],
    ...[
      `a@${DIGEST}@${DIGEST}`,
      `a@md5:${HEX}`,
      'a//b',
      '/a',
      'a/',
      'a/b/',
      'A',
      'a/B',
      'example.com/Upper',
      '-a',
      'a-',
    ],
    ...[
      'a..b',
      'a___b',
      'a._b',
      '.a',
      'a b',
      ' a',
      'a ',
      'a\n',
      'a:b:c',
      'a:-t',
      `a:${'t'.repeat(129)}`,
      'a:t/b',
      '../a',
    ],
    ...[
      'localhost:/a',
      'localhost:x/a',
      'localhost:0/a',
      'localhost:65536/a',
      '-bad.com/a',
      'bad-.com/a',
      'a..com/b',
    ],
    ...[
      '[::1/a',
      '::1]/a',
      '[]/a',
      '[::1]x/a',
      '[gg::1]/a',
      HEX,
      'http://example.com/a',
      'docker://busybox',
      'é',
      'a\0',
    ],
    `example.com/${'a'.repeat(250)}`,
  ];
  for (const text of bad) {
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
      expect(() => parseReference(text))
        .to.throw(VainaError)
        .with.property('code', 'ERR_INVALID_REFERENCE');
    });
  }

  it('reads back what it writes', () => {
    const part = fc.stringMatching(/^[a-z0-9]+(?:(?:\.|__?|-{1,3})[a-z0-9]+){0,2}$/);
    const domain = fc.constantFrom(
      'localhost',
      'localhost:5000',
      'Example.COM:80',
      '[::1]:1',
      '10.0.0.1',
      'docker.io',
    );
    const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined });
    const digest = fc.option(fc.constant(DIGEST), { nil: undefined });
    fc.assert(
      fc.property(
        domain,
        fc.array(part, { minLength: 2, maxLength: 4 }),
        tag,
        digest,
        (host, parts, t, d) => {
          const text = `${host}/${parts.join('/')}${t === undefined ? '' : `:${t}`}${d === undefined ? '' : `@${d}`}`;
          fc.pre(text.length < 200);
          const reference = parseReference(text);
          expect(formatReference(reference)).to.equal(text);
        },
      ),
    );
  });

  it('gives a reference or the typed error for any text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        try {
          parseReference(text);
        } catch (error) {
          expect(VainaError.is(error, 'ERR_INVALID_REFERENCE')).to.equal(true);
        }
      }),
    );
  });

  it('takes linear time for the worst texts', () => {
    const big = 1024 * 1024;
    const texts = ['a-', 'a_', 'a.', '-', 'a/', 'a:', '[', 'a@sha256:'].map((part) =>
      part.repeat(big / part.length),
    );
    const begun = performance.now();
    for (const text of texts) expect(() => parseReference(text)).to.throw(VainaError);
    expect(performance.now() - begun).to.be.below(100);
  });

  it('knows what a short name may mean', () => {
    expect(isShortName('busybox')).to.equal(true);
    expect(isShortName('user/app:1')).to.equal(true);
    expect(isShortName('localhost/app')).to.equal(false);
    expect(referenceCandidates('busybox').map(formatReference)).to.deep.equal([
      'localhost/busybox:latest',
      'docker.io/library/busybox:latest',
    ]);
    expect(referenceCandidates('quay.io/a/b:1').map(formatReference)).to.deep.equal(['quay.io/a/b:1']);
    expect(referenceCandidates(`busybox@${DIGEST}`).map(formatReference)[0]).to.equal(
      `localhost/busybox@${DIGEST}`,
    );
  });

  it('fills in the tag, and leaves it away', () => {
    expect(withDefaultTag(parseReference('a')).tag).to.equal('latest');
    expect(withDefaultTag(parseReference(`a@${DIGEST}`)).tag).to.equal(undefined);
    expect(repositoryOf(parseReference('a:1'))).to.equal('docker.io/library/a');
  });
});
