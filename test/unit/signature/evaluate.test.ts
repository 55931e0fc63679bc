import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { parseReference } from '../../../lib/oci/reference.js';
import type { Signature } from '../../../lib/oci/types.js';
import { evaluatePolicy, type PolicySubject } from '../../../lib/signature/evaluate.js';
import { makePayload } from '../../../lib/signature/payload.js';
import { checkPolicy } from '../../../lib/signature/policy.js';
import { referenceScopes } from '../../../lib/signature/scopes.js';
import {
  SIGSTORE_MEDIA_TYPE,
  SIGSTORE_SIGNATURE,
  type SigstoreSignature,
} from '../../../lib/signature/sigstore.js';
import { failure } from '../../support/memory-source.js';

const manifest = Buffer.from('{"schemaVersion":2}');
const REFERENCE = 'r.test/app:1';

interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}
const p256: Pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other: Pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const pem = ({ publicKey }: Pair): string =>
  Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64');

function attach(payload: Buffer, { privateKey }: Pair = p256): SigstoreSignature {
  const algorithm = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const bytes = sign(algorithm, payload, privateKey);
  return {
    kind: 'sigstore',
    mediaType: SIGSTORE_MEDIA_TYPE,
    payload,
    annotations: { [SIGSTORE_SIGNATURE]: bytes.toString('base64') },
  };
}

const good = (pair?: Pair): SigstoreSignature => attach(makePayload('sigstore', manifest, REFERENCE), pair);
/** A signed payload whose text was changed before it was signed. */
const edited = (edit: (text: string) => string): SigstoreSignature =>
  attach(Buffer.from(edit(makePayload('sigstore', manifest, REFERENCE).toString())));

function subject(signatures: PolicySubject['signatures']): PolicySubject {
  const reference = parseReference(REFERENCE);
  return {
    transport: 'docker',
    scopes: referenceScopes(reference),
    name: `docker://${REFERENCE}`,
    reference,
    manifest,
    digest: digestOf(manifest),
    signatures,
  };
}

const policy = (...requirements: object[]) => checkPolicy({ default: requirements });
const demand = (more: object = {}) => policy({ type: 'sigstoreSigned', keyData: pem(p256), ...more });
const reason = async (signatures: readonly Signature[], asked = demand()): Promise<string> => {
  const error = await failure(evaluatePolicy(asked, subject(signatures)));
  expect(error.code).to.equal('ERR_POLICY_REJECTED');
  return error.message;
};

describe('evaluation of a policy', () => {
  it('accepts, and rejects in the words of podman', async () => {
    await evaluatePolicy(policy({ type: 'insecureAcceptAnything' }), subject([]));
    expect(await reason([], policy({ type: 'reject' }))).to.equal(
      `Running image docker://${REFERENCE} is rejected by policy.`,
    );
    expect(await reason([])).to.equal('A signature was required, but no signature exists');
    await evaluatePolicy(demand(), subject([good()]));
  });

  it('wants all requirements, and one signature for each', async () => {
    const second = { type: 'sigstoreSigned', keyData: pem(other) };
    const both = policy({ type: 'sigstoreSigned', keyData: pem(p256) }, second);
    await evaluatePolicy(both, subject([good(), good(other)]));
    expect(await reason([good()], both)).to.contain('verification failed');
    await evaluatePolicy(demand(), subject([good(other), good()]));
    const any = policy({ type: 'sigstoreSigned', keyDatas: [pem(other), pem(p256)] });
    await evaluatePolicy(any, subject([good()]));
    expect(
      await reason([good()], policy({ type: 'sigstoreSigned', keyData: pem(p256) }, { type: 'reject' })),
    ).to.match(/rejected by policy/);
  });

  it('fetches signatures once, and only when one is asked for', async () => {
    let fetched = 0;
    const fetch = async () => {
      fetched++;
      return [good()];
    };
    await evaluatePolicy(policy({ type: 'insecureAcceptAnything' }), subject(fetch));
    expect(fetched).to.equal(0);
    const key = { type: 'sigstoreSigned', keyData: pem(p256) };
    await evaluatePolicy(policy(key, key), subject(fetch));
    expect(fetched).to.equal(1);
  });

  it('takes ECDSA, RSA and Ed25519 keys, and no others', async () => {
    const pairs = [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ed25519'),
    ];
    for (const pair of pairs) {
      await evaluatePolicy(policy({ type: 'sigstoreSigned', keyData: pem(pair) }), subject([good(pair)]));
      expect(await reason([good()], policy({ type: 'sigstoreSigned', keyData: pem(pair) }))).to.contain(
        'failed',
      );
    }
    const bad = [
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
      generateKeyPairSync('x25519'),
    ];
    for (const pair of bad) {
      expect(await reason([good()], policy({ type: 'sigstoreSigned', keyData: pem(pair) }))).to.contain(
        'Parsing public key',
      );
    }
    // A private key holds a public one, and has no place in a policy.
    const secret = Buffer.from(p256.privateKey.export({ type: 'pkcs8', format: 'pem' })).toString('base64');
    expect(await reason([good()], demand({ keyData: secret }))).to.contain('is not one public key in PEM');
    expect(createPrivateKey(Buffer.from(secret, 'base64')).type).to.equal('private');
  });

  it('reads keys from files, and rejects when there are none', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vaina-keys-'));
    try {
      const path = join(directory, 'key.pub');
      writeFileSync(path, Buffer.from(pem(p256), 'base64'));
      await evaluatePolicy(policy({ type: 'sigstoreSigned', keyPath: path }), subject([good()]));
      await evaluatePolicy(policy({ type: 'sigstoreSigned', keyPaths: [path, path] }), subject([good()]));
      const missing = policy({ type: 'sigstoreSigned', keyPath: join(directory, 'none') });
      expect(await reason([good()], missing)).to.match(/none does not exist/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses another digest, another identity, another key', async () => {
    const elsewhere = attach(makePayload('sigstore', Buffer.from('{}'), REFERENCE));
    expect(await reason([elsewhere])).to.match(/^Signature for digest sha256:[0-9a-f]{64} does not match$/);
    const renamed = attach(makePayload('sigstore', manifest, 'r.test/app:2'));
    expect(await reason([renamed])).to.equal('Signature for identity r.test/app:2 is not accepted');
    await evaluatePolicy(demand({ signedIdentity: { type: 'matchRepository' } }), subject([renamed]));
    expect(await reason([good(other)])).to.contain('cryptographic signature verification failed');
    expect(await reason([good(other), elsewhere])).to.match(
      /^None of the signatures were accepted, reasons: .*failed; Signature for digest/,
    );
    expect(await reason([{ kind: 'simple', bytes: Buffer.from('x') }])).to.contain(
      '1 non-sigstore signatures, 0 sigstore',
    );
  });

  it('refuses payloads that two readers could read differently', async () => {
    const digest = digestOf(manifest);
    const hostile: [string, (text: string) => string, RegExp][] = [
      ['twice', (text) => text.replace('"critical":{', '"critical":{},"critical":{'), /twice/],
      ['twice inside', (text) => text.replace('"type":', '"type":"x","type":'), /twice/],
      ['unknown', (text) => text.replace('"type":', '"more":1,"type":'), /unknown member "more"/],
      ['unknown at the top', (text) => text.replace('"optional":', '"more":1,"optional":'), /unknown member/],
      [
        'another type',
        (text) => text.replace('cosign container image', 'atomic container'),
        /nrecognized signature type/,
      ],
      ['no optional', (text) => text.replace(/,"optional":.*\}\}/, '}'), /has no optional/],
      ['a list', (text) => `[${text}]`, /must be an object/],
      ['no digest', (text) => text.replace(digest, 'latest'), /is not a sha256 or sha512 digest/],
      ['a number', (text) => text.replace(`"${REFERENCE}"`, '1'), /must be a string/],
      ['half a second', (text) => text.replace(/"timestamp":\d+/, '"timestamp":0.5'), /not an integer/],
      ['no JSON', (text) => text.slice(1), /not valid JSON/],
      ['text after it', (text) => `${text}{}`, /not valid JSON/],
      [
        'deep nesting',
        (text) => text.replace(/"creator":"[^"]*"/, `"x":${'['.repeat(99)}${']'.repeat(99)}`),
        /too deeply/,
      ],
    ];
    for (const [what, edit, message] of hostile) expect(await reason([edited(edit)]), what).to.match(message);
    await evaluatePolicy(
      demand(),
      subject([edited((text) => text.replace(/"optional":.*\}\}/, '"optional":null}'))]),
    );
    await evaluatePolicy(demand(), subject([edited((text) => text.replace('"creator"', '"anything"'))]));
  });

  it('refuses signatures that are none', async () => {
    const signature = good();
    const replaced = (annotations: Record<string, string>): Signature => ({ ...signature, annotations });
    expect(await reason([replaced({})])).to.match(/Missing dev.cosign|missing dev.cosign/);
    for (const text of ['', '!', 'AAAA', ` ${signature.annotations[SIGSTORE_SIGNATURE]}`]) {
      expect(await reason([replaced({ [SIGSTORE_SIGNATURE]: text })])).to.match(
        /not base64|verification failed/,
      );
    }
    const touched = Buffer.from(signature.payload);
    touched[touched.length - 3]! ^= 1;
    expect(await reason([{ ...signature, payload: touched }])).to.contain('verification failed');
    const attestation = { ...signature, mediaType: 'application/vnd.dsse.envelope.v1+json' };
    expect(await reason([attestation])).to.contain(
      '0 non-sigstore signatures, 1 sigstore non-signature attachments',
    );
  });

  it('has limits on how many and how large', async () => {
    expect(await reason(Array<Signature>(33).fill(good()))).to.equal('There are 33 signatures, more than 32');
    await evaluatePolicy(demand(), subject([...Array<Signature>(31).fill(good(other)), good()]));
    expect(await reason([{ kind: 'simple', bytes: Buffer.alloc(10 << 20) }, good()])).to.match(
      /^A signature has 10485760 bytes/,
    );
    expect(await reason([attach(Buffer.alloc(2 << 20, 0x20))])).to.match(/payload is larger/);
  });

  it('never says yes to what it cannot evaluate', async () => {
    const rekor = { rekorPublicKeyData: pem(p256) };
    const requirements = [
      { type: 'sigstoreSigned', fulcio: { caData: 'AAAA', oidcIssuer: 'i', subjectEmail: 'e' }, ...rekor },
      { type: 'sigstoreSigned', pki: { caRootsData: 'AAAA' } },
      { type: 'sigstoreSigned', keyData: pem(p256), ...rekor },
      { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
      { type: 'signedBy', keyType: 'X509Certificates', keyPath: '/k' },
    ];
    for (const requirement of requirements) {
      for (const signatures of [[], [good()]]) {
        const error = await failure(evaluatePolicy(policy(requirement), subject(signatures)));
        expect(error.code).to.equal('ERR_UNSUPPORTED');
        expect(error.message).to.match(/^the policy requires .*, which cannot be evaluated$/);
      }
    }
  });

  it('holds the bytes of the manifest against the digest it is asked about', async () => {
    const wrong = { ...subject([good()]), digest: digestOf(Buffer.from('x')) };
    expect((await failure(evaluatePolicy(demand(), wrong))).code).to.equal('ERR_DIGEST_MISMATCH');
  });
});
