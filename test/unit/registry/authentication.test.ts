import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { demandToken, FakeRegistry, sendError } from '../../support/fake-registry.js';
import type { TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';
import { CANARY, credentials, expectNoLeak, useFakeRegistry } from '../../support/fake-pull.js';

describe('registry source: authentication', () => {
  const fake = useFakeRegistry();
  const { another, pull } = fake;
  let registry: FakeRegistry;
  let image: TestImage;
  beforeEach(() => {
    ({ registry, image } = fake);
  });

  /** A token server with its own rules; it gives out `token-1`, `token-2` … */
  async function tokens(
    address?: string,
  ): Promise<{ server: FakeRegistry; good: Set<string>; requests: () => string[] }> {
    const server = await another(address);
    const good = new Set<string>();
    let made = 0;
    server.faults.push(({ url }, response) => {
      if (!url.startsWith('/token')) return false;
      const token = `token-${++made}`;
      good.add(token);
      response.end(JSON.stringify({ token, expires_in: 300 }));
      return true;
    });
    return { server, good, requests: () => server.requests(/^\/token/).map(({ url }) => url) };
  }

  it('gets one anonymous token for all requests of a pull', async () => {
    const { server, good, requests } = await tokens();
    registry.faults.push(demandToken(`${server.origin}/token?x=1`, (token) => good.has(token)));
    await pull();
    expect(requests()).to.deep.equal(['/token?x=1&service=test&scope=repository%3Atest%2Fimage%3Apull']);
    expectNoLeak(server);
  });

  it('shows credentials to the token server, and the registry sees only tokens', async () => {
    const { server, good } = await tokens();
    registry.faults.push(demandToken(`${server.origin}/token`, (token) => good.has(token)));
    await pull({ credentials });
    const [request] = server.requests(/^\/token/);
    expect(request?.headers.authorization).to.equal(
      `Basic ${Buffer.from(`user:${CANARY}`).toString('base64')}`,
    );
    expect(request?.url).to.include('account=user');
    const shown = registry.seen
      .map(({ headers }) => headers.authorization)
      .filter((value) => value !== undefined);
    expect(new Set(shown)).to.deep.equal(new Set(['Bearer token-1']));
  });

  it('gets a new token when one ends in the middle, once for all layers', async () => {
    const { server, good, requests } = await tokens();
    let used = 0;
    registry.faults.push(demandToken(`${server.origin}/token`, (token) => good.has(token)));
    registry.faults.unshift(({ url }) => {
      if (url.includes('blobs') && ++used === 2) good.delete('token-1');
    });
    await pull();
    expect(requests()).to.have.length(2);
  });

  it('exchanges an identity token by POST', async () => {
    const { server, good } = await tokens();
    registry.faults.push(demandToken(`${server.origin}/token`, (token) => good.has(token)));
    const directory = mkdtempSync(join(tmpdir(), 'vaina-auth-'));
    try {
      const authFile = join(directory, 'auth.json');
      writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { identitytoken: CANARY } } }));
      await pull({ authFile });
    } finally {
      rmSync(directory, { recursive: true });
    }
    const [request] = server.requests(/^\/token/);
    expect(request?.method).to.equal('POST');
    expect(Object.fromEntries(new URLSearchParams(request?.body))).to.deep.equal({
      service: 'test',
      scope: 'repository:test/image:pull',
      grant_type: 'refresh_token',
      refresh_token: CANARY,
      client_id: 'vaina',
    });
  });

  it('answers Basic, and gives up when that is refused', async () => {
    const wanted = `Basic ${Buffer.from(`user:${CANARY}`).toString('base64')}`;
    registry.faults.push(({ url, headers }, response) => {
      if (url === '/v2/' || headers.authorization === wanted) return false;
      sendError(response, 401, 'UNAUTHORIZED', 'who are you', { 'www-authenticate': 'Basic realm="test"' });
      return true;
    });
    await pull({ credentials });
    expect(registry.requests(/manifests\/latest/)).to.have.length(2);
    const wrong = await failure(pull({ credentials: { username: 'user', password: 'wrong' } }));
    expect(wrong.code).to.equal('ERR_UNAUTHORIZED');
    expect(wrong.message).to.include('who are you');
    expect((await failure(pull())).message).to.include('wants credentials');
    expect(registry.requests(/manifests/)).to.have.length(5);
  });

  it('refuses what is no token, and passes on what the token server says', async () => {
    const answers: [number, string, string][] = [
      [200, '{}', 'ERR_REGISTRY'],
      [200, 'nonsense', 'ERR_REGISTRY'],
      [200, '{"token":"a b"}', 'ERR_REGISTRY'],
      [200, '{"token":"a\\r\\nX: y"}', 'ERR_REGISTRY'],
      [200, '{"token":5}', 'ERR_REGISTRY'],
      [200, 'null', 'ERR_REGISTRY'],
      [401, '{"errors":[{"code":"UNAUTHORIZED","message":"bad password"}]}', 'ERR_UNAUTHORIZED'],
      [403, '', 'ERR_UNAUTHORIZED'],
      [200, '{"token":"refused"}', 'ERR_UNAUTHORIZED'],
    ];
    for (const [status, body, code] of answers) {
      registry.faults.splice(
        0,
        2,
        demandToken(`${registry.origin}/token`, () => false),
        ({ url }, response) => {
          if (!url.startsWith('/token')) return false;
          response.writeHead(status).end(body);
          return true;
        },
      );
      expect((await failure(pull({ credentials }))).code, body).to.equal(code);
    }
  });

  it('sends credentials to no other host: realm', async () => {
    const { server, good, requests } = await tokens('127.0.0.2');
    registry.faults.push(demandToken(`${server.origin}/token`, (token) => good.has(token)));
    const error = await failure(pull({ credentials }));
    expect(error.code).to.equal('ERR_UNAUTHORIZED');
    expect(error.message).to.include('127.0.0.2');
    expect(requests()).to.deep.equal([]);
    await pull();
    expectNoLeak(server);
    await pull({ credentials, realms: ['127.0.0.2'] });
    expect(server.seen.at(-1)?.headers.authorization).to.match(/^Basic /);
    for (const realm of [
      'http://user:pw@127.0.0.1/',
      'file:///etc/passwd',
      'ftp://127.0.0.1/',
      '//x',
      '',
      'javascript:1',
    ]) {
      registry.faults.splice(
        0,
        1,
        demandToken(realm, () => false),
      );
      expect((await failure(pull())).code, realm).to.equal('ERR_UNAUTHORIZED');
    }
  });

  it('sends credentials to no other origin: redirects of every kind, and back', async () => {
    const { server, good } = await tokens();
    const second = await another('127.0.0.2');
    const third = await another();
    for (const other of [second, third]) other.add([image]);
    for (const status of [301, 302, 303, 307, 308]) {
      registry.faults.splice(
        0,
        registry.faults.length,
        demandToken(`${server.origin}/token`, (token) => good.has(token)),
      );
      registry.faults.push(({ url }, response) => {
        if (!url.includes('blobs')) return false;
        response.writeHead(status, { location: `${second.origin}${url}` }).end();
        return true;
      });
      second.faults.splice(0, 1, ({ url }, response) => {
        response.writeHead(status, { location: `${third.origin}${url}` }).end();
        return true;
      });
      await pull({ credentials });
    }
    expect(third.requests(/blobs/)).to.have.length(20);
    expectNoLeak(second, third);
  });

  it('does not answer a challenge of where it was redirected to', async () => {
    const second = await another('127.0.0.2');
    second.faults.push(demandToken(`${registry.origin}/token`, () => false));
    registry.faults.push(({ url }, response) => {
      if (!url.includes('blobs')) return false;
      response.writeHead(307, { location: `${second.origin}${url}` }).end();
      return true;
    });
    expect((await failure(pull({ credentials }))).code).to.equal('ERR_UNAUTHORIZED');
    expect(registry.requests(/token/)).to.deep.equal([]);
    expectNoLeak(second);
  });

  it('refuses redirects that loop or lead out of the web', async () => {
    for (const location of ['file:///etc/passwd', 'ftp://x/', 'http://[bad', '']) {
      registry.faults.splice(0, 1, ({ url }, response) => {
        if (!url.includes('blobs')) return false;
        response.writeHead(307, { location }).end();
        return true;
      });
      expect((await failure(pull())).code, location).to.equal('ERR_REGISTRY');
    }
    registry.faults.splice(0, 1, ({ url }, response) => {
      if (!url.includes('blobs')) return false;
      response.writeHead(307, { location: url }).end();
      return true;
    });
    expect((await failure(pull())).message).to.include('redirects too often');
  });

  it('puts no secret into an error, however it is printed', async () => {
    registry.faults.push(({ url, headers }, response) => {
      if (url === '/v2/') return false;
      if (headers.authorization !== undefined) response.socket?.destroy();
      else sendError(response, 401, 'X', 'x', { 'www-authenticate': 'Basic realm="x"' });
      return true;
    });
    const error = await failure(pull({ credentials }));
    const printed =
      inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error.stack);
    expect(printed)
      .not.to.include(CANARY)
      .and.not.include(Buffer.from(`user:${CANARY}`).toString('base64'));
    registry.faults.splice(0, 1, ({ url }, response) => {
      if (!url.includes('blobs')) return false;
      response.writeHead(307, { location: `/nowhere?signature=${CANARY}` }).end();
      return true;
    });
    expect(inspect(await failure(pull()), { depth: 20 })).not.to.include(CANARY);
  });
});
