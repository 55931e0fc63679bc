import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { findCredentials } from '../../../lib/registry/credentials.js';
import {
  getLogin,
  login,
  logout,
  logoutAll,
  verifyLogin,
  type LoginOptions,
} from '../../../lib/registry/login.js';
import { search } from '../../../lib/registry/search.js';
import { CANARY, useFakeRegistry } from '../../support/fake-pull.js';
import { demandToken, sendError, type FakeRegistry } from '../../support/fake-registry.js';
import { failure } from '../../support/memory-source.js';

const BASIC = `Basic ${Buffer.from(`user:${CANARY}`).toString('base64')}`;
const auth = BASIC.slice('Basic '.length);

describe('registry login', () => {
  const fake = useFakeRegistry();
  let directory: string;
  let registry: FakeRegistry;
  let file: string;
  let env: NodeJS.ProcessEnv;
  beforeEach(() => {
    ({ registry } = fake);
    directory = mkdtempSync(join(tmpdir(), 'vaina-login-'));
    env = { HOME: directory, XDG_RUNTIME_DIR: directory, PATH: `${directory}:${process.env['PATH'] ?? ''}` };
    file = join(directory, 'containers/auth.json');
    registry.faults.push(({ url, headers }, response) => {
      if (headers.authorization === BASIC || !url.startsWith('/v2/')) return false;
      sendError(response, 401, 'UNAUTHORIZED', 'who are you', { 'www-authenticate': 'Basic realm="x"' });
      return true;
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const options = (more: Partial<LoginOptions> = {}): LoginOptions => ({
    username: 'user',
    password: CANARY,
    tlsVerify: false,
    registries: false,
    retryDelay: 1,
    env,
    ...more,
  });
  const where = (more: object = {}) => ({ registries: false, env, ...more }) as const;
  const saved = (path = file): unknown => JSON.parse(readFileSync(path, 'utf8'));

  it('keeps what the registry takes, and only that', async () => {
    expect(await login(registry.host, options())).to.deep.equal({ key: registry.host, store: file });
    expect(saved()).to.deep.equal({ auths: { [registry.host]: { auth } } });
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    const plain = where({ tlsVerify: false });
    expect(await verifyLogin(registry.host, plain)).to.equal(true);
    expect(await verifyLogin('other.example', plain)).to.equal(false);
    writeFileSync(file, JSON.stringify({ auths: { [registry.host]: { auth: 'YTpi' } } }));
    expect(await verifyLogin(registry.host, plain)).to.equal(false);
    rmSync(file);
    const wrong = await failure(login(registry.host, options({ password: `${CANARY}-wrong` })));
    expect(wrong.code).to.equal('ERR_UNAUTHORIZED');
    expect(inspect(wrong, { depth: 9 })).not.to.include(CANARY);
    expect(existsSync(file)).to.equal(false);
  });

  it('asks the token server, for no scope', async () => {
    const server = await fake.another();
    server.faults.push(({ url, headers }, response) => {
      if (!url.startsWith('/token')) return false;
      if (headers.authorization === BASIC) response.end('{"token":"good"}');
      else sendError(response, 401, 'UNAUTHORIZED', 'bad');
      return true;
    });
    registry.faults.splice(
      0,
      1,
      demandToken(`${server.origin}/token`, (token) => token === 'good'),
    );
    await login(registry.host, options());
    expect(server.requests(/token/).map(({ url }) => url)).to.deep.equal([
      '/token?service=test&account=user',
    ]);
    expect((await failure(login(registry.host, options({ password: 'x' })))).code).to.equal(
      'ERR_UNAUTHORIZED',
    );
  });

  it('keeps other members of the file, namespaces beside registries, and each of many at once', async () => {
    const path = join(directory, 'x.json');
    writeFileSync(path, '{"HttpHeaders":{"a":"b"},"auths":{"old.example":{"auth":"eDp5"}},"detachKeys":"q"}');
    const hosts = Array.from({ length: 8 }, (_, i) => `r${i}.example/ns`);
    await Promise.all(hosts.map((host) => login(host, options({ authFile: path, verify: false }))));
    expect(saved(path)).to.deep.equal({
      HttpHeaders: { a: 'b' },
      detachKeys: 'q',
      auths: {
        'old.example': { auth: 'eDp5' },
        ...Object.fromEntries(hosts.map((host) => [host, { auth }])),
      },
    });
    expect(await getLogin('r1.example/ns/deep', where({ authFile: path }))).to.equal('user');
    expect(await getLogin('r1.example', where({ authFile: path }))).to.equal(undefined);
    expect(await getLogin('r1.example', where({ authFile: join(directory, 'nosuch') }))).to.equal(undefined);
    expect((await failure(logout('r1.example', where({ authFile: path })))).message).to.equal(
      'not logged into r1.example',
    );
    await logout('https://old.example/v1', where({ authFile: path }));
    await logout('r1.example/ns', where({ authFile: path }));
    expect((saved(path) as { auths: object }).auths).to.have.keys(
      hosts.filter((host) => !host.startsWith('r1.')),
    );
    await logoutAll(where({ authFile: path }));
    expect(saved(path)).to.deep.equal({ HttpHeaders: { a: 'b' }, detachKeys: 'q', auths: {} });
  });

  it('writes docker its own file with its own key', async () => {
    const path = join(directory, 'config.json');
    const compat = { compatAuthFile: path };
    await login('docker.io', options({ ...compat, verify: false }));
    expect(saved(path)).to.deep.equal({ auths: { 'https://index.docker.io/v1/': { auth } } });
    expect(await getLogin('docker.io', where(compat))).to.equal('user');
    expect((await failure(login('docker.io/x', options({ ...compat, verify: false })))).code).to.equal(
      'ERR_INVALID_OPTION',
    );
    expect((await failure(login('docker.io', options({ ...compat, authFile: 'x' })))).code).to.equal(
      'ERR_INVALID_OPTION',
    );
    await logout('docker.io', where(compat));
    expect(saved(path)).to.deep.equal({ auths: {} });
  });

  it('gives credential helpers what the configuration says is theirs', async () => {
    const kept = join(directory, 'kept');
    writeFileSync(
      join(directory, 'docker-credential-test'),
      `#!/bin/sh
case $1 in
store) cat > ${kept};;
get) read server || true; [ -f ${kept} ] || { echo credentials not found in native keychain; exit 1; }
  printf '{"ServerURL":"x","Username":"user","Secret":"${CANARY}"}';;
erase) rm ${kept};;
list) [ -f ${kept} ] && echo '{"h.example":"user"}' || echo '{}';;
esac
`,
    );
    chmodSync(join(directory, 'docker-credential-test'), 0o755);
    const places: [object, (path: string) => void][] = [
      [{ registries: { credentialHelpers: ['test'] } }, () => undefined],
      [{}, (path) => writeFileSync(path, '{"credHelpers":{"h.example":"test"}}')],
      [{}, (path) => writeFileSync(path, '{"credsStore":"test"}')],
    ];
    for (const [more, prepare] of places) {
      const path = join(directory, 'helped.json');
      rmSync(path, { force: true });
      prepare(path);
      const all = { authFile: path, ...more };
      const result = await login('h.example', options({ verify: false, ...all }));
      expect(result.store).to.equal('credential helper: test');
      expect(JSON.parse(readFileSync(kept, 'utf8'))).to.deep.equal({
        ServerURL: 'h.example',
        Username: 'user',
        Secret: CANARY,
      });
      if (existsSync(path)) expect(readFileSync(path, 'utf8')).not.to.include(auth);
      expect(await getLogin('h.example', { ...where(), ...all })).to.equal('user');
      await logout('h.example', { ...where(), ...all });
      expect(existsSync(kept)).to.equal(false);
      expect((await failure(logout('h.example', { ...where(), ...all }))).code).to.equal('ERR_UNAUTHORIZED');
      await login('h.example', options({ verify: false, ...all }));
      await logoutAll({ ...where(), ...all });
      expect(existsSync(kept)).to.equal(false);
    }
    const named = options({ verify: false, registries: { credentialHelpers: ['test'] } });
    expect((await failure(login('h.example/ns', named))).code).to.equal('ERR_UNSUPPORTED');
    const second = { credentialHelpers: ['nosuch', 'containers-auth.json'] };
    await login('i.example', options({ verify: false, registries: second }));
    const found = await findCredentials('i.example', 'x', { env, registries: second });
    expect(found).to.deep.equal({ kind: 'password', username: 'user', password: CANARY });
    expect((await failure(findCredentials('j.example', 'x', { env, registries: second }))).code).to.equal(
      'ERR_UNAUTHORIZED',
    );
  });

  it('refuses what is no registry, no user, no option, no file', async () => {
    for (const name of [
      '',
      'a b',
      'r.example/x:tag',
      `r.example/x@sha256:${'a'.repeat(64)}`,
      '../x',
      'https://',
    ])
      expect((await failure(login(name, options()))).code, name).to.equal('ERR_INVALID_REFERENCE');
    for (const more of [{ username: '' }, { username: 'a:b' }, { pasword: 'x' }])
      expect((await failure(login('r.example', options(more)))).code).to.equal('ERR_INVALID_OPTION');
    const bad = join(directory, 'bad.json');
    writeFileSync(bad, `{"auths": "${CANARY}`);
    const error = await failure(login('r.example', options({ authFile: bad, verify: false })));
    expect([error.code, error.path]).to.deep.equal(['ERR_INVALID_OPTION', bad]);
    expect(inspect(error, { depth: 9 })).not.to.include(CANARY);
    const gone = options({ verify: false, env: { ...env, XDG_RUNTIME_DIR: join(directory, 'gone') } });
    expect((await failure(login('r.example', gone))).code).to.equal('ERR_NO_SUCH_PATH');
    const below = options({ verify: false, authFile: join(bad, 'x.json') });
    expect((await failure(login('r.example', below))).code).to.equal('ERR_PERMISSION');
  });
});

describe('registry search', () => {
  const fake = useFakeRegistry();
  const env = { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
  const results = [
    { name: 'one', description: 'a\nb\u001b[1m', star_count: 5, is_official: true },
    { name: 'x/two', star_count: 1, is_automated: true },
    { nonsense: 1 },
    null,
  ];
  const find = (term: string, more: object = {}) =>
    search(term, { tlsVerify: false, env, registries: false, retryDelay: 1, ...more });

  function v1(server: FakeRegistry): void {
    server.faults.push(({ url }, response) => {
      if (!url.startsWith('/v1/search')) return false;
      response.end(JSON.stringify({ results }));
      return true;
    });
  }

  function catalog(server: FakeRegistry, ...lists: string[][]): void {
    server.faults.push(({ url }, response) => {
      if (!url.startsWith('/v2/_catalog')) return false;
      const page = Number(new URL(url, 'http://x').searchParams.get('page') ?? 0);
      if (page + 1 < lists.length) response.setHeader('link', `</v2/_catalog?page=${page + 1}>; rel="next"`);
      response.end(JSON.stringify({ repositories: lists[page] }));
      return true;
    });
  }

  it("asks docker's search, and filters what it finds", async () => {
    v1(fake.registry);
    const { host } = fake.registry;
    const found = await find(`${host}/a b`, { limit: 7 });
    expect(fake.registry.requests(/search/).map(({ url }) => url)).to.deep.equal(['/v1/search?q=a+b&n=7']);
    expect(
      found.map(({ name, stars, official, automated }) => [name, stars, official, automated]),
    ).to.deep.equal([
      [`${host}/one`, 5, true, false],
      [`${host}/x/two`, 1, false, true],
    ]);
    expect(found[0]?.description).to.equal('a b[1m');
    expect(await find(`${host}/a`, { filter: { stars: 2 } })).to.have.length(1);
    expect(await find(`${host}/a`, { filter: { isOfficial: false, isAutomated: true } })).to.have.length(1);
  });

  it('looks in the list of repositories where there is no search, over its pages', async () => {
    catalog(fake.registry, ['b/app', 'other'], ['app', 'c/app2']);
    const { host } = fake.registry;
    const names = async (term: string, more: object = {}) =>
      (await find(`${host}/${term}`, more)).map(({ name }) => name);
    expect(await names('app')).to.deep.equal(['app', 'b/app', 'c/app2'].map((name) => `${host}/${name}`));
    expect(await names('app', { limit: 1 })).to.deep.equal([`${host}/b/app`]);
    expect(await names('')).to.have.length(4);
  });

  it('lists tags', async () => {
    fake.registry.faults.push(({ url }, response) => {
      if (url !== '/v2/test/image/tags/list') return false;
      response.end('{"name":"test/image","tags":["1","2","3"]}');
      return true;
    });
    const name = `${fake.registry.host}/test/image`;
    const found = await find(name, { listTags: true, limit: 2 });
    expect(found.map((row) => [row.name, row.tag])).to.deep.equal([
      [name, '1'],
      [name, '2'],
    ]);
    for (const wrong of [{ listTags: true, filter: {} }, { limit: 0 }, { limits: 1 }])
      expect((await failure(find(name, wrong))).code).to.equal('ERR_INVALID_OPTION');
  });

  it('asks all search registries; those that fail do not hide the others', async () => {
    const other = await fake.another();
    const down = await fake.another();
    await down.stop();
    catalog(fake.registry, ['app']);
    catalog(other, ['my/app']);
    const failed: string[] = [];
    const registries = { unqualifiedSearchRegistries: [fake.registry.host, down.host, other.host] };
    const onFailure = (registry: string): void => void failed.push(registry);
    const found = await find('app', { registries, onFailure });
    expect(found.map(({ name }) => name)).to.deep.equal([
      `${fake.registry.host}/app`,
      `${other.host}/my/app`,
    ]);
    expect(failed).to.deep.equal([down.host]);
    const none = await failure(find('app', { registries: { unqualifiedSearchRegistries: [down.host] } }));
    expect(none.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(none.message).to.match(/^1 error occurred:\n\t\* couldn't search registry/);
    const blocked = { registries: [{ location: fake.registry.host, blocked: true }] };
    expect((await failure(find(`${fake.registry.host}/app`, { registries: blocked }))).code).to.equal(
      'ERR_REGISTRY_BLOCKED',
    );
  });
});
