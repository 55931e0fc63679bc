import { expect } from 'chai';
import { challengeHeader } from '../../../lib/registry-server/authorize.js';
import { settingsOf } from '../../../lib/registry-server/options.js';

describe('registry-server/options', () => {
  it('have defaults', () => {
    expect(settingsOf({})).to.include({
      readOnly: false,
      delete: true,
      images: false,
      maxManifestBytes: 4 << 20,
    });
    expect(settingsOf({ readOnly: true })).to.include({ readOnly: true, delete: false });
    expect(settingsOf({ upstream: { domain: 'docker.io' } })).to.include({ readOnly: true, delete: false });
    expect(settingsOf({ upstream: { domain: 'docker.io' }, delete: true })).to.include({ delete: true });
  });

  const refused: [string, object][] = [
    ['an unknown one', { deletes: true }],
    ['one of another type', { readOnly: 'yes' }],
    ['a size of nothing', { maxManifestBytes: 0 }],
    ['a function that is none', { authorize: 'all' }],
    ['a mapping of images that are not shown', { imageRepository: () => 'a' }],
    ['adopting what cannot be pushed', { readOnly: true, adopt: 'localhost' }],
    ['an upstream without a domain', { upstream: {} }],
    ['an unknown one of an upstream', { upstream: { domain: 'a.example', tls: true } }],
    ['a cache that is pushed to', { upstream: { domain: 'a.example' }, readOnly: false }],
  ];
  for (const [what, options] of refused) {
    it(`refuse ${what}`, () => {
      expect(() => settingsOf(options))
        .to.throw()
        .with.property('code', 'ERR_INVALID_OPTION');
    });
  }
});

describe('registry-server/authorize', () => {
  it('writes challenges that clients understand, and nothing else', () => {
    const access = { repository: 'team/app', action: 'push' } as const;
    expect(challengeHeader({ scheme: 'basic', realm: 'my "test"\r\nX: y' }, access)).to.equal(
      'Basic realm="my \\"test\\"X: y", charset="UTF-8"',
    );
    expect(
      challengeHeader({ scheme: 'bearer', realm: 'https://auth.example/token', service: 'registry' }, access),
    ).to.equal(
      'Bearer realm="https://auth.example/token",service="registry",scope="repository:team/app:pull,push"',
    );
    expect(challengeHeader({ scheme: 'bearer', realm: 'r' }, { action: 'ping' })).to.equal(
      'Bearer realm="r"',
    );
    expect(challengeHeader({ scheme: 'bearer', realm: 'r' }, { action: 'catalog' })).to.include(
      'registry:catalog:*',
    );
  });
});
