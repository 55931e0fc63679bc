import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { copy } from '../../../lib/oci/copy.js';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { CommittedImage, Digest } from '../../../lib/oci/types.js';
import type { RegistryOptions } from '../../../lib/registry/options.js';
import { registrySource } from '../../../lib/registry/source.js';
import { demandToken, FakeRegistry, sendError, sendRange, type Fault } from '../../support/fake-registry.js';
import { makeImage, makeIndex, tarOf, type TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure } from '../../support/memory-source.js';
import { makeCertificates } from '../../support/registry.js';

const CANARY = 'canary-secret';
const credentials = { username: 'user', password: CANARY };
/** The environment of a user without files or proxies. */
const env = { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };

describe('registry source', () => {
  const servers: FakeRegistry[] = [];
  let registry: FakeRegistry;
  let image: TestImage;
  let large: TestImage;

  before(async () => {
    image = await makeImage({
      layers: await Promise.all(['a', 'b', 'c'].map((name) => tarOf([{ name, content: name }]))),
    });
    large = await makeImage({
      layers: [await tarOf([{ name: 'big', content: randomBytes(3 * 1024 * 1024) }])],
    });
  });
  beforeEach(async () => {
    registry = await another();
    registry.add([image]);
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  async function another(address?: string, tls?: { cert: string; key: string }): Promise<FakeRegistry> {
    const server = await FakeRegistry.start(address, tls);
    servers.push(server);
    return server;
  }

  async function pull(
    options: RegistryOptions & { name?: string; signal?: AbortSignal; sink?: MemorySink } = {},
  ): Promise<CommittedImage> {
    const { name = 'test/image', signal, sink = new MemorySink(), ...rest } = options;
    const source = registrySource(`${registry.host}/${name}`, {
      tlsVerify: false,
      env,
      retryDelay: 1,
      ...rest,
    });
    try {
      return await copy(source, sink, signal ? { signal } : {});
    } finally {
      await source.close();
    }
  }

  /** Everywhere the canary could have gone but to `allowed`. */
  function expectNoLeak(...others: FakeRegistry[]): void {
    const secrets = [CANARY, Buffer.from(`user:${CANARY}`).toString('base64')];
    for (const { seen, host } of others) {
      for (const secret of secrets) expect(JSON.stringify(seen), host).not.to.include(secret);
      for (const { headers } of seen) expect(headers, host).not.to.have.property('authorization');
    }
  }

  it('pulls an image, each blob once, and asks for nothing else', async () => {
    const result = await pull();
    expect(result.manifest.bytes).to.deep.equal(image.manifest.bytes);
    expect(registry.requests(/blobs/)).to.have.length(4);
    const [manifest] = registry.requests(/manifests/);
    expect(manifest?.headers.accept).to.include(MEDIA.ociIndex).and.include(MEDIA.dockerManifest);
    expect(manifest?.headers['accept-encoding']).to.equal('identity');
    expect(manifest?.headers['user-agent']).to.equal('vaina');
  });

  it('pulls by digest, and a platform of an index', async () => {
    const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const index = makeIndex([arm, image], true);
    registry.add([arm, image], 'multi', index);
    const result = await pull({ name: `test/image@${image.manifest.descriptor.digest}` });
    expect(result.manifest.digest).to.equal(image.manifest.descriptor.digest);
    const multi = await pull({ name: 'test/image:multi' });
    expect(multi.manifest.digest).to.equal(image.manifest.descriptor.digest);
    expect(multi.index?.mediaType).to.equal(MEDIA.dockerList);
  });

  it('believes no header about a digest, and no type that the body contradicts', async () => {
    const other = digestOf(Buffer.from('other'));
    registry.faults.push((_seen, response) => void response.setHeader('docker-content-digest', other));
    expect((await pull()).manifest.digest).to.equal(image.manifest.descriptor.digest);
    registry.faults.length = 0;
    for (const type of [MEDIA.ociIndex, MEDIA.dockerManifest, 'text/html']) {
      registry.types.set(image.manifest.descriptor.digest, type);
      expect((await failure(pull())).code).to.be.oneOf(['ERR_INVALID_IMAGE', 'ERR_UNSUPPORTED']);
    }
  });

  describe('wrong bytes', () => {
    const places: [string, (image: TestImage) => Digest][] = [
      ['manifest', ({ manifest }) => manifest.descriptor.digest],
      ['configuration', ({ config }) => config.descriptor.digest],
      ...[0, 1, 2].map((i): [string, (image: TestImage) => Digest] => [
        `layer ${i}`,
        ({ layers }) => layers[i]?.descriptor.digest as Digest,
      ]),
    ];
    for (const [name, of] of places) {
      it(`in the ${name} are refused`, async () => {
        const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
        registry.add([arm, image], 'latest', makeIndex([arm, image]));
        const digest = of(image);
        const bytes = Buffer.from(registry.blobs.get(digest) as Buffer);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        registry.blobs.set(digest, bytes);
        const sink = new MemorySink();
        const error = await failure(pull({ sink }));
        expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
        expect(error.message).to.include('source docker://').and.include(digest);
        expect([sink.blobs.size, sink.committed]).to.deep.equal([0, undefined]);
      });
    }

    it('in a manifest that was asked for by digest are refused', async () => {
      const { digest } = image.manifest.descriptor;
      registry.blobs.set(
        digest,
        Buffer.from(image.manifest.bytes.toString().replace('sha256:', 'sha256: ').slice(0, -1)),
      );
      expect((await failure(pull({ name: `test/image@${digest}` }))).code).to.equal('ERR_DIGEST_MISMATCH');
    });

    it('a body that is too long or too short is refused', async () => {
      const { digest } = image.layers[0]?.descriptor as { digest: Digest };
      const bytes = registry.blobs.get(digest) as Buffer;
      registry.blobs.set(digest, Buffer.concat([bytes, Buffer.alloc(10)]));
      expect((await failure(pull())).code).to.equal('ERR_DIGEST_MISMATCH');
      registry.blobs.set(digest, bytes.subarray(10));
      expect((await failure(pull())).code).to.be.oneOf(['ERR_DIGEST_MISMATCH', 'ERR_REGISTRY']);
    });
  });

  describe('what goes wrong', () => {
    it('has its own code', async () => {
      expect((await failure(pull({ name: 'test/image:nosuch' }))).code).to.equal('ERR_NO_SUCH_IMAGE');
      registry.blobs.delete(image.layers[0]?.descriptor.digest as Digest);
      const error = await failure(pull());
      expect(error.code).to.equal('ERR_REGISTRY');
      expect(error.message).to.include('BLOB_UNKNOWN');
      registry.faults.push(
        (_seen, response) => (sendError(response, 403, 'DENIED', 'not \u001b[31myou\n'), true),
      );
      const denied = await failure(pull());
      expect(denied.code).to.equal('ERR_UNAUTHORIZED');
      expect(denied.message).to.include('DENIED: not \\u001b[31myou').and.not.include('\u001b');
      expect(registry.requests(/manifests/).length).to.equal(3);
    });

    it('is unreachable where nobody listens, at once and with no second try', async () => {
      await registry.stop();
      servers.length = 0;
      for (const tlsVerify of [true, false]) {
        const begun = Date.now();
        const error = await failure(pull({ tlsVerify, retryDelay: 1000 }));
        expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
        expect(error.message).to.include('connection refused');
        expect(Date.now() - begun).to.be.below(900);
      }
      const source = registrySource('nosuch.invalid/a', { env, retryDelay: 1, tries: 2 });
      expect((await failure(source.manifest())).code).to.equal('ERR_REGISTRY_UNREACHABLE');
      await source.close();
    });

    it('never falls back to plain HTTP by itself', async () => {
      const error = await failure(pull({ tlsVerify: true }));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.include('does not speak TLS');
      expect(error.hint).to.include('tlsVerify');
      expect(registry.seen).to.deep.equal([]);
    });

    it('passes, when it is 429, 5xx or a reset, within the tries', async () => {
      for (const status of [429, 500, 502, 503]) {
        let left = 2;
        registry.faults.splice(0, 1, ({ url }, response) => {
          if (!url.includes('manifests') || left-- <= 0) return false;
          sendError(response, status, 'BUSY', 'later', { 'retry-after': '0' });
          return true;
        });
        await pull();
        left = 3;
        const error = await failure(pull());
        expect(error.code).to.equal('ERR_REGISTRY');
        expect(error.message).to.include(`answered with ${status}: BUSY: later`);
      }
      let resets = 2;
      registry.faults.splice(0, 1, ({ url }, response) => {
        if (!url.includes('manifests') || resets-- <= 0) return false;
        response.socket?.destroy();
        return true;
      });
      await pull();
    });

    it('is not tried again when it is the request that is wrong', async () => {
      for (const status of [400, 404, 405, 410, 418]) {
        registry.seen.length = 0;
        registry.faults.splice(0, 1, (_seen, response) => (sendError(response, status, 'X', 'x'), true));
        await failure(pull());
        expect(registry.requests(/manifests/)).to.have.length(1);
      }
    });

    it('waits as long as the registry wants, and no longer than the signal allows', async () => {
      registry.faults.push(({ url }, response) => {
        if (!url.includes('manifests')) return false;
        sendError(response, 429, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '30' });
        return true;
      });
      const begun = Date.now();
      const signal = AbortSignal.timeout(100);
      const error: unknown = await pull({ signal }).catch((e: unknown) => e);
      expect(error).to.equal(signal.reason);
      expect(Date.now() - begun).to.be.below(1000);
    });

    it('is noticed when the registry falls silent, before and in a body', async () => {
      registry.faults.push(({ url }) => url.includes('manifests'));
      const error = await failure(pull({ stallTimeout: 50, tries: 2 }));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.include('no answer for 0.05 s');
      let stalls = 2;
      registry.faults.splice(0, 1, ({ url, headers }, response) => {
        if (!url.includes(image.layers[1]?.descriptor.digest ?? '') || stalls-- <= 0) return false;
        const bytes = image.layers[1]?.bytes as Buffer;
        response.writeHead(headers.range ? 206 : 200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 5));
        return true;
      });
      stalls = 1;
      await pull({ stallTimeout: 50 });
    });

    it('is bounded: a manifest, an error or a token of any size', async () => {
      const endless =
        (status: number, headers = {}): Fault =>
        (_seen, response) => {
          response.writeHead(status, headers);
          const more = (): void => {
            while (!response.destroyed && response.write(Buffer.alloc(65536, 0x20)));
            if (!response.destroyed) response.once('drain', more);
          };
          more();
          return true;
        };
      for (const fault of [
        endless(200, { 'content-type': MEDIA.ociManifest }),
        endless(404),
        endless(200, { 'content-encoding': 'gzip' }),
      ]) {
        registry.faults.splice(0, 1, ({ url }, response) =>
          url === '/v2/' ? false : fault({} as never, response),
        );
        expect((await failure(pull())).message).to.match(/more than (4194304|1048576) bytes/);
      }
      registry.faults.splice(
        0,
        1,
        demandToken(`${registry.origin}/token`, () => false),
        ({ url }, response) => (url.startsWith('/token') ? endless(200)({} as never, response) : false),
      );
      expect((await failure(pull())).message).to.include('more than 1048576 bytes');
    });
  });

  describe('resume', () => {
    let requests: number;
    let sent: number;

    /** Cuts the connection after each piece of the layer. */
    function cutting(piece: number, ranges = true): Fault {
      requests = 0;
      sent = 0;
      const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
      return ({ url, headers }, response) => {
        if (!url.includes(descriptor.digest)) return false;
        requests++;
        const start = ranges ? Number(/^bytes=([0-9]+)-$/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
        const rest = bytes.subarray(start);
        const length = ranges ? piece : piece * requests;
        sent += Math.min(length, rest.length);
        if (length >= rest.length) {
          sendRange(response, bytes, ranges ? headers.range : undefined);
          return true;
        }
        const partial = start > 0 || headers.range !== undefined;
        response.writeHead(ranges && partial ? 206 : 200, {
          'content-length': rest.length,
          ...(ranges && partial && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
        });
        response.write(rest.subarray(0, length), () => setTimeout(() => response.socket?.destroy(), 5));
        return true;
      };
    }

    beforeEach(() => registry.add([large], 'large'));

    it('goes on where the connection was cut, however often', async () => {
      registry.faults.push(cutting(128 * 1024));
      const { size } = large.layers[0]?.descriptor as { size: number };
      await pull({ name: 'test/image:large' });
      expect(requests).to.be.at.least(Math.ceil(size / (128 * 1024)));
      expect(sent).to.be.below(size * 1.2);
    });

    it('begins again with a registry that does not do ranges', async () => {
      registry.faults.push(cutting(512 * 1024, false));
      await pull({ name: 'test/image:large' });
      expect(requests).to.be.at.least(6);
    });

    it('gives up when there is no progress', async () => {
      registry.faults.push(cutting(100));
      const error = await failure(pull({ name: 'test/image:large' }));
      expect(error.code).to.be.oneOf(['ERR_REGISTRY', 'ERR_REGISTRY_UNREACHABLE']);
      expect(requests).to.equal(3);
    });

    it('refuses another range than the one it asked for', async () => {
      const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
      const ranges = [
        `bytes 0-${bytes.length - 1}/${bytes.length}`,
        'bytes 5-10/11',
        'nonsense',
        `bytes 262144-300000/999`,
      ];
      for (const range of ranges) {
        const cut = cutting(256 * 1024);
        registry.faults.splice(0, 1, (seen, response) => {
          if (!seen.url.includes(descriptor.digest) || seen.headers.range === undefined)
            return cut(seen, response);
          response.writeHead(206, { 'content-range': range }).end(bytes.subarray(262144));
          return true;
        });
        const error = await failure(pull({ name: 'test/image:large' }));
        expect(error.code, range).to.equal('ERR_REGISTRY');
        expect(error.message).to.include('another range');
      }
    });

    it('hashes across the pieces', async () => {
      const cut = cutting(256 * 1024);
      const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
      registry.faults.push((seen, response) => {
        if (!seen.url.includes(descriptor.digest) || seen.headers.range === undefined)
          return cut(seen, response);
        const wrong = Buffer.from(bytes);
        wrong[bytes.length - 5] = (wrong[bytes.length - 5] ?? 0) ^ 1;
        sendRange(response, wrong, seen.headers.range);
        return true;
      });
      expect((await failure(pull({ name: 'test/image:large' }))).code).to.equal('ERR_DIGEST_MISMATCH');
    });

    it('leaves no request behind when it is aborted in the middle', async () => {
      registry.faults.push(({ url }, response) => {
        if (!url.includes(large.layers[0]?.descriptor.digest ?? '')) return false;
        response.writeHead(200).write(Buffer.alloc(1000));
        return true;
      });
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('enough')), 50);
      const begun = Date.now();
      const error: unknown = await pull({ name: 'test/image:large', signal: abort.signal }).catch(
        (e: unknown) => e,
      );
      expect(error).to.have.property('message', 'enough');
      expect(Date.now() - begun).to.be.below(1000);
    });
  });

  describe('authentication', () => {
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
      expect(registry.requests(/manifests/)).to.have.length(2);
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

  describe('TLS', () => {
    let directory: string;
    let secure: FakeRegistry;
    let certDir: string;
    let made: ReturnType<typeof makeCertificates>;
    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'vaina-tls-'));
    });
    after(() => rmSync(directory, { recursive: true, force: true }));
    beforeEach(async () => {
      made = makeCertificates(mkdtempSync(join(directory, 'ca-')));
      certDir = made.certDir;
      secure = await another('127.0.0.1', made);
      secure.add([image]);
    });

    async function pullSecure(options: RegistryOptions, host = secure.host): Promise<CommittedImage> {
      const source = registrySource(`${host}/a`, { env, retryDelay: 1, ...options });
      return copy(source, new MemorySink()).finally(() => source.close());
    }

    it('trusts the authority of certDir, and nothing without it', async () => {
      await pullSecure({ certDir });
      const error = await failure(pullSecure({}));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.hint).to.include('certDir');
      await pullSecure({ tlsVerify: false });
      expect(registry.seen).to.deep.equal([]);
    });

    it('refuses a wrong name, and another authority', async () => {
      const elsewhere = await another('127.0.0.3', made);
      const wrong = await failure(pullSecure({ certDir }, elsewhere.host));
      expect(wrong.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(wrong.message).to.include('ERR_TLS_CERT_ALTNAME_INVALID');
      const other = makeCertificates(mkdtempSync(join(directory, 'ca-')));
      expect((await failure(pullSecure({ certDir: other.certDir }))).code).to.equal(
        'ERR_REGISTRY_UNREACHABLE',
      );
    });

    it('refuses a certificate that is none', async () => {
      writeFileSync(join(certDir, 'bad.cert'), 'x');
      writeFileSync(join(certDir, 'bad.key'), 'x');
      expect((await failure(pullSecure({ certDir }))).code).to.equal('ERR_INVALID_OPTION');
    });

    it('refuses an expired certificate', async () => {
      const expired = makeCertificates(mkdtempSync(join(directory, 'ca-')), 0);
      const server = await another('127.0.0.1', expired);
      server.add([image]);
      await new Promise((done) => setTimeout(done, 1100));
      const error = await failure(pullSecure({ certDir: expired.certDir }, server.host));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(server.seen).to.deep.equal([]);
    });

    it('does not follow a redirect from HTTPS to HTTP', async () => {
      registry.add([image]);
      secure.faults.push(({ url }, response) => {
        if (!url.includes('blobs')) return false;
        response
          .writeHead(307, { location: `${registry.origin}${url.replace('/a/', '/test/image/')}` })
          .end();
        return true;
      });
      expect((await failure(pullSecure({ certDir }))).message).to.include(
        'redirects to a place that is not https',
      );
      expect(registry.requests(/blobs/)).to.deep.equal([]);
    });
  });

  describe('proxy', () => {
    it('is used for plain requests and for tunnels, and sees no secret of a tunnel', async () => {
      const asked: string[] = [];
      const proxied: (string | undefined)[] = [];
      const proxy = createServer((request: IncomingMessage, response: ServerResponse) => {
        asked.push(request.url ?? '');
        proxied.push(request.headers['proxy-authorization']);
        const url = new URL(request.url ?? '');
        const { bytes } = { bytes: registry.blobs.get(registry.tags.get('latest') ?? '') };
        if (url.pathname === '/v2/') response.end('{}');
        else response.writeHead(200, { 'content-type': MEDIA.ociManifest }).end(bytes);
      });
      proxy.on('connect', (request: IncomingMessage, client: Socket) => {
        asked.push(`CONNECT ${request.url}`);
        proxied.push(request.headers['proxy-authorization']);
        const server = connect(Number(new URL(`http://${request.url}`).port), '127.0.0.1', () => {
          client.write('HTTP/1.1 200 OK\r\n\r\n');
          server.pipe(client).pipe(server);
        });
        server.on('error', () => client.destroy());
        client.on('error', () => server.destroy());
      });
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      const url = `http://me:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const directory = mkdtempSync(join(tmpdir(), 'vaina-proxy-'));
      try {
        const made = makeCertificates(directory);
        execFileSync('openssl', ['verify', '-CAfile', join(made.certDir, 'ca.crt'), made.cert], {
          stdio: 'ignore',
        });
        const secure = await another('127.0.0.1', made);
        secure.add([image]);
        const port = secure.host.split(':')[1];
        // The name is not one of the loopback, so it goes through the proxy; its certificate is for another one.
        const options = {
          certDir: made.certDir,
          retryDelay: 1,
          env: { ...env, HTTPS_PROXY: url, http_proxy: url },
        };
        const tunnel = registrySource(`registry.example:${port}/a`, { ...options, tlsVerify: false });
        expect((await tunnel.manifest()).bytes).to.deep.equal(image.manifest.bytes);
        await tunnel.close();
        expect(new Set(asked)).to.deep.equal(new Set([`CONNECT registry.example:${port}`]));
        const verified = registrySource(`registry.example:${port}/a`, options);
        expect((await failure(verified.manifest())).code).to.equal('ERR_REGISTRY_UNREACHABLE');
        await verified.close();
        const plain = registrySource('plain.example/a', {
          ...options,
          env: { ...env, http_proxy: url },
          tlsVerify: false,
        });
        expect((await plain.manifest()).bytes).to.deep.equal(image.manifest.bytes);
        await plain.close();
        expect(asked.slice(-2)).to.deep.equal([
          'http://plain.example/v2/',
          'http://plain.example/v2/a/manifests/latest',
        ]);
        expect(new Set(proxied)).to.deep.equal(new Set([`Basic ${Buffer.from('me:pw').toString('base64')}`]));
      } finally {
        rmSync(directory, { recursive: true });
        proxy.closeAllConnections();
        proxy.close();
      }
    });
  });

  it('is not moved by what somebody has put into Object.prototype', async () => {
    // Not `auth`: by that one Node.js itself tells URLs apart.
    const poison = {
      baseURL: 'http://127.0.0.2:1/',
      params: { poisoned: 1 },
      socketPath: '/nonexistent',
      transport: { request: () => undefined },
      beforeRedirect: () => undefined,
      maxContentLength: 1,
      cookie: CANARY,
      transformRequest: [() => CANARY],
      transformResponse: [() => CANARY],
      parseReviver: () => CANARY,
      withXSRFToken: true,
      fetchOptions: {},
    };
    const names = Object.keys(poison);
    try {
      for (const name of names) {
        const value = poison[name as keyof typeof poison];
        Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
      }
      await pull();
    } finally {
      for (const name of names) Reflect.deleteProperty(Object.prototype, name);
    }
    expect(registry.requests(/poisoned/)).to.deep.equal([]);
    expectNoLeak(registry);
  });

  it('checks its numbers', () => {
    for (const options of [
      { tries: 0 },
      { tries: 1.5 },
      { retryDelay: -1 },
      { stallTimeout: 0 },
      { stallTimeout: NaN },
    ]) {
      expect(() => registrySource('a', options))
        .to.throw()
        .with.property('code', 'ERR_INVALID_OPTION');
    }
    expect(() => registrySource('A'))
      .to.throw()
      .with.property('code', 'ERR_INVALID_REFERENCE');
    expect(registrySource('busybox').name).to.equal('docker://docker.io/library/busybox:latest');
  });
});
