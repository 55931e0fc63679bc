import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../lib/oci/digest.js';
import { parseReference } from '../../lib/oci/reference.js';
import type { Digest, Signature } from '../../lib/oci/types.js';
import { withKeyring } from '../../lib/signature/gpg.js';
import { policyVerifier, signer } from '../../lib/signature/hooks.js';
import { createLookaside } from '../../lib/signature/lookaside.js';
import { makePayload } from '../../lib/signature/payload.js';
import { checkPolicy } from '../../lib/signature/policy.js';
import { signSigstore } from '../../lib/signature/sigstore.js';
import { signSimple, verifySimple } from '../../lib/signature/simple.js';
import { standaloneSign, standaloneVerify } from '../../lib/signature/standalone.js';
import { GpgHome } from '../support/gpg.js';
import { blobsOf, layoutEntries, makeBusyboxImage, writeTree, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';
import { rejection } from '../unit/signature/failures.js';

const manifest = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}');
const REFERENCE = 'registry.test/app:1';

/** Made by openssl, Python's scrypt and libsodium's secretbox, with the passphrase `open sesame`. */
const COSIGN_KEY = `-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjozMjc2OCwiciI6
OCwicCI6MX0sInNhbHQiOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZ
WEdCa2FHeHdkSGg4PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZWCJ9LCJj
aXBoZXJ0ZXh0IjoiYkZYdmszTWIwZEFkcCsvakMxVGp0VkcwaWkybTVFR3lUeTBE
TGRZQ05BcWh1TlJFYXdYMUFuNUJmbU5pSXNlN1VVQ3lnd1JTOTk1eGI0ekVKSnpK
bHFDdExEdEgzWVZEeWxhNlpTL3JVNFNjckhlaVBMbjhsazBWa1Njb2l5clhRWGxp
eU9FTXp6ejJtTjRiWGlFOWVGUmwyK21wdndXb2Y0ZWN0bFpPWmp2ZGpzTlA5VlI5
NmZJdXJUdkJxQTVOL0ZHWC9tdjN4blpUMFE9PSJ9
-----END ENCRYPTED COSIGN PRIVATE KEY-----
`;
const COSIGN_PUBLIC = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEk3t4Q8Ld8E3aCxjo0VWBbzqeO7qS
szv/ON5TcdYcIo2MNkIXua3e2gzVNPkFE7Jdmw9ikHPwdSR2aBwsRVqXfA==
-----END PUBLIC KEY-----
`;

describe('signatures', function () {
  this.timeout(60_000);
  requires('gpg', 'skopeo', 'docker-registry');
  checkLeftovers();
  let directory: string;
  let home: GpgHome;
  let alice: string;
  let bob: string;
  let temporary: string | undefined;

  before(() => {
    directory = mkdtempSync('/tmp/vaina-sign-');
    home = new GpgHome(directory);
    // Whatever is made in the directory for temporary files must be gone at the end.
    temporary = process.env['TMPDIR'];
    process.env['TMPDIR'] = join(directory, 'tmp');
    mkdirSync(process.env['TMPDIR']);
    alice = home.makeKey('alice');
    bob = home.makeKey('bob');
  });
  after(() => {
    home?.close();
    if (temporary === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = temporary;
    if (directory === undefined) return;
    const left = readdirSync(join(directory, 'tmp'));
    const running = home.processes();
    rmSync(directory, { recursive: true, force: true });
    expect(left).to.deep.equal([]);
    expect(running).to.deep.equal([]);
  });

  const at = (name: string): string => join(directory, name);
  const put = (name: string, content: string | Uint8Array): string => {
    writeFileSync(at(name), content);
    return at(name);
  };
  const host = () => ({ gnupgHome: home.directory });
  const skopeo = (...args: string[]) => {
    const env = { ...process.env, GNUPGHOME: home.directory };
    const { status, stdout, stderr } = spawnSync('skopeo', args, { env, encoding: 'utf8' });
    return { status, stdout, stderr };
  };
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
        const error = await rejection(work());
        expect(error.code).to.equal('ERR_INVALID_SIGNATURE');
        expect(error.message).to.contain(words);
      }
    });

    it('takes the passphrase of a key, and no other', async () => {
      const locked = home.makeKey('locked', { passphrase: 'two words' });
      // What the agent remembers of making the key would open it.
      home.close();
      const options = { manifest, reference: REFERENCE, keyFingerprint: locked, ...host() };
      const wrong = await rejection(signSimple({ ...options, passphrase: 'wrong' }));
      expect(wrong.code).to.equal('ERR_INVALID_SIGNATURE');
      expect(wrong.message).to.match(/^gpg cannot sign with /);
      expect((await rejection(signSimple({ ...options, passphrase: 'two\nwords' }))).code).to.equal(
        'ERR_INVALID_OPTION',
      );
      const { bytes } = await signSimple({ ...options, passphrase: 'two words' });
      const own = { fingerprints: [locked], ...host() };
      expect((await standaloneVerify(manifest, REFERENCE, own, bytes)).signer).to.equal(locked);
    });

    it('says what is missing without gpg, and without the key', async () => {
      const none = await rejection(
        signSimple({ manifest, reference: REFERENCE, keyFingerprint: 'F'.repeat(40), ...host() }),
      );
      expect(none.code).to.equal('ERR_INVALID_SIGNATURE');
      const path = process.env['PATH'];
      process.env['PATH'] = '/nonexistent';
      try {
        const error = await rejection(withKeyring([Buffer.from('x')], async () => undefined));
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
        const error = await rejection(check(blob, trusted ?? keys));
        expect(error.code, what).to.equal('ERR_INVALID_SIGNATURE');
        expect(error.message, what).to.match(words);
      }
    });
  });

  describe('beside a registry', () => {
    let registry: RunningRegistry;
    let image: TestImage;
    let source: string;
    let registriesDir: string;
    let name: string;
    before(async () => {
      registry = await startRegistry();
      image = await makeBusyboxImage();
      const layout = at('layout');
      writeTree(
        layout,
        layoutEntries([{ descriptor: image.manifest.descriptor, name: 'image' }], blobsOf(image)),
      );
      source = `oci:${layout}:image`;
      registriesDir = at('registries.d');
      mkdirSync(registriesDir);
      const section = `  ${registry.host}:\n    lookaside: file://${at('lookaside')}\n    use-sigstore-attachments: true\n`;
      writeFileSync(join(registriesDir, 'test.yaml'), `docker:\n${section}`);
      name = `${registry.host}/signed:1`;
    });
    after(() => registry?.stop());

    const policyFile = (transport: string, requirement: object): string =>
      put(
        `policy-${createHash('sha256').update(JSON.stringify(requirement)).digest('hex').slice(0, 8)}.json`,
        JSON.stringify({ default: [{ type: 'reject' }], transports: { [transport]: { '': [requirement] } } }),
      );
    const copy = (from: string, to: string, ...options: string[]) =>
      skopeo(
        '--registries.d',
        registriesDir,
        ...options.filter((each) => each.startsWith('--policy') || each === '--insecure-policy'),
        'copy',
        ...options.filter((each) => !each.startsWith('--policy') && each !== '--insecure-policy'),
        '-q',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        from,
        to,
      );
    const subject = (reference: string, signatures: readonly Signature[]) => {
      const raw = { bytes: image.manifest.bytes, mediaType: '', digest: digestOf(image.manifest.bytes) };
      return { name: `docker://${reference}`, reference: parseReference(reference), raw, signatures };
    };

    it('we find and accept what skopeo writes', async () => {
      const made = copy(source, `docker://${name}`, '--insecure-policy', '--sign-by', alice);
      expect(made.status, made.stderr).to.equal(0);
      const lookaside = createLookaside({ registriesDir });
      const digest = digestOf(image.manifest.bytes);
      const found = await lookaside.read(parseReference(name), digest);
      expect(found).to.have.length(1);
      const signatures = found.map((bytes): Signature => ({ kind: 'simple', bytes }));
      const keyPath = put('alice.gpg', home.exportKeys(alice));
      const policy = checkPolicy({
        default: [{ type: 'reject' }],
        transports: { docker: { [registry.host]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] } },
      });
      const verify = policyVerifier(policy);
      await verify(subject(name, signatures));
      const renamed = await rejection(verify(subject(`${registry.host}/signed:2`, signatures)));
      expect(renamed.code).to.equal('ERR_POLICY_REJECTED');
      expect(renamed.message).to.equal(
        `Source image rejected: Signature for identity ${name} is not accepted`,
      );
      await verify(subject(`${registry.host}/signed@${digest}`, signatures));
      const none = await rejection(verify(subject(name, [])));
      expect(none.message).to.equal(
        'Source image rejected: A signature was required, but no signature exists',
      );
      const elsewhere = await rejection(verify(subject('other.test/x:1', signatures)));
      expect(elsewhere.message).to.contain('is rejected by policy.');
    });

    it('skopeo finds and accepts what we write, and rejects as we do', async () => {
      const unsigned = `${registry.host}/ours:1`;
      expect(copy(source, `docker://${unsigned}`, '--insecure-policy').status).to.equal(0);
      const keyPath = put('alice.gpg', home.exportKeys(alice));
      const policy = policyFile('docker', { type: 'signedBy', keyType: 'GPGKeys', keyPath });
      const before = copy(`docker://${unsigned}`, `dir:${at('out')}`, `--policy=${policy}`);
      expect(before.status).to.equal(1);
      expect(before.stderr).to.contain(
        'Source image rejected: A signature was required, but no signature exists',
      );
      const lookaside = createLookaside({ registriesDir });
      const reference = parseReference(unsigned);
      const digest = digestOf(image.manifest.bytes);
      const sign = signer({ simple: { keyFingerprint: alice, ...host() } }, reference);
      const [signature] = await sign({ bytes: image.manifest.bytes });
      if (signature?.kind !== 'simple') throw new Error('no signature');
      const byBob = await signSimple({
        manifest: image.manifest.bytes,
        reference: unsigned,
        keyFingerprint: bob,
        ...host(),
      });
      await lookaside.write(reference, digest, [byBob.bytes, byBob.bytes, byBob.bytes]);
      expect(copy(`docker://${unsigned}`, `dir:${at('out')}`, `--policy=${policy}`).status).to.equal(1);
      await lookaside.write(reference, digest, [byBob.bytes, signature.bytes]);
      expect(await lookaside.read(reference, digest)).to.deep.equal([byBob.bytes, signature.bytes]);
      const accepted = copy(`docker://${unsigned}`, `dir:${at('out')}`, `--policy=${policy}`);
      expect(accepted.status, accepted.stderr).to.equal(0);
      expect(readFileSync(at('out/signature-2'))).to.deep.equal(signature.bytes);
    });

    it('sigstore: skopeo takes ours for a signature and carries it unchanged', async () => {
      // Debian's skopeo has the making and checking of these signatures taken out.
      const ours = await signSigstore({
        manifest: image.manifest.bytes,
        reference: name,
        privateKey: COSIGN_KEY,
        passphrase: 'open sesame',
      });
      const { mediaType: mimeType, payload, annotations } = ours;
      const body = JSON.stringify({ mimeType, payload: payload.toString('base64'), annotations });
      const plain = copy(source, `dir:${at('sigstore')}`, '--insecure-policy');
      expect(plain.status, plain.stderr).to.equal(0);
      writeFileSync(join(at('sigstore'), 'signature-1'), `\0sigstore-json\n${body}`);
      const carried = copy(`dir:${at('sigstore')}`, `dir:${at('carried')}`, '--insecure-policy');
      expect(carried.status, carried.stderr).to.equal(0);
      const text = readFileSync(join(at('carried'), 'signature-1')).toString();
      expect(text.startsWith('\0sigstore-json\n')).to.equal(true);
      const back = JSON.parse(text.slice(text.indexOf('\n'))) as {
        mimeType: string;
        payload: string;
        annotations: Record<string, string>;
      };
      const signature: Signature = {
        kind: 'sigstore',
        mediaType: back.mimeType,
        payload: Buffer.from(back.payload, 'base64'),
        annotations: back.annotations,
      };
      expect(signature).to.deep.equal(ours);
      const keyData = Buffer.from(COSIGN_PUBLIC).toString('base64');
      const verify = policyVerifier(checkPolicy({ default: [{ type: 'sigstoreSigned', keyData }] }));
      await verify(subject(name, [signature]));
      const other = await rejection(verify(subject(`${registry.host}/x:1`, [signature])));
      expect(other.message).to.contain('is not accepted');
    });

    it('lists no attachments where none are configured', async () => {
      const lookaside = createLookaside({ registriesDir });
      expect(await lookaside.useSigstoreAttachments(parseReference(name))).to.equal(true);
      expect(await lookaside.useSigstoreAttachments(parseReference('other.test/x'))).to.equal(false);
      expect(await lookaside.read(parseReference(name), `sha256:${'0'.repeat(64)}` as Digest)).to.deep.equal(
        [],
      );
      expect(
        execFileSync('find', [at('lookaside'), '-name', 'signature-*', '-size', '0']).toString(),
      ).to.equal('');
    });
  });
});
