import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import type { RegistryUpstream } from '../../../lib/registry-server/options.js';
import { until } from '../../support/programs.js';
import { ask, pushBlob, pushImage, type Answered } from '../../support/registry-client.js';
import { Shelf } from '../../support/shelf.js';

const MIB = 1024 * 1024;

describe('the registry as a cache', function () {
  this.timeout(20_000);

  const origin = new Shelf();
  const cache = new Shelf();
  const big = randomBytes(3 * MIB);
  let door: Server;
  let domain = '';
  let seen: string[] = [];
  /** What the way to the origin does to an answer; undefined when it is shut. */
  let pass: ((request: IncomingMessage, answer: Answered) => Answered | undefined) | undefined;
  let errors: unknown[] = [];
  /** Bytes of a blob after which the way waits for this. */
  let pause: Promise<void> | undefined;

  const options = (more: Partial<RegistryUpstream> = {}): { upstream: RegistryUpstream } => ({
    upstream: {
      domain,
      revalidateMs: 0,
      options: {
        tlsVerify: false,
        retryDelay: 1,
        env: { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' },
      },
      ...more,
    },
  });

  before(async () => {
    await origin.open();
    // A way to the origin that can be watched, shut, and lied on.
    door = createServer((request, response) => {
      const url = request.url ?? '';
      seen.push(`${request.method} ${url}`);
      void (async () => {
        const headers = Object.fromEntries(
          ['range', 'if-none-match', 'authorization'].flatMap((name) =>
            typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [],
          ),
        ) as Record<string, string>;
        const answer = await ask(origin.origin, request.method ?? 'GET', url, { headers });
        const changed = pass?.(request, answer);
        if (!changed) return request.socket.destroy();
        response.writeHead(changed.status, changed.headers);
        if (url.includes('/blobs/') && pause) {
          response.write(changed.body.subarray(0, MIB));
          await pause;
          response.end(changed.body.subarray(MIB));
        } else response.end(changed.body);
      })();
    }).listen(0, '127.0.0.1');
    await once(door, 'listening');
    domain = `127.0.0.1:${(door.address() as AddressInfo).port}`;
  });
  beforeEach(async () => {
    pass = (_request, answer) => answer;
    pause = undefined;
    seen = [];
    errors = [];
    await cache.open({ ...options(), onError: (error) => errors.push(error) });
  });
  after(async () => {
    await cache.close();
    await origin.close();
    door.closeAllConnections();
    door.close();
  });

  const blobs = (): string[] => seen.filter((line) => line.includes('/blobs/'));

  it('fetches what it does not have, once, and keeps it', async () => {
    const pushed = await pushImage(origin.origin, 'lib/one', 'v1', { layer: 'layer one' });
    const bytes = await cache.ask('GET', '/v2/lib/one/manifests/v1');
    expect(bytes.body.equals(pushed.bytes)).to.equal(true);
    expect(bytes.headers['docker-content-digest']).to.equal(pushed.digest);
    for (let i = 0; i < 3; i++) {
      const blob = await cache.ask('GET', `/v2/lib/one/blobs/${pushed.layer}`);
      expect(blob.body.toString()).to.equal('layer one');
      const manifest = await cache.ask('GET', `/v2/lib/one/manifests/${pushed.digest}`);
      expect(manifest.status).to.equal(200);
    }
    expect(blobs()).to.have.length(1);
    expect(existsSync(cache.file(pushed.layer))).to.equal(true);
    const head = await cache.ask('HEAD', `/v2/lib/one/blobs/${pushed.config}`);
    expect([head.status, head.headers['content-length']]).to.deep.equal([200, '2']);
    const part = await cache.ask('GET', `/v2/lib/one/blobs/${pushed.config}`, {
      headers: { Range: 'bytes=1-1' },
    });
    expect([part.status, part.body.toString()]).to.deep.equal([206, '}']);
    const missing = await cache.ask('GET', '/v2/lib/none/manifests/v1');
    expect([missing.status, missing.code]).to.deep.equal([404, 'NAME_UNKNOWN']);
    const noBlob = await cache.ask('GET', `/v2/lib/one/blobs/sha256:${'0'.repeat(64)}`);
    expect([noBlob.status, noBlob.code]).to.deep.equal([404, 'BLOB_UNKNOWN']);
    const push = await cache.ask('POST', '/v2/lib/one/blobs/uploads/');
    expect([push.status, push.code]).to.deep.equal([405, 'UNSUPPORTED']);
  });

  it('follows a tag that moves or goes, and asks no oftener than it should', async () => {
    const first = await pushImage(origin.origin, 'lib/two', 'latest', { layer: '1' });
    const digest = async (): Promise<string | undefined> =>
      (await cache.ask('HEAD', '/v2/lib/two/manifests/latest')).headers['docker-content-digest'] as
        string | undefined;
    expect(await digest()).to.equal(first.digest);
    expect(await digest()).to.equal(first.digest);
    // It asked again, but was told that nothing has changed.
    expect(seen.filter((line) => line.includes('/manifests/'))).to.have.length(2);
    const second = await pushImage(origin.origin, 'lib/two', 'latest', { layer: '2' });
    expect(await digest()).to.equal(second.digest);
    await cache.open(options({ revalidateMs: 60_000 }));
    await pushImage(origin.origin, 'lib/two', 'latest', { layer: '3' });
    expect(await digest()).to.equal(second.digest);
    await cache.open(options());
    await origin.ask('DELETE', '/v2/lib/two/manifests/latest');
    expect(await digest()).to.equal(undefined);
    expect((await cache.ask('GET', `/v2/lib/two/manifests/${second.digest}`)).status).to.equal(200);
  });

  it('lists tags and referrers of the origin', async () => {
    const { digest } = await pushImage(origin.origin, 'lib/lists', 'v1');
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 };
    const about = await pushImage(origin.origin, 'lib/lists', 'v2', {
      document: { subject, artifactType: 'a/b' },
    });
    const tags = await cache.ask('GET', '/v2/lib/lists/tags/list?n=1');
    expect(tags.body.toString()).to.equal('{"name":"lib/lists","tags":["v1"]}');
    expect(tags.headers['link']).to.include('last=v1');
    const list = async (query: string): Promise<string> =>
      (await cache.ask('GET', `/v2/lib/lists/referrers/${digest}${query}`)).body.toString();
    expect(await list('')).to.include(about.digest);
    expect(await list('?artifactType=a/b')).to.include(about.digest);
    expect(await list('?artifactType=a/c')).not.to.include(about.digest);
  });

  it('gives out what it has while the origin is down, and says so of the rest', async () => {
    const { digest, layer } = await pushImage(origin.origin, 'lib/three', 'v1');
    for (const path of ['manifests/v1', `blobs/${layer}`]) await cache.ask('GET', `/v2/lib/three/${path}`);
    pass = undefined;
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${layer}`]) {
      const answer = await cache.ask('GET', `/v2/lib/three/${path}`);
      expect(answer.status, path).to.equal(200);
    }
    expect((await cache.ask('GET', '/v2/lib/three/tags/list')).body.toString()).to.include('"v1"');
    for (const path of ['manifests/v2', `blobs/sha256:${'1'.repeat(64)}`]) {
      const answer = await cache.ask('GET', `/v2/lib/three/${path}`);
      expect([answer.status, answer.code], path).to.deep.equal([502, 'UNKNOWN']);
      // Clients are not told where it comes from.
      expect(answer.body.toString()).not.to.include(domain);
    }
    expect(errors.length).to.be.above(0);
  });

  it('fetches a blob once for all who want it, and gives it on while it comes', async () => {
    const layer = await pushBlob(origin.origin, 'lib/big', big);
    let go = (): void => undefined;
    pause = new Promise((resolve) => (go = resolve));
    const readers = Array.from({ length: 10 }, async () => {
      const [response] = (await once(get(`${cache.origin}/v2/lib/big/blobs/${layer}`), 'response')) as [
        IncomingMessage,
      ];
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        length += chunk.length;
        // The rest is not even there yet.
        if (length >= MIB / 2) go();
      }
      return Buffer.concat(chunks).equals(big);
    });
    expect(await Promise.all(readers)).to.deep.equal(Array.from({ length: 10 }, () => true));
    // One question for its size, which no manifest tells, by each who came before; one fetch.
    expect(seen.filter((line) => line.includes(layer)).length).to.be.at.most(11);
    expect(cache.temporary()).to.deep.equal([]);
  });

  it('never takes wrong bytes for right ones, and breaks off', async () => {
    const content = randomBytes(2 * MIB);
    const layer = await pushBlob(origin.origin, 'lib/bad', content);
    const ways: [string, (body: Buffer) => Buffer][] = [
      [
        'its last byte',
        (body) => Buffer.concat([body.subarray(0, -1), Buffer.from([(body.at(-1) ?? 0) ^ 1])]),
      ],
      ['its first byte', (body) => Buffer.concat([Buffer.from([(body[0] ?? 0) ^ 1]), body.subarray(1)])],
    ];
    for (const [what, change] of ways) {
      pass = (request, answer) =>
        request.url?.includes(layer) === true ? { ...answer, body: change(answer.body) } : answer;
      const broken = await cache.ask('GET', `/v2/lib/bad/blobs/${layer}`).then(
        ({ body }) => `${body.length} bytes`,
        (error: NodeJS.ErrnoException) => error.code,
      );
      expect(broken, what).to.equal('ECONNRESET');
      const part = await cache.ask('GET', `/v2/lib/bad/blobs/${layer}`, { headers: { Range: 'bytes=1-2' } });
      expect(part.status, what).to.equal(502);
      expect(existsSync(cache.file(layer)), what).to.equal(false);
      expect(cache.temporary(), what).to.deep.equal([]);
    }
    const { digest } = await pushImage(origin.origin, 'lib/bad', 'v1');
    pass = (_request, answer) => ({
      ...answer,
      body: Buffer.concat([answer.body, Buffer.from(' ')]),
      headers: {},
    });
    expect((await cache.ask('GET', `/v2/lib/bad/manifests/${digest}`)).status).to.equal(502);
    expect(cache.box.store.content.get(digestOf(Buffer.from(digest)))).to.equal(undefined);
    pass = (_request, answer) => answer;
    expect((await cache.ask('GET', `/v2/lib/bad/manifests/${digest}`)).status).to.equal(200);
    expect((await cache.ask('GET', `/v2/lib/bad/blobs/${layer}`)).body.equals(content)).to.equal(true);
  });

  it('gives a fetch up when nobody wants it any more', async () => {
    const layer = await pushBlob(origin.origin, 'lib/gone', randomBytes(3 * MIB));
    pause = new Promise(() => undefined);
    const clients = Array.from({ length: 3 }, () => get(`${cache.origin}/v2/lib/gone/blobs/${layer}`));
    await Promise.all(
      clients.map(async (client) => {
        client.on('error', () => undefined);
        const [response] = (await once(client, 'response')) as [IncomingMessage];
        response.on('error', () => undefined);
        await once(response, 'data');
      }),
    );
    expect(cache.temporary()).to.have.length(1);
    clients.slice(1).forEach((client) => client.destroy());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(cache.temporary()).to.have.length(1);
    clients[0]?.destroy();
    await until('it is given up', () => cache.temporary().length === 0);
    // And for the next one it begins anew.
    pause = undefined;
    expect((await cache.ask('GET', `/v2/lib/gone/blobs/${layer}`)).body.length).to.equal(3 * MIB);
  });

  it('is closed in the middle of a fetch, and leaves nothing', async () => {
    const layer = await pushBlob(origin.origin, 'lib/closed', randomBytes(3 * MIB));
    pause = new Promise(() => undefined);
    const client = get(`${cache.origin}/v2/lib/closed/blobs/${layer}`);
    client.on('error', () => undefined);
    const [response] = (await once(client, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    await once(response, 'data');
    await cache.registry.close();
    expect(cache.temporary()).to.deep.equal([]);
  });

  it('shows the origin its credentials, and no client another one', async () => {
    await pushImage(origin.origin, 'lib/secret', 'v1');
    const wanted = `Basic ${Buffer.from('user:word').toString('base64')}`;
    pass = (request, answer) =>
      request.headers.authorization === wanted
        ? answer
        : {
            ...answer,
            status: 401,
            body: Buffer.alloc(0),
            headers: { 'www-authenticate': 'Basic realm="x"' },
          };
    const denied = await cache.ask('GET', '/v2/lib/secret/manifests/v1');
    expect([denied.status, denied.code]).to.deep.equal([403, 'DENIED']);
    const { upstream } = options();
    const credentials = { username: 'user', password: 'word' };
    await cache.open({ upstream: { ...upstream, options: { ...upstream.options, credentials } } });
    expect((await cache.ask('GET', '/v2/lib/secret/manifests/v1')).status).to.equal(200);
    // Under a prefix it is another repository there.
    await cache.open({
      upstream: { ...upstream, prefix: 'lib', options: { ...upstream.options, credentials } },
    });
    expect((await cache.ask('GET', '/v2/secret/manifests/v1')).status).to.equal(200);
  });
});
