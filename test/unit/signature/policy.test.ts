import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseReference } from '../../../lib/oci/reference.js';
import { checkPolicy, parsePolicy, requirementsFor, type Policy } from '../../../lib/signature/policy.js';
import { readPolicy, SYSTEM_POLICY } from '../../../lib/signature/policy-file.js';
import { pathScopes, referenceScopes, storageScopes } from '../../../lib/signature/scopes.js';
import { thrown } from './failures.js';
import { failure } from '../../support/memory-source.js';

const ACCEPT = { type: 'insecureAcceptAnything' };
const REJECT = { type: 'reject' };
const GPG = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' };
const KEY = { type: 'sigstoreSigned', keyData: 'a2V5' };

/** The scopes of the transport `docker` that a policy has. */
const docker = (scopes: object): object => ({ default: [REJECT], transports: { docker: scopes } });
const one = (requirement: object): object => ({ default: [requirement] });

describe('policy', () => {
  it('takes each kind of requirement and identity', () => {
    const identities = [
      { type: 'matchExact' },
      { type: 'matchRepoDigestOrExact' },
      { type: 'matchRepository' },
      { type: 'exactReference', dockerReference: 'busybox:1' },
      { type: 'exactRepository', dockerRepository: 'example.com/a/b' },
      { type: 'remapIdentity', prefix: 'mirror:5000/a', signedPrefix: 'vendor.example.com' },
      { type: 'remapIdentity', prefix: 'docker.io/library', signedPrefix: 'a.b' },
    ];
    const rekor = { rekorPublicKeyPath: '/r' };
    const all = [
      ACCEPT,
      REJECT,
      GPG,
      { type: 'signedBy', keyType: 'X509Certificates', keyPaths: ['/a', '/b'] },
      { type: 'signedBy', keyType: 'GPGKeys', keyData: 'AAAA' },
      ...identities.map((signedIdentity) => ({ ...GPG, signedIdentity })),
      KEY,
      { type: 'sigstoreSigned', keyPaths: ['/a'] },
      { type: 'sigstoreSigned', keyDatas: ['AA=='], signedIdentity: { type: 'matchRepository' } },
      { type: 'sigstoreSigned', keyPath: '/a', ...rekor },
      {
        type: 'sigstoreSigned',
        fulcio: { caPath: '/c', oidcIssuer: 'https://i', subjectEmail: 'a@b' },
        ...rekor,
      },
      { type: 'sigstoreSigned', pki: { caRootsData: 'AAAA', subjectEmail: 'a@b' } },
      { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
    ];
    const text = JSON.stringify({
      default: all,
      transports: { docker: { '': all }, made_up: { 'any thing': [REJECT] } },
    });
    expect(parsePolicy(text)).to.deep.equal(JSON.parse(text));
  });

  const wrong: readonly [string, unknown, RegExp][] = [
    ['no object', [], /policy must be an object/],
    ['no default', {}, /policy has no default/],
    ['an empty default', { default: [] }, /policy.default must be a list that is not empty/],
    ['an unknown member', { ...one(REJECT), defaults: [] }, /unknown member "defaults"/],
    ['transports that are null', { ...one(REJECT), transports: null }, /transports must be an object/],
    ['an empty scope list', docker({ 'docker.io': [] }), /\["docker"\]\["docker.io"\] must be a list/],
    ['an unknown type', one({ type: 'accept' }), /unknown policy requirement type "accept"/],
    ['no type', one({}), /policy.default\[0\] has no type/],
    ['a member too many', one({ ...ACCEPT, keyPath: '/k' }), /unknown member "keyPath"/],
    ['a member in other case', one({ ...GPG, keypath: '/k' }), /unknown member "keypath"/],
    ['no key', one({ type: 'signedBy', keyType: 'GPGKeys' }), /exactly one of keyPath, keyPaths, keyData/],
    ['two keys', one({ ...GPG, keyData: 'AAAA' }), /keyPath and keyData are present/],
    ['no key type', one({ type: 'signedBy', keyPath: '/k' }), /has no keyType/],
    ['another key type', one({ ...GPG, keyType: 'PGP' }), /unrecognized keyType value "PGP"/],
    ['an empty path', one({ ...GPG, keyPath: '' }), /keyPath must be a string that is not empty/],
    ['no paths', one({ type: 'signedBy', keyType: 'GPGKeys', keyPaths: [] }), /keyPaths must be a list/],
    ['data that is not base64', one({ ...KEY, keyData: 'a' }), /keyData is not base64/],
    ['null for a key', one({ ...KEY, keyData: null }), /keyData must be a string/],
    ['a null identity', one({ ...GPG, signedIdentity: null }), /signedIdentity must be an object/],
    [
      'an unknown identity',
      one({ ...GPG, signedIdentity: { type: 'x' } }),
      /unknown policy reference match type "x"/,
    ],
    ['an inherited identity', one({ ...GPG, signedIdentity: { type: 'toString' } }), /match type "toString"/],
    [
      'a reference without tag',
      one({ ...GPG, signedIdentity: { type: 'exactReference', dockerReference: 'busybox' } }),
      /contains neither a tag nor digest/,
    ],
    [
      'a repository that is none',
      one({ ...GPG, signedIdentity: { type: 'exactRepository', dockerRepository: 'A//b' } }),
      /is not an image reference/,
    ],
    [
      'a prefix with a tag',
      one({ ...GPG, signedIdentity: { type: 'remapIdentity', prefix: 'a.b/c:1', signedPrefix: 'a.b' } }),
      /prefix "a.b\/c:1" is not valid/,
    ],
    [
      'half of a remapping',
      one({ ...GPG, signedIdentity: { type: 'remapIdentity', prefix: 'a.b' } }),
      /has no signedPrefix/,
    ],
    [
      'two logs',
      one({ ...KEY, rekorPublicKeyPath: '/a', rekorPublicKeyData: 'AAAA' }),
      /at most one of rekor/,
    ],
    [
      'fulcio without a log',
      one({ type: 'sigstoreSigned', fulcio: { caPath: '/c', oidcIssuer: 'i', subjectEmail: 'e' } }),
      /fulcio needs one of/,
    ],
    [
      'fulcio without an issuer',
      one({ type: 'sigstoreSigned', fulcio: { caPath: '/c', subjectEmail: 'e' }, rekorPublicKeyPath: '/r' }),
      /has no oidcIssuer/,
    ],
    ['a wildcard inside', docker({ 'example*.*.com': [REJECT] }), /a wildcard is only "\*\." and a domain/],
    ['a wildcard with a port', docker({ '*.example.com:80': [REJECT] }), /a wildcard is only/],
    [
      'a relative path',
      { ...one(REJECT), transports: { dir: { 'a/b': [REJECT] } } },
      /must be an absolute path/,
    ],
    ['the root', { ...one(REJECT), transports: { oci: { '/': [REJECT] } } }, /"\/" is forbidden/],
    ['a path with dots', { ...one(REJECT), transports: { dir: { '/a/../b': [REJECT] } } }, /shortest form/],
    [
      'a scope where there are none',
      { ...one(REJECT), transports: { 'docker-archive': { '/a': [REJECT] } } },
      /does not support any scopes/,
    ],
    [
      'a store that is none',
      { ...one(REJECT), transports: { 'containers-storage': { a: [REJECT] } } },
      /does not start with a store/,
    ],
  ];
  for (const [what, document, message] of wrong) {
    it(`refuses ${what}`, () => {
      const error = thrown(() => parsePolicy(JSON.stringify(document)));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.match(message);
      expect(thrown(() => checkPolicy(document)).message).to.equal(error.message);
    });
  }

  it('refuses members that are there twice, at every depth, and text that is no JSON', () => {
    for (const text of [
      '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
      '{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}',
      '{"default":[{"type":"reject"}],"transports":{"docker":{"a.b":[{"type":"reject"}],"a.b":[{"type":"reject"}]}}}',
    ]) {
      expect(thrown(() => parsePolicy(text)).message).to.match(/twice/);
    }
    expect(thrown(() => parsePolicy('{"default":[{"type":"reject"}],}')).message).to.match(/not valid JSON/);
    expect(thrown(() => parsePolicy('{"default":[{"type":"reject"}]} {}')).message).to.match(
      /not valid JSON/,
    );
  });

  it('keeps a checked policy as it was checked', () => {
    const mine = { default: [{ type: 'reject' }] };
    const policy = checkPolicy(mine);
    mine.default[0]!.type = 'insecureAcceptAnything';
    expect(policy.default[0]!.type).to.equal('reject');
    expect(() => ((policy.default[0] as { type: string }).type = 'x')).to.throw(TypeError);
    expect(checkPolicy(policy)).to.equal(policy);
  });
});

describe('scopes of a policy', () => {
  it('of a name in a registry, from its tag to the domains above its host', () => {
    expect(referenceScopes(parseReference('a.example.com:5000/ns/sub/app:1'))).to.deep.equal([
      'a.example.com:5000/ns/sub/app:1',
      'a.example.com:5000/ns/sub/app',
      'a.example.com:5000/ns/sub',
      'a.example.com:5000/ns',
      'a.example.com:5000',
      '*.example.com',
      '*.com',
    ]);
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(referenceScopes(parseReference(`busybox:1@${digest}`)).slice(0, 3)).to.deep.equal([
      `docker.io/library/busybox@${digest}`,
      'docker.io/library/busybox',
      'docker.io/library',
    ]);
    expect(referenceScopes(parseReference('busybox'))[0]).to.equal('docker.io/library/busybox:latest');
    expect(referenceScopes(parseReference('[::1]:5000/x')).slice(-1)).to.deep.equal(['[::1]:5000']);
  });

  it('of paths and of podman’s store', () => {
    expect(pathScopes('/var/lib/x', 'app:1')).to.deep.equal([
      '/var/lib/x:app:1',
      '/var/lib/x',
      '/var/lib',
      '/var',
    ]);
    expect(pathScopes('/')).to.deep.equal([]);
    expect(storageScopes('overlay', '/s', parseReference('a.b/c:1'))).to.deep.equal([
      '[overlay@/s]a.b/c:1',
      '[overlay@/s]a.b/c',
      '[overlay@/s]a.b',
      '[overlay@/s]',
      '[/s]',
    ]);
  });

  it('the most specific wins, then the default of the transport, then the default', () => {
    const level = (keyPath: string) => [{ ...GPG, keyPath }];
    const scopes: Record<string, object[]> = {
      'a.example.com/ns/app:1': level('/tag'),
      'a.example.com/ns/app': level('/repository'),
      'a.example.com/ns': level('/namespace'),
      'a.example.com': level('/host'),
      '*.example.com': level('/near'),
      '*.com': level('/far'),
      '': level('/transport'),
    };
    const names = referenceScopes(parseReference('a.example.com/ns/app:1'));
    const path = (policy: Policy, transport = 'docker', list = names): unknown =>
      (requirementsFor(policy, transport, list)[0] as { keyPath?: string }).keyPath;
    for (const scope of Object.keys(scopes)) {
      const policy = checkPolicy({ default: level('/default'), transports: { docker: scopes } });
      expect(path(policy)).to.equal((scopes[scope]![0] as typeof GPG).keyPath);
      expect(path(policy, 'atomic')).to.equal('/default');
      expect(path(policy, 'docker', referenceScopes(parseReference('b.org/x:1')))).to.equal('/transport');
      delete scopes[scope];
    }
    expect(path(checkPolicy({ default: level('/default'), transports: { docker: scopes } }))).to.equal(
      '/default',
    );
  });

  it('a name is not taken for one that starts like it, nor for a member of Object', () => {
    const policy = checkPolicy(docker({ 'a.b/app': [ACCEPT] }));
    expect(
      requirementsFor(policy, 'docker', referenceScopes(parseReference('a.b/apple:1')))[0],
    ).to.deep.equal(REJECT);
    expect(requirementsFor(policy, 'constructor', ['toString'])[0]).to.deep.equal(REJECT);
    expect(requirementsFor(policy, 'docker', ['toString', 'constructor'])[0]).to.deep.equal(REJECT);
  });
});

describe('the file of a policy', () => {
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'vaina-policy-'))));
  after(() => rmSync(home, { recursive: true }));

  it('is the one that was asked for, or the user’s, or the system’s', async () => {
    const asked = join(home, 'asked.json');
    writeFileSync(asked, JSON.stringify(one(REJECT)));
    const system = await readPolicy({ env: { HOME: home } });
    expect([undefined, SYSTEM_POLICY]).to.include(system.path);
    mkdirSync(join(home, '.config/containers'), { recursive: true });
    const users = join(home, '.config/containers/policy.json');
    writeFileSync(users, JSON.stringify(one(GPG)));
    expect(await readPolicy({ env: { HOME: home } })).to.deep.equal({ path: users, policy: one(GPG) });
    expect(await readPolicy({ path: asked, env: { HOME: home } })).to.deep.equal({
      path: asked,
      policy: one(REJECT),
    });
    writeFileSync(users, '{}');
    const broken = await failure(readPolicy({ env: { HOME: home } }));
    expect(broken.code).to.equal('ERR_INVALID_OPTION');
    expect(broken.message).to.contain(users);
    expect((await failure(readPolicy({ path: join(home, 'none') }))).code).to.equal('ERR_NO_SUCH_PATH');
    expect((await failure(readPolicy({ path: home }))).code).to.equal('ERR_IO');
  });
});
