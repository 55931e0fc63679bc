import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../lib/oci/digest.js';
import { withKeyring } from '../../lib/signature/gpg.js';
import { makePayload } from '../../lib/signature/payload.js';
import { signSimple, verifySimple } from '../../lib/signature/simple.js';
import { standaloneSign, standaloneVerify } from '../../lib/signature/standalone.js';
import { useSigners, type GpgHome } from '../support/gpg.js';
import { checkLeftovers } from '../support/leftovers.js';
import { failure } from '../support/memory-source.js';
import { requires } from '../support/requires.js';

const manifest = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}');
const REFERENCE = 'registry.test/app:1';

describe('signatures', function () {
  this.timeout(60_000);
  requires('gpg', 'skopeo');
  checkLeftovers();
  const signers = useSigners();
  let home: GpgHome;
  let alice: string;
  let bob: string;
  before(() => ({ home, alice, bob } = signers));
  const { put, at, skopeo } = signers;
  const host = () => ({ gnupgHome: home.directory });
  const skopeoDid = (...args: string[]): string => {
    const { status, stdout, stderr } = skopeo(...args);
    expect(status, stderr).to.equal(0);
    return stdout;
  };

  describe('at hand', () => {
    it('skopeo verifies ours, and we verify skopeo’s', async () => {
      const path = put('manifest.json', manifest);
      const ours = await standaloneSign(manifest, REFERENCE, { fingerprint: alice, ...host() });
      if (ours.kind !== 'simple') throw new Error('another kind of signature');
      const file = put('ours.signature', ours.bytes);
      expect(skopeoDid('standalone-verify', path, REFERENCE, alice, file)).to.equal(
        `Signature verified, digest ${digestOf(manifest)}\n`,
      );
      skopeoDid('standalone-sign', path, REFERENCE, alice, '-o', at('theirs.signature'));
      const theirs = readFileSync(at('theirs.signature'));
      for (const signature of [theirs, ours]) {
        const own = { fingerprints: [bob, alice.toLowerCase()], ...host() };
        const verified = { digest: digestOf(manifest), signer: alice };
        expect(await standaloneVerify(manifest, REFERENCE, own, signature)).to.deep.equal(verified);
        const publicKeys = home.exportKeys(alice, bob);
        const any = { fingerprints: 'any' as const, publicKeys };
        expect(await standaloneVerify(manifest, REFERENCE, any, signature)).to.deep.equal(verified);
      }
      const refused: [string, () => Promise<unknown>][] = [
        [
          `signature by ${alice} does not match expected fingerprints ${bob}`,
          () => standaloneVerify(manifest, REFERENCE, { fingerprints: [bob], ...host() }, theirs),
        ],
        [
          'does not match',
          () => standaloneVerify(Buffer.from('{}'), REFERENCE, { fingerprints: [alice], ...host() }, theirs),
        ],
        [
          'docker reference "registry.test/app:1" does not match "registry.test/app:2"',
          () =>
            standaloneVerify(manifest, 'registry.test/app:2', { fingerprints: [alice], ...host() }, theirs),
        ],
        [
          'the key is not a trusted one',
          () =>
            standaloneVerify(
              manifest,
              REFERENCE,
              { fingerprints: 'any', publicKeys: home.exportKeys(bob) },
              theirs,
            ),
        ],
      ];
      for (const [words, work] of refused) {
        const error = await failure(work());
        expect(error.code).to.equal('ERR_INVALID_SIGNATURE');
        expect(error.message).to.contain(words);
      }
    });

    it('takes the passphrase of a key, and no other', async () => {
      const locked = home.makeKey('locked', { passphrase: 'two words' });
      // What the agent remembers of making the key would open it.
      home.close();
      const options = { manifest, reference: REFERENCE, keyFingerprint: locked, ...host() };
      const wrong = await failure(signSimple({ ...options, passphrase: 'wrong' }));
      expect(wrong.code).to.equal('ERR_INVALID_SIGNATURE');
      expect(wrong.message).to.match(/^gpg cannot sign with /);
      expect((await failure(signSimple({ ...options, passphrase: 'two\nwords' }))).code).to.equal(
        'ERR_INVALID_OPTION',
      );
      const { bytes } = await signSimple({ ...options, passphrase: 'two words' });
      const own = { fingerprints: [locked], ...host() };
      expect((await standaloneVerify(manifest, REFERENCE, own, bytes)).signer).to.equal(locked);
    });

    it('says what is missing without gpg, and without the key', async () => {
      const none = await failure(
        signSimple({ manifest, reference: REFERENCE, keyFingerprint: 'F'.repeat(40), ...host() }),
      );
      expect(none.code).to.equal('ERR_INVALID_SIGNATURE');
      const path = process.env['PATH'];
      process.env['PATH'] = '/nonexistent';
      try {
        const error = await failure(withKeyring([Buffer.from('x')], async () => undefined));
        expect(error.code).to.equal('ERR_HOST_UNSUPPORTED');
        expect(error.hint).to.contain('gnupg');
      } finally {
        process.env['PATH'] = path;
      }
    });
  });

  describe('that are hostile', () => {
    const payload = makePayload('simple', manifest, REFERENCE);
    const check = (blob: Uint8Array, keys: Buffer) =>
      withKeyring([keys], (keyring) =>
        verifySimple(keyring, blob, { manifest, acceptsReference: (name) => name === REFERENCE }),
      );
    const sign = (input: Uint8Array, key: string, ...options: string[]) =>
      home.gpg([...options, '-u', key, '-o', '-', '--sign'], input);

    it('are refused, each for its reason', async () => {
      const keys = home.exportKeys(alice, bob);
      const good = sign(payload, alice);
      expect((await check(good, keys)).fingerprint).to.equal(alice);
      const bare = sign(payload, alice, '--compress-algo', 'none');
      const twice = payload.toString().replace('"type":', '"type":"x","type":');
      const expired = home.makeKey('expired', { at: '20200101T000000', expires: '1d' });
      const old = home.makeKey('old', { at: '20200101T000000' });
      const revoked = home.makeKey('revoked');
      const byRevoked = sign(payload, revoked);
      const certificate = readFileSync(join(home.directory, 'openpgp-revocs.d', `${revoked}.rev`), 'utf8');
      home.gpg(['--import'], certificate.replace(/^:---/m, '---'));
      const flipped = Buffer.from(bare);
      flipped[flipped.indexOf('registry.test')]! ^= 1;
      const cases: [string, Uint8Array, RegExp, Buffer?][] = [
        ['a key nobody trusts', good, /the key is not a trusted one/, home.exportKeys(bob)],
        ['two keys', home.gpg(['-u', alice, '-u', bob, '-o', '-', '--sign'], payload), /signature count 2/],
        [
          'an expired key',
          sign(payload, expired, '--faked-system-time', '20200101T120000'),
          /key has expired/,
          home.exportKeys(expired),
        ],
        [
          'an expired signature',
          sign(payload, old, '--default-sig-expire', '1d', '--faked-system-time', '20200102T000000'),
          /it has expired/,
          home.exportKeys(old),
        ],
        ['a revoked key', byRevoked, /key was revoked/, home.exportKeys(revoked)],
        ['changed bytes', flipped, /does not match what it signs/],
        ['garbage', Buffer.from('\xff\xfe\xfd'.repeat(100), 'latin1'), /invalid GPG signature/],
        ['nothing', Buffer.alloc(0), /not a signed OpenPGP message/],
        ['a message without signature', home.gpg(['-o', '-', '--store'], payload), /invalid GPG signature/],
        [
          'text in the clear',
          home.gpg(['-u', alice, '--clear-sign'], payload),
          /not a signed OpenPGP message/,
        ],
        [
          'armor',
          home.gpg(['-u', alice, '--armor', '-o', '-', '--sign'], payload),
          /not a signed OpenPGP message/,
        ],
        [
          'a detached signature',
          home.gpg(['-u', alice, '-o', '-', '--detach-sign'], payload),
          /invalid GPG signature/,
        ],
        ['two messages', Buffer.concat([bare, bare]), /invalid GPG signature/],
        [
          'a message before',
          Buffer.concat([home.gpg(['-o', '-', '--store'], payload), good]),
          /invalid GPG signature/,
        ],
        ['a cut one', good.subarray(0, -20), /invalid GPG signature/],
        ['members twice', sign(Buffer.from(twice), alice), /twice/],
        [
          'a sigstore payload',
          sign(makePayload('sigstore', manifest, REFERENCE), alice),
          /unrecognized signature type/,
        ],
        ['no JSON', sign(Buffer.from('hello'), alice), /not valid JSON/],
        ['ten megabytes', sign(Buffer.alloc(10 << 20, 0x20), alice), /holds more than a signature/],
      ];
      for (const [what, blob, words, trusted] of cases) {
        const error = await failure(check(blob, trusted ?? keys));
        expect(error.code, what).to.equal('ERR_INVALID_SIGNATURE');
        expect(error.message, what).to.match(words);
      }
    });
  });
});
