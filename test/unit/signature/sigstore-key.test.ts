import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { readPublicKey } from '../../../lib/signature/public-key.js';
import { generateSigstoreKey, readSigstoreKey } from '../../../lib/signature/sigstore-key.js';
import { signSigstore, verifySigstore } from '../../../lib/signature/sigstore.js';
import { thrown } from './failures.js';
import { failure } from '../../support/memory-source.js';

// Made by openssl, Python's scrypt (N of 65536) and libsodium's secretbox, with the passphrase `open sesame`.
const KNOWN = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZ
WEdCa2FHeHdkSGg4PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZWCJ9LCJj
aXBoZXJ0ZXh0IjoiMnpJemtxaW5DM0Uvc21PbGhmMjdoNlB4MXdyL0dGb2pDU1NG
QmpKRHpKRzBybWsrQitJU2FVcTUzNFBkaHRTSVNLaS9aeC90WmZVSEFZdlJlbkJG
UTVGU3FVV3d0MHFUYnFZaWZaWTJydUNBU0orSDJNTjNVWkZ6Nk5DZHZtdzJ5U3Na
am5lSVlWc08zODBOZ25JelZ1alh5N3luSkl6OGFETHM5eTdKUU4zTlFiMmJYYVl4
L2YrTG9lenN0VWxmMUxmMFg1cnpwa0FMMlE9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
`;
const PUBLIC = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEk3t4Q8Ld8E3aCxjo0VWBbzqeO7qS
szv/ON5TcdYcIo2MNkIXua3e2gzVNPkFE7Jdmw9ikHPwdSR2aBwsRVqXfA==
-----END PUBLIC KEY-----
`;

const body = (text: string): string => text.split('\n').slice(1, -2).join('');
const wrap = (document: object, type = 'ENCRYPTED SIGSTORE PRIVATE KEY'): string =>
  `-----BEGIN ${type}-----\n${Buffer.from(JSON.stringify(document)).toString('base64')}\n-----END ${type}-----\n`;
interface Envelope {
  kdf: { name: string; params: Record<string, number>; salt: string };
  cipher: { name: string; nonce: string };
  ciphertext: string;
}
const envelope = (): Envelope => JSON.parse(Buffer.from(body(KNOWN), 'base64').toString()) as Envelope;

describe('sigstore keys', () => {
  it('reads what another program encrypted, of both names', async () => {
    const key = await readSigstoreKey(KNOWN, 'open sesame');
    expect(createPublicKey(key).export({ type: 'spki', format: 'pem' })).to.equal(PUBLIC);
    const older = wrap(envelope(), 'ENCRYPTED COSIGN PRIVATE KEY');
    expect((await failure(readSigstoreKey(older, 'wrong'))).message).to.match(/passphrase is wrong/);
  });

  it('makes pairs that sign and verify, in the form that cosign writes', async () => {
    const pair = await generateSigstoreKey('pass');
    expect(pair.privateKey).to.match(
      /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n(.{64}\n)+.{1,64}\n-----END/,
    );
    const made = JSON.parse(Buffer.from(body(pair.privateKey), 'base64').toString()) as Envelope;
    expect(made.kdf.params).to.deep.equal({ N: 65_536, r: 8, p: 1 });
    expect([made.kdf.name, made.cipher.name]).to.deep.equal(['scrypt', 'nacl/secretbox']);
    expect(Buffer.from(made.kdf.salt, 'base64')).to.have.length(32);
    const manifest = Buffer.from('{}');
    const options = { manifest, reference: 'busybox:1', privateKey: pair.privateKey };
    const signature = await signSigstore({
      ...options,
      passphrase: 'pass',
      now: new Date(1_700_000_000_500),
    });
    const payload = JSON.parse(signature.payload.toString()) as Record<string, Record<string, unknown>>;
    expect(payload['critical']).to.deep.equal({
      identity: { 'docker-reference': 'docker.io/library/busybox:1' },
      image: {
        'docker-manifest-digest': 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
      },
      type: 'cosign container image signature',
    });
    expect(payload['optional']!['timestamp']).to.equal(1_700_000_000);
    const key = readPublicKey(pair.publicKey);
    const verified = verifySigstore([readPublicKey(PUBLIC), key], signature, {
      manifest,
      acceptsReference: () => true,
    });
    expect(verified.key).to.equal(key);
  });

  it('refuses keys in other forms, and what a key could be made to cost', async () => {
    const plain = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const edited = (edit: (document: Envelope) => void): string => {
      const document = envelope();
      edit(document);
      return wrap(document);
    };
    const cases: [string, RegExp][] = [
      [plain.export({ type: 'pkcs8', format: 'pem' }) as string, /"PRIVATE KEY" cannot be read/],
      [plain.export({ type: 'sec1', format: 'pem' }) as string, /"EC PRIVATE KEY" cannot be read/],
      ['nothing', /not a PEM block/],
      [KNOWN.replace('-----END ENCRYPTED SIGSTORE', '-----END ENCRYPTED COSIGN'), /not a PEM block/],
      [wrap({}), /has no kdf/],
      [edited((document) => Object.assign(document, { more: 1 })), /unknown member "more"/],
      [edited((document) => (document.kdf.name = 'argon2')), /unknown kdf name "argon2"/],
      [edited((document) => (document.cipher.name = 'none')), /unknown cipher name "none"/],
      [edited((document) => (document.kdf.params['N'] = 2 ** 30)), /unexpected kdf parameters/],
      [edited((document) => (document.kdf.params['N'] = 2)), /unexpected kdf parameters/],
      [edited((document) => (document.kdf.params['r'] = 1024)), /unexpected kdf parameters/],
      [edited((document) => (document.cipher.nonce = 'AAAA')), /incorrect nonce size/],
    ];
    for (const [key, words] of cases) {
      const error = await failure(readSigstoreKey(key, 'open sesame'));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.match(words);
    }
    expect(thrown(() => readPublicKey(`${PUBLIC}${PUBLIC}`)).message).to.match(/not one public key/);
    expect(thrown(() => readPublicKey(PUBLIC.replace('MFkw', 'AAAA'))).message).to.match(/cannot be read/);
  });
});
