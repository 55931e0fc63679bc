import { expect } from 'chai';
import fc from 'fast-check';
import { formatReference, parseReference, repositoryOf, type Reference } from '../../../lib/oci/reference.js';
import type { Digest } from '../../../lib/oci/types.js';
import { identityMatches, type SignedIdentity } from '../../../lib/signature/identity.js';

const part = fc.stringMatching(/^[a-z0-9]{1,4}$/);
const host = fc.constantFrom('a.example.com', 'b.example.com:5000', 'localhost', 'docker.io');
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}` as Digest);
const tag = fc.stringMatching(/^[a-z0-9]{1,3}$/);
const named = fc.record({ domain: host, path: fc.tuple(part, part).map((parts) => parts.join('/')) });
const tagged: fc.Arbitrary<Reference> = fc.tuple(named, tag).map(([name, text]) => ({ ...name, tag: text }));
const pinned: fc.Arbitrary<Reference> = fc
  .tuple(named, digest)
  .map(([name, text]) => ({ ...name, digest: text }));
const reference = fc.oneof(tagged, pinned);
const any: fc.Arbitrary<Reference> = fc.oneof(named, reference);

const matches = (rule: SignedIdentity, intended: Reference | undefined, signed: Reference): boolean =>
  identityMatches(rule, intended, formatReference(signed));
const same = (a: Reference, b: Reference): boolean => formatReference(a) === formatReference(b);
const sibling = (a: Reference, b: Reference): boolean => repositoryOf(a) === repositoryOf(b);
const hasVersion = ({ tag: text, digest: sum }: Reference): boolean =>
  text !== undefined || sum !== undefined;
/** Pairs of which many have the same repository. */
const pair = fc.oneof(
  fc.tuple(any, any),
  fc.tuple(any, tag).map(([one, text]) => [one, { domain: one.domain, path: one.path, tag: text }] as const),
);

describe('signed identity', () => {
  it('matchExact: the same name with the same tag or digest', () => {
    fc.assert(
      fc.property(pair, ([intended, signed]) => {
        expect(matches({ type: 'matchExact' }, intended, signed)).to.equal(
          same(intended, signed) && hasVersion(signed),
        );
        expect(matches({ type: 'matchExact' }, signed, signed)).to.equal(hasVersion(signed));
      }),
    );
  });

  it('matchRepoDigestOrExact: the same, or for a digest any tag of the repository', () => {
    fc.assert(
      fc.property(pair, ([intended, signed]) => {
        const expected =
          hasVersion(signed) &&
          (intended.digest === undefined ? same(intended, signed) : sibling(intended, signed));
        expect(matches({ type: 'matchRepoDigestOrExact' }, intended, signed)).to.equal(expected);
      }),
    );
  });

  it('matchRepository and exactRepository: the repository, whatever the tag', () => {
    fc.assert(
      fc.property(pair, ([intended, signed]) => {
        expect(matches({ type: 'matchRepository' }, intended, signed)).to.equal(sibling(intended, signed));
        const rule: SignedIdentity = { type: 'exactRepository', dockerRepository: repositoryOf(intended) };
        expect(matches(rule, undefined, signed)).to.equal(sibling(intended, signed));
      }),
    );
  });

  it('exactReference: the one name, whatever the image is called here', () => {
    fc.assert(
      fc.property(reference, any, fc.option(any, { nil: undefined }), (wanted, signed, here) => {
        const rule: SignedIdentity = { type: 'exactReference', dockerReference: formatReference(wanted) };
        expect(matches(rule, here, signed)).to.equal(same(wanted, signed));
        expect(matches(rule, here, wanted)).to.equal(true);
      }),
    );
  });

  it('remapIdentity: as the default after the prefix was replaced, and only for whole parts', () => {
    fc.assert(
      fc.property(tagged, part, (image, other) => {
        const rule: SignedIdentity = {
          type: 'remapIdentity',
          prefix: image.domain,
          signedPrefix: `vendor.test/${other}`,
        };
        const mapped = { ...image, domain: 'vendor.test', path: `${other}/${image.path}` };
        expect(matches(rule, image, mapped)).to.equal(true);
        expect(matches(rule, image, image)).to.equal(false);
        const longer = { ...image, domain: `x.${image.domain}` };
        expect(matches(rule, longer, longer)).to.equal(true);
      }),
    );
    const rule: SignedIdentity = { type: 'remapIdentity', prefix: 'm.test/app', signedPrefix: 'v.test/app' };
    const matchesText = (intended: string, signed: string) =>
      identityMatches(rule, parseReference(intended), signed);
    expect(matchesText('m.test/app:1', 'v.test/app:1')).to.equal(true);
    expect(matchesText('m.test/app/x:1', 'v.test/app/x:1')).to.equal(true);
    expect(matchesText('m.test/apple:1', 'v.test/apple:1')).to.equal(false);
    expect(matchesText('m.test/apple:1', 'm.test/apple:1')).to.equal(true);
    const short: SignedIdentity = { type: 'remapIdentity', prefix: 'm.test/app', signedPrefix: 'docker.io' };
    // docker.io:1 would be completed to another name.
    expect(identityMatches(short, parseReference('m.test/app:1'), 'docker.io/library/docker.io:1')).to.equal(
      false,
    );
  });

  it('knows short names by their full ones, drops a tag beside a digest, and takes nothing else for a name', () => {
    const exact: SignedIdentity = { type: 'matchExact' };
    const busybox = parseReference('docker.io/library/busybox:1');
    expect(identityMatches(exact, busybox, 'busybox:1')).to.equal(true);
    const sum = `sha256:${'a'.repeat(64)}`;
    const both = parseReference(`a.b/c:1@${sum}`);
    expect(identityMatches(exact, both, `a.b/c@${sum}`)).to.equal(true);
    expect(identityMatches({ type: 'matchRepoDigestOrExact' }, both, 'a.b/c:2')).to.equal(true);
    for (const odd of ['', 'A B', '../x:1', 'busybox:1 ', 'a.b//c:1', 'x'.repeat(5000)]) {
      for (const type of ['matchExact', 'matchRepoDigestOrExact', 'matchRepository'] as const) {
        expect(identityMatches({ type }, busybox, odd)).to.equal(false);
        expect(identityMatches({ type }, undefined, 'busybox:1')).to.equal(false);
      }
    }
  });
});
