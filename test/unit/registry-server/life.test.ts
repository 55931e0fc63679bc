import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { digestOf } from '../../../lib/oci/digest.js';
import { startNode, until } from '../../support/programs.js';
import { ask, pushBlob, pushImage } from '../../support/registry-client.js';
import { Shelf, useShelf } from '../../support/shelf.js';
import { Box } from '../../support/store-box.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const NO_DIGEST = `sha256:${'0'.repeat(64)}`;

describe('the life of the registry', function () {
  this.timeout(20_000);

  describe('removes', () => {
    const shelf = useShelf({ unusedBlobMs: 0 });

    it('what nobody refers to any more, and nothing else', async () => {
      const one = await pushImage(shelf.origin, 'one', 'v1', { layer: 'only here' });
      const both = await pushImage(shelf.origin, 'one', 'v2', { layer: 'in both' });
      await pushImage(shelf.origin, 'two', 'v2', { layer: 'in both' });
      for (const digest of [one.layer, both.layer, one.config, one.digest])
        expect(existsSync(shelf.file(digest))).to.equal(true);
      // A tag is only a name.
      expect((await shelf.ask('DELETE', '/v2/one/manifests/v1')).status).to.equal(202);
      expect((await shelf.ask('GET', '/v2/one/manifests/v1')).code).to.equal('MANIFEST_UNKNOWN');
      expect((await shelf.ask('GET', `/v2/one/manifests/${one.digest}`)).status).to.equal(200);
      for (const { digest } of [one, both]) {
        expect((await shelf.ask('DELETE', `/v2/one/manifests/${digest}`)).status).to.equal(202);
      }
      expect((await shelf.ask('GET', '/v2/one/manifests/v2')).status).to.equal(404);
      await until(
        'the files are gone',
        () => !existsSync(shelf.file(one.layer)) && !existsSync(shelf.file(one.digest)),
      );
      for (const digest of [both.layer, one.config, both.digest])
        expect(existsSync(shelf.file(digest)), digest).to.equal(true);
      expect((await shelf.ask('GET', `/v2/two/blobs/${both.layer}`)).body.toString()).to.equal('in both');
      expect((await shelf.ask('GET', '/v2/one/tags/list')).code).to.equal('NAME_UNKNOWN');
    });

    it('a blob of one repository, not of another', async () => {
      const blob = await pushBlob(shelf.origin, 'first', 'a blob');
      await pushBlob(shelf.origin, 'second', 'a blob');
      expect((await shelf.ask('DELETE', `/v2/first/blobs/${blob}`)).status).to.equal(202);
      expect((await shelf.ask('GET', `/v2/first/blobs/${blob}`)).code).to.equal('BLOB_UNKNOWN');
      await shelf.registry.prune(3_600_000);
      expect((await shelf.ask('GET', `/v2/second/blobs/${blob}`)).status).to.equal(200);
      expect(await shelf.registry.prune(0)).to.be.at.least(1);
      expect(existsSync(shelf.file(blob))).to.equal(false);
    });

    it('nothing where that is not allowed', async () => {
      await shelf.open({ delete: false });
      const { digest, layer } = await pushImage(shelf.origin, 'kept', 'v1');
      for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${layer}`]) {
        const answer = await shelf.ask('DELETE', `/v2/kept/${path}`);
        expect([answer.status, answer.code]).to.deep.equal([405, 'UNSUPPORTED']);
      }
      await shelf.open({ readOnly: true });
      const push = await shelf.ask('POST', '/v2/kept/blobs/uploads/');
      expect([push.status, push.code]).to.deep.equal([405, 'UNSUPPORTED']);
      expect((await shelf.ask('PUT', '/v2/kept/manifests/v2', { body: '{}' })).code).to.equal('UNSUPPORTED');
      expect((await shelf.ask('GET', '/v2/kept/manifests/v1')).status).to.equal(200);
    });
  });

  describe('lets in', () => {
    const shelf = useShelf({
      authorize: ({ headers }, { repository, action }) => {
        if (headers.authorization === undefined) return { scheme: 'basic', realm: 'test' };
        return action === 'ping' || action === 'catalog' || repository === 'mine';
      },
    });
    const headers = { Authorization: 'Basic eDp5' };

    it('who may, and asks who did not say who it is', async () => {
      const who = await shelf.ask('GET', '/v2/');
      expect([who.status, who.code]).to.deep.equal([401, 'UNAUTHORIZED']);
      expect(who.headers['www-authenticate']).to.equal('Basic realm="test", charset="UTF-8"');
      expect((await shelf.ask('GET', '/v2/', { headers })).status).to.equal(200);
      const denied = await shelf.ask('GET', '/v2/yours/tags/list', { headers });
      expect([denied.status, denied.code]).to.deep.equal([403, 'DENIED']);
      expect((await shelf.ask('POST', '/v2/mine/blobs/uploads/', { headers })).status).to.equal(202);
    });

    it('no web page that wants to change something', async () => {
      const page = { ...headers, Origin: 'https://evil.example' };
      const push = await shelf.ask('POST', '/v2/mine/blobs/uploads/', { headers: page });
      expect([push.status, push.code]).to.deep.equal([403, 'DENIED']);
      const remove = await shelf.ask('DELETE', '/v2/mine/manifests/v1', { headers: page });
      expect([remove.status, remove.code]).to.deep.equal([403, 'DENIED']);
    });

    it('nobody to blobs of others, by mounting them', async () => {
      const digest = digestOf(Buffer.from('theirs'));
      const upload = await shelf.box.store.upload();
      await upload.write(Buffer.from('theirs'));
      await upload.commit(digest, () => shelf.box.store.registry.addBlob('yours', digest));
      await upload.close();
      for (const query of [`mount=${digest}&from=yours`, `mount=${digest}`]) {
        const answer = await shelf.ask('POST', `/v2/mine/blobs/uploads/?${query}`, { headers });
        expect(answer.status).to.equal(202);
      }
      expect((await shelf.ask('GET', `/v2/mine/blobs/${digest}`, { headers })).status).to.equal(404);
    });
  });

  describe('holds', () => {
    const shelf = useShelf({ stallTimeoutMs: 300, uploadTimeoutMs: 400, maxBlobBytes: 1_000_000 });

    it('twenty pushes at once', async () => {
      const layer = 'x'.repeat(300_000);
      const pushed = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          pushImage(shelf.origin, `p${i % 5}`, `v${i}`, { layer: layer + (i % 3) }),
        ),
      );
      for (const [i, { digest, answer }] of pushed.entries()) {
        expect(answer.status).to.equal(201);
        const got = await shelf.ask('HEAD', `/v2/p${i % 5}/manifests/v${i}`);
        expect(got.headers['docker-content-digest']).to.equal(digest);
      }
      expect(shelf.temporary()).to.deep.equal([]);
    });

    it('no blob that is too large', async () => {
      const answer = await shelf.ask('POST', `/v2/p/blobs/uploads/?digest=${NO_DIGEST}`, {
        body: Buffer.alloc(1_000_001),
      });
      expect([answer.status, answer.code]).to.deep.equal([413, 'SIZE_INVALID']);
      expect(shelf.temporary()).to.deep.equal([]);
    });

    it('no connection that stands still, and no upload that nobody goes on with', async () => {
      const { headers } = await shelf.ask('POST', '/v2/p/blobs/uploads/');
      const sent = request(shelf.origin + headers.location, {
        method: 'PATCH',
        headers: { 'Content-Length': '10' },
      });
      sent.write('x');
      const [error] = (await once(sent, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).to.equal('ECONNRESET');
      await until('the upload is given up', () => shelf.temporary().length === 0);
      expect((await shelf.ask('GET', headers.location ?? '')).code).to.equal('BLOB_UPLOAD_UNKNOWN');
    });

    it('no file open for clients that went away', async () => {
      const blob = await pushBlob(shelf.origin, 'p', Buffer.alloc(900_000, 7));
      const descriptors = (): number => readdirSync('/proc/self/fd').length;
      const before = descriptors();
      const { port } = new URL(shelf.origin);
      await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const socket = connect(Number(port), '127.0.0.1');
          const method =
            i % 2 === 0 ? `GET /v2/p/blobs/${blob}` : `POST /v2/p/blobs/uploads/?digest=${NO_DIGEST}`;
          socket.write(
            `${method} HTTP/1.1\r\nHost: a\r\nContent-Length: ${i % 2 === 0 ? 0 : 900_000}\r\n\r\n`,
          );
          if (i % 2 !== 0) socket.write(Buffer.alloc(100_000));
          await (i % 2 === 0 ? once(socket, 'data') : once(socket, 'connect'));
          socket.destroy();
        }),
      );
      await until('all is closed', () => descriptors() <= before && shelf.temporary().length === 0);
    });
  });

  describe('keeps little in memory', () => {
    const shelf = useShelf();

    it('for clients that do not read', async () => {
      const size = 48 * 1024 * 1024;
      const blob = await pushBlob(shelf.origin, 'p', Buffer.alloc(size, 'x'));
      const { port } = new URL(shelf.origin);
      const used = (): number => process.memoryUsage().external + process.memoryUsage().arrayBuffers;
      const before = used();
      const sockets = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = connect(Number(port), '127.0.0.1');
          socket.write(`GET /v2/p/blobs/${blob} HTTP/1.1\r\nHost: a\r\n\r\n`);
          await once(socket, 'readable');
          return socket;
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(used() - before).to.be.below(size);
      for (const socket of sockets) socket.destroy();
      // Others are served meanwhile and afterwards.
      expect((await shelf.ask('GET', `/v2/p/blobs/${blob}`)).body.length).to.equal(size);
    });
  });

  it('forgets its uploads when it is killed, and leaves nothing of them', async () => {
    const box = new Box();
    const task = JSON.stringify({ root: box.root, runroot: box.runroot });
    const child = startNode('test/support/children/registry', [task]);
    const [line] = (await once(child.stdout as NonNullable<typeof child.stdout>, 'data')) as [Buffer];
    const origin = line.toString().trim();
    const whole = await pushBlob(origin, 'a', 'whole');
    const { headers } = await ask(origin, 'POST', '/v2/a/blobs/uploads/');
    const path = headers.location ?? '';
    const sent = request(origin + path, { method: 'PATCH', headers: { 'Content-Length': '100000' } });
    sent.on('error', () => undefined);
    sent.write('x'.repeat(50_000));
    await until('half has come', async () => (await ask(origin, 'GET', path)).headers.range === '0-49999');
    const killed = once(child, 'exit');
    child.kill('SIGKILL');
    await killed;
    const halves = box.list('tmp').filter((name) => !name.endsWith('.lock'));
    expect(halves.flatMap((name) => box.list(`tmp/${name}`))).to.have.length(1);
    const shelf = new Shelf();
    Object.assign(shelf, { box });
    await shelf.open();
    expect(shelf.temporary()).to.deep.equal([]);
    expect((await shelf.ask('PATCH', path, { body: 'y' })).code).to.equal('BLOB_UPLOAD_UNKNOWN');
    expect((await shelf.ask('GET', `/v2/a/blobs/${whole}`)).body.toString()).to.equal('whole');
    await shelf.close();
  });

  describe('does the same as a model of it', () => {
    const shelf = useShelf();
    let round = 0;

    type Action =
      | { kind: 'blob'; blob: number }
      | { kind: 'unblob'; blob: number }
      | { kind: 'push'; blobs: number[]; tag: number }
      | { kind: 'untag'; tag: number }
      | { kind: 'unmanifest'; blobs: number[] };
    const blob = fc.nat(3);
    const blobs = fc.uniqueArray(blob, { maxLength: 3 });
    const action: fc.Arbitrary<Action> = fc.oneof(
      fc.record({ kind: fc.constant('blob' as const), blob }),
      fc.record({ kind: fc.constant('unblob' as const), blob }),
      fc.record({ kind: fc.constant('push' as const), blobs, tag: fc.nat(2) }),
      fc.record({ kind: fc.constant('untag' as const), tag: fc.nat(2) }),
      fc.record({ kind: fc.constant('unmanifest' as const), blobs }),
    );
    const contentOf = (index: number): string => `content ${index}`;
    const digestOfBlob = (index: number): string => digestOf(Buffer.from(contentOf(index)));
    const manifestOf = (list: readonly number[]): Buffer =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MANIFEST,
          config: { mediaType: 'a/b', digest: digestOfBlob(0), size: 9 },
          layers: list.map((index) => ({ mediaType: 'a/b', digest: digestOfBlob(index), size: 9 })),
        }),
      );

    it('for any sequence of requests', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
          const name = `model/r${round++}`;
          const has = new Set<number>();
          const manifests = new Set<string>();
          const tags = new Map<string, string>();
          for (const one of actions) {
            if (one.kind === 'blob') {
              await pushBlob(shelf.origin, name, contentOf(one.blob));
              has.add(one.blob);
            } else if (one.kind === 'unblob') {
              const { status } = await shelf.ask('DELETE', `/v2/${name}/blobs/${digestOfBlob(one.blob)}`);
              expect(status).to.equal(has.delete(one.blob) ? 202 : 404);
            } else if (one.kind === 'push') {
              const body = manifestOf(one.blobs);
              const { status } = await shelf.ask('PUT', `/v2/${name}/manifests/t${one.tag}`, {
                body,
                headers: { 'Content-Type': MANIFEST },
              });
              const whole = has.has(0) && one.blobs.every((index) => has.has(index));
              expect(status).to.equal(whole ? 201 : 404);
              if (!whole) continue;
              manifests.add(digestOf(body));
              tags.set(`t${one.tag}`, digestOf(body));
            } else if (one.kind === 'untag') {
              const { status } = await shelf.ask('DELETE', `/v2/${name}/manifests/t${one.tag}`);
              expect(status).to.equal(tags.delete(`t${one.tag}`) ? 202 : 404);
            } else {
              const digest = digestOf(manifestOf(one.blobs));
              const { status } = await shelf.ask('DELETE', `/v2/${name}/manifests/${digest}`);
              expect(status).to.equal(manifests.delete(digest) ? 202 : 404);
              for (const [tag, of] of tags) if (of === digest) tags.delete(tag);
            }
          }
          for (let index = 0; index < 4; index++) {
            const { status } = await shelf.ask('GET', `/v2/${name}/blobs/${digestOfBlob(index)}`);
            expect(status).to.equal(has.has(index) ? 200 : 404);
          }
          const list = await shelf.ask('GET', `/v2/${name}/tags/list`);
          const anything = has.size > 0 || manifests.size > 0;
          expect(list.status).to.equal(anything ? 200 : 404);
          if (anything) {
            expect((JSON.parse(list.body.toString()) as { tags: string[] }).tags).to.deep.equal(
              [...tags.keys()].sort(),
            );
          }
          for (const [tag, digest] of tags) {
            const { headers } = await shelf.ask('HEAD', `/v2/${name}/manifests/${tag}`);
            expect(headers['docker-content-digest']).to.equal(digest);
          }
        }),
        { numRuns: 30 },
      );
    });
  });
});
