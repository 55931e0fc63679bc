import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../lib/oci/digest.js';
import { parseReference } from '../../lib/oci/reference.js';
import type { Digest, Signature } from '../../lib/oci/types.js';
import { policyVerifier, signer } from '../../lib/signature/hooks.js';
import { createLookaside } from '../../lib/signature/lookaside.js';
import { checkPolicy } from '../../lib/signature/policy.js';
import { signSigstore } from '../../lib/signature/sigstore.js';
import { signSimple } from '../../lib/signature/simple.js';
import { useSigners, type GpgHome } from '../support/gpg.js';
import { blobsOf, layoutEntries, makeBusyboxImage, writeTree, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { failure } from '../support/memory-source.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';

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

describe('signatures beside a registry', function () {
  this.timeout(60_000);
  requires('gpg', 'skopeo', 'docker-registry');
  checkLeftovers();
  let registry: RunningRegistry;
  // Before the signers', who look for what was left in the directory for temporary files.
  after(() => registry?.stop());
  const signers = useSigners();
  const { put, at, skopeo } = signers;
  let home: GpgHome;
  let alice: string;
  let bob: string;
  let image: TestImage;
  let source: string;
  let registriesDir: string;
  let name: string;
  before(async () => {
    ({ home, alice, bob } = signers);
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
    const renamed = await failure(verify(subject(`${registry.host}/signed:2`, signatures)));
    expect(renamed.code).to.equal('ERR_POLICY_REJECTED');
    expect(renamed.message).to.equal(`Source image rejected: Signature for identity ${name} is not accepted`);
    await verify(subject(`${registry.host}/signed@${digest}`, signatures));
    const none = await failure(verify(subject(name, [])));
    expect(none.message).to.equal('Source image rejected: A signature was required, but no signature exists');
    const elsewhere = await failure(verify(subject('other.test/x:1', signatures)));
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
    const sign = signer({ simple: { keyFingerprint: alice, gnupgHome: home.directory } }, reference);
    const [signature] = await sign({ bytes: image.manifest.bytes });
    if (signature?.kind !== 'simple') throw new Error('no signature');
    const byBob = await signSimple({
      manifest: image.manifest.bytes,
      reference: unsigned,
      keyFingerprint: bob,
      gnupgHome: home.directory,
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
    const other = await failure(verify(subject(`${registry.host}/x:1`, [signature])));
    expect(other.message).to.contain('is not accepted');
  });

  it('lists no attachments where none are configured', async () => {
    const lookaside = createLookaside({ registriesDir });
    expect(await lookaside.useSigstoreAttachments(parseReference(name))).to.equal(true);
    expect(await lookaside.useSigstoreAttachments(parseReference('other.test/x'))).to.equal(false);
    expect(await lookaside.read(parseReference(name), `sha256:${'0'.repeat(64)}` as Digest)).to.deep.equal(
      [],
    );
    expect(execFileSync('find', [at('lookaside'), '-name', 'signature-*', '-size', '0']).toString()).to.equal(
      '',
    );
  });
});
