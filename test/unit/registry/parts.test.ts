import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import { parseChallenges } from '../../../lib/registry/challenge.js';
import { findCredentials } from '../../../lib/registry/credentials.js';
import { settingsOf } from '../../../lib/registry/options.js';
import { proxyFor } from '../../../lib/registry/proxy.js';
import { loadCertificates } from '../../../lib/registry/tls.js';
import { failure } from '../../support/memory-source.js';

describe('registry challenge', () => {
  const read = (header: string): [string, Record<string, string>][] =>
    parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);

  it('reads what registries send', () => {
    expect(
      read('Bearer realm="https://auth.example/token",service="a b",scope="repository:x:pull,push"'),
    ).to.deep.equal([
      ['bearer', { realm: 'https://auth.example/token', service: 'a b', scope: 'repository:x:pull,push' }],
    ]);
    expect(read('Basic realm="x, y=\\"z\\""')).to.deep.equal([['basic', { realm: 'x, y="z"' }]]);
    expect(read('Negotiate abc==, BASIC Realm=x , Bearer  a = b,c="",')).to.deep.equal([
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
      ['bearer', { a: 'b', c: '' }],
    ]);
    expect(read('Bearer realm="a",realm="b"')).to.deep.equal([['bearer', { realm: 'a' }]]);
    expect(read('Bearer realm="open')).to.deep.equal([['bearer', {}]]);
    expect(read('')).to.deep.equal([]);
    expect(read('=,"')).to.deep.equal([]);
  });

  it('ends for any header, in linear time', () => {
    fc.assert(fc.property(fc.string(), (header) => void parseChallenges(header)));
    const begun = performance.now();
    for (const part of ['a', 'a=', 'a ', '"\\', 'a="', ',', 'A b,'])
      parseChallenges(part.repeat(16_384 / part.length));
    expect(performance.now() - begun).to.be.below(200);
  });
});

describe('registry proxy', () => {
  const proxy = (url: string, env: NodeJS.ProcessEnv): string | undefined => {
    const found = proxyFor(new URL(url), env);
    return (
      found &&
      `${found.protocol}://${found.auth ? `${found.auth.username}:${found.auth.password}@` : ''}${found.host}:${found.port}`
    );
  };

  it('follows the environment', () => {
    const env = { https_proxy: 'http://user:p%40ss@proxy:3128', HTTP_PROXY: 'plain.example' };
    expect(proxy('https://a.example/', env)).to.equal('http://user:p@ss@proxy:3128');
    expect(proxy('http://a.example/', env)).to.equal('http://plain.example:80');
    expect(proxy('https://a.example/', {})).to.equal(undefined);
    expect(proxy('https://a.example/', { https_proxy: '', HTTPS_PROXY: 'https://[::2]' })).to.equal(
      'https://::2:443',
    );
    for (const url of [
      'https://localhost:5000/',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://x.localhost/',
    ]) {
      expect(proxy(url, env)).to.equal(undefined);
    }
    expect(() => proxy('https://a.example/', { https_proxy: 'socks5://secret@x' }))
      .to.throw(VainaError)
      .with.property('message')
      .that.not.includes('secret');
  });

  it('leaves out what no_proxy names', () => {
    const cases: [string, string, boolean][] = [
      ['*', 'https://a.example/', true],
      ['a.example', 'https://a.example/', true],
      ['a.example', 'https://b.a.example/', true],
      ['a.example', 'https://xa.example/', false],
      ['.a.example', 'https://a.example/', false],
      ['.a.example', 'https://b.a.example/', true],
      ['*.a.example', 'https://b.a.example/', true],
      ['a.example:5000', 'https://a.example:5000/', true],
      ['a.example:5000', 'https://a.example/', false],
      ['a.example:443', 'https://a.example/', true],
      ['10.0.0.0/8', 'https://10.1.2.3/', true],
      ['10.0.0.0/8', 'https://11.1.2.3/', false],
      ['10.0.0.0/99', 'https://10.1.2.3/', false],
      ['2001:db8::/32', 'https://[2001:db8::1]/', true],
      ['10.1.2.3', 'https://10.1.2.3/', true],
      ['x, a.example', 'https://A.EXAMPLE/', true],
      ['', 'https://a.example/', false],
    ];
    for (const [noProxy, url, direct] of cases) {
      expect(
        proxy(url, { https_proxy: 'http://p:1', no_proxy: noProxy }) === undefined,
        `${noProxy} ${url}`,
      ).to.equal(direct);
    }
  });
});

describe('registry credentials', () => {
  let home: string;
  const encode = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') });
  const find = (domain: string, path: string, more: object = {}, env: NodeJS.ProcessEnv = {}) =>
    findCredentials(domain, path, {
      env: { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), PATH: `${home}:/bin`, ...env },
      ...more,
    });

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'vaina-credentials-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  function write(path: string, value: unknown): string {
    const at = join(home, path);
    mkdirSync(join(at, '..'), { recursive: true });
    writeFileSync(at, typeof value === 'string' ? value : JSON.stringify(value));
    return at;
  }

  function helper(name: string, script: string): void {
    chmodSync(write(`docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755);
  }

  it('takes the most specific key', async () => {
    write('run/containers/auth.json', {
      auths: {
        'quay.io': encode('host:1'),
        'quay.io/org': encode('org:2'),
        'quay.io/org/app': encode('app:3:colon'),
        'quay.io/organ': encode('x:y'),
      },
    });
    const password = (username: string, text: string): object => ({
      kind: 'password',
      username,
      password: text,
    });
    expect(await find('quay.io', 'org/app')).to.deep.equal(password('app', '3:colon'));
    expect(await find('quay.io', 'org/other')).to.deep.equal(password('org', '2'));
    expect(await find('quay.io', 'else')).to.deep.equal(password('host', '1'));
    expect(await find('quay.io:443', 'org/app')).to.equal(undefined);
    expect(await find('quay.io', 'org/app', { credentials: { username: 'a', password: 'b' } })).to.deep.equal(
      password('a', 'b'),
    );
  });

  it('asks the files in their order, and only the one that is named', async () => {
    write('.docker/config.json', {
      auths: { 'https://index.docker.io/v1/': encode('docker:1'), 'http://h.example/v2/': encode('h:1\0\0') },
    });
    expect(await find('docker.io', 'library/x')).to.include({ username: 'docker' });
    expect(await find('h.example', 'x')).to.include({ username: 'h', password: '1' });
    write('.config/containers/auth.json', { auths: { 'docker.io': encode('config:1') } });
    expect(await find('docker.io', 'library/x')).to.include({ username: 'config' });
    write('run/containers/auth.json', {
      auths: { 'docker.io': { ...encode('x:y'), identitytoken: 'token' } },
    });
    expect(await find('docker.io', 'library/x')).to.deep.equal({ kind: 'identity', token: 'token' });
    const named = write('named.json', { auths: { 'docker.io': encode('named:1') } });
    expect(await find('docker.io', 'library/x', { authFile: named })).to.include({ username: 'named' });
    expect(await find('docker.io', 'library/x', {}, { REGISTRY_AUTH_FILE: named })).to.include({
      username: 'named',
    });
    expect(await find('quay.io', 'x', { authFile: named })).to.equal(undefined);
    write('.dockercfg', { 'old.example': encode('old:1') });
    expect(await find('old.example', 'x')).to.include({ username: 'old' });
  });

  it('asks credential helpers, with the server on stdin', async () => {
    helper(
      'good',
      'read server || true; printf \'{"ServerURL":"%s","Username":"from-%s","Secret":"s"}\' "$server" "$server"',
    );
    helper('token', 'cat >/dev/null; echo \'{"Username":"<token>","Secret":"t"}\'');
    helper('none', 'echo "credentials not found in native keychain"; exit 1');
    helper('broken', 'echo "it is locked"; exit 2');
    helper('garbage', 'echo nonsense');
    write('.docker/config.json', {
      credsStore: 'good',
      credHelpers: {
        'a.example': 'token',
        'b.example': 'none',
        'c.example': 'broken',
        'd.example': 'garbage',
        'e.example': 'missing',
        'f.example': '../good',
      },
      auths: { 'b.example': encode('fallback:1') },
    });
    expect(await find('x.example', 'y')).to.include({ username: 'from-x.example' });
    expect(await find('docker.io', 'y')).to.include({ username: 'from-https://index.docker.io/v1/' });
    expect(await find('a.example', 'y')).to.deep.equal({ kind: 'identity', token: 't' });
    expect(await find('b.example', 'y')).to.include({ username: 'fallback' });
    for (const host of ['c.example', 'd.example', 'e.example'])
      expect((await failure(find(host, 'y'))).code).to.equal('ERR_UNAUTHORIZED');
    expect((await failure(find('f.example', 'y'))).code).to.equal('ERR_INVALID_OPTION');
  });

  it('refuses malformed and missing files, and shows no secret', async () => {
    expect((await failure(find('a', 'b', { authFile: join(home, 'nosuch') }))).code).to.equal(
      'ERR_NO_SUCH_PATH',
    );
    for (const text of [
      '{',
      '[]',
      '{"auths":[]}',
      '{"auths":{"a.example":"hunter2"}}',
      '{"auths":{"a.example":{"auth":"aHVudGVyMg=="}}}',
    ]) {
      const error = await failure(find('a.example', 'b', { authFile: write('bad.json', text) }));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.include('bad.json').and.not.include('hunter2').and.not.include('aHVudGVyMg');
    }
    write('run/containers/auth.json', '{"auths":{"__proto__":{"auth":"x"}}}');
    expect(await find('toString', 'constructor')).to.equal(undefined);
  });
});

describe('registry certificates', () => {
  it('come from the directory of the host and port, with the keys beside them', async () => {
    const home = mkdtempSync(join(tmpdir(), 'vaina-certs-'));
    try {
      const directory = join(home, '.config/containers/certs.d/r.example:5000');
      mkdirSync(directory, { recursive: true });
      for (const name of ['ca.crt', 'client.cert', 'client.key', 'note.txt'])
        writeFileSync(join(directory, name), name);
      const load = (host: string, more: object = {}) =>
        loadCertificates(host, settingsOf({ env: { HOME: home }, ...more }));
      const found = await load('r.example:5000');
      expect(found.ca).to.include('ca.crt').and.have.length.above(1);
      expect([found.cert, found.key]).to.deep.equal([['client.cert'], ['client.key']]);
      expect((await load('r.example')).cert).to.deep.equal([]);
      expect((await load('x', { certDir: directory })).ca).to.include('ca.crt');
      expect((await failure(load('x', { certDir: join(home, 'nosuch') }))).code).to.equal('ERR_NO_SUCH_PATH');
      rmSync(join(directory, 'client.key'));
      expect((await failure(load('r.example:5000'))).code).to.equal('ERR_INVALID_OPTION');
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
