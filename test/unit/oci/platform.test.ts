import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { digestOf } from '../../../lib/oci/digest.js';
import {
  compatiblePlatforms,
  formatPlatform,
  hostPlatform,
  matchPlatform,
  normalizePlatform,
  parsePlatformName,
  platformRuns,
} from '../../../lib/oci/platform.js';
import type { Descriptor } from '../../../lib/oci/types.js';

const entry = (name: string): Descriptor => {
  const [os = '', architecture = '', variant] = name.split('/');
  const platform = { os, architecture, ...(variant !== undefined && { variant }) };
  return { mediaType: 'a/b', digest: digestOf(Buffer.from(name)), size: 1, platform };
};

describe('oci platform', () => {
  it('has one spelling for each platform', () => {
    const pairs: [string, string][] = [
      ['linux/x86_64', 'linux/amd64'],
      ['Linux/AMD64', 'linux/amd64'],
      ['linux/amd64/v1', 'linux/amd64'],
      ['linux/amd64/v3', 'linux/amd64/v3'],
      ['linux/aarch64', 'linux/arm64'],
      ['linux/arm64/v8', 'linux/arm64'],
      ['linux/arm64/8', 'linux/arm64'],
      ['linux/arm64/v9', 'linux/arm64/v9'],
      ['linux/arm', 'linux/arm/v7'],
      ['linux/armhf', 'linux/arm/v7'],
      ['linux/armel', 'linux/arm/v6'],
      ['linux/arm/6', 'linux/arm/v6'],
      ['linux/i386', 'linux/386'],
      ['arm64', 'linux/arm64'],
    ];
    for (const [text, name] of pairs) expect(formatPlatform(parsePlatformName(text)), text).to.equal(name);
    for (const text of ['', '/', 'a//b', 'linux/amd64/v1/x', 'li nux/amd64', 'x'.repeat(200)]) {
      expect(() => parsePlatformName(text))
        .to.throw(VainaError)
        .with.property('code', 'ERR_INVALID_OPTION');
    }
  });

  it('falls back to older variants, never to newer', () => {
    const names = (text: string): string[] =>
      compatiblePlatforms(parsePlatformName(text)).map(formatPlatform);
    expect(names('linux/arm/v7')).to.deep.equal(['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']);
    expect(names('linux/amd64/v3')).to.deep.equal(['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64']);
    expect(names('linux/amd64')).to.deep.equal(['linux/amd64']);
    expect(names('linux/arm64')).to.deep.equal(['linux/arm64']);
    expect(names('linux/s390x')).to.deep.equal(['linux/s390x']);
    expect(
      platformRuns({ os: 'linux', architecture: 'arm', variant: 'v6' }, parsePlatformName('linux/arm/v7')),
    ).to.equal(true);
    expect(
      platformRuns({ os: 'linux', architecture: 'arm', variant: 'v7' }, parsePlatformName('linux/arm/v6')),
    ).to.equal(false);
  });

  it('takes the best of what an index offers', () => {
    const offer = ['linux/arm/v5', 'linux/amd64', 'linux/arm/v7', 'unknown/unknown', 'windows/amd64'].map(
      entry,
    );
    const chosen = (name: string): string | undefined => {
      const found = matchPlatform(offer, parsePlatformName(name));
      return found?.platform && formatPlatform(found.platform);
    };
    expect(chosen('linux/arm/v8')).to.equal('linux/arm/v7');
    expect(chosen('linux/arm/v6')).to.equal('linux/arm/v5');
    expect(chosen('linux/amd64/v4')).to.equal('linux/amd64');
    expect(chosen('linux/arm64')).to.equal(undefined);
  });

  it('knows the host', () => {
    expect(hostPlatform().os).to.equal('linux');
    expect(hostPlatform()).to.deep.equal(normalizePlatform(hostPlatform()));
  });
});
