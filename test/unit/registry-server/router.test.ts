import { expect } from 'chai';
import fc from 'fast-check';
import { isTag } from '../../../lib/oci/reference.js';
import { isRepositoryName } from '../../../lib/registry-server/names.js';
import { route } from '../../../lib/registry-server/router.js';

describe('registry-server/router', () => {
  const cases: [string, ReturnType<typeof route>][] = [
    ['/v2/', { kind: 'ping' }],
    ['/v2', { kind: 'ping' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/tags/list', { kind: 'tags', repository: 'a' }],
    ['/v2/a/b/c/d/e/tags/list', { kind: 'tags', repository: 'a/b/c/d/e' }],
    ['/v2/a/manifests/v1', { kind: 'manifest', repository: 'a', reference: 'v1' }],
    ['/v2/a/manifests/sha256:ab', { kind: 'manifest', repository: 'a', reference: 'sha256:ab' }],
    ['/v2/a/manifests/sha256%3Aab', { kind: 'manifest', repository: 'a', reference: 'sha256:ab' }],
    ['/v2/a/blobs/sha256:ab', { kind: 'blob', repository: 'a', reference: 'sha256:ab' }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads/1-2', { kind: 'upload', repository: 'a', reference: '1-2' }],
    ['/v2/a/referrers/sha256:ab', { kind: 'referrers', repository: 'a', reference: 'sha256:ab' }],
    // Names that look like endpoints: the end of the path decides.
    ['/v2/manifests/manifests/tags', { kind: 'manifest', repository: 'manifests', reference: 'tags' }],
    ['/v2/tags/list/tags/list', { kind: 'tags', repository: 'tags/list' }],
    [
      '/v2/x/blobs/uploads/manifests/v1',
      { kind: 'manifest', repository: 'x/blobs/uploads', reference: 'v1' },
    ],
    // What is no name is still seen as one, to be refused as one.
    ['/v2/../etc/manifests/v1', { kind: 'manifest', repository: '../etc', reference: 'v1' }],
    ['/v2/a%2F..%2Fb/manifests/v1', { kind: 'manifest', repository: 'a/../b', reference: 'v1' }],
    ['/', undefined],
    ['/v1/', undefined],
    ['/v2/a', undefined],
    ['/v2/a/manifests', undefined],
    ['/v2/a/tags/other', undefined],
    ['/v2/tags/list', undefined],
    ['/v2/a/manifests/%zz', undefined],
    ['//v2/a/tags/list', undefined],
  ];
  for (const [path, expected] of cases) {
    it(`${path} is ${expected ? JSON.stringify(expected) : 'no endpoint'}`, () => {
      expect(route(path)).to.deep.equal(expected);
    });
  }

  it('finds every name again', () => {
    const component = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+)*$/, { maxLength: 20 });
    const name = fc.array(component, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(name, fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,40}$/), (repository, reference) => {
        expect(isRepositoryName(repository)).to.equal(true);
        expect(isTag(reference)).to.equal(true);
        expect(route(`/v2/${repository}/manifests/${reference}`)).to.deep.equal({
          kind: 'manifest',
          repository,
          reference,
        });
      }),
    );
  });
});

describe('registry-server/names', () => {
  for (const name of ['a', 'a/b', '0', 'a.b/c_d/e__f/g-h/i---j', 'a'.repeat(255)]) {
    it(`takes the repository ${name.slice(0, 30)}`, () => expect(isRepositoryName(name)).to.equal(true));
  }
  for (const name of [
    ...[
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      'A',
      'a/B',
      '.',
      '..',
      'a/../b',
      'a..b',
      'a._b',
      '-a',
      'a-',
      'a_',
      'a___b',
    ],
    ...['a b', 'a\0', 'a\n', 'ä', 'a:b', 'a@b', 'a'.repeat(256), `${'a-'.repeat(100)}!`],
  ]) {
    it(`refuses the repository ${JSON.stringify(name.slice(0, 30))}`, () =>
      expect(isRepositoryName(name)).to.equal(false));
  }
  it('knows tags', () => {
    for (const tag of ['a', '_', 'V1.0-rc_1', 'a'.repeat(128)]) expect(isTag(tag), tag).to.equal(true);
    for (const tag of ['', '.a', '-a', 'a/b', 'a:b', 'a\n', 'a'.repeat(129), '..'])
      expect(isTag(tag), tag).to.equal(false);
  });
});
