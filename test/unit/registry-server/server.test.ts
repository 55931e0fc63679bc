import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { until } from '../../support/programs.js';
import { pushBlob, pushImage, type Answered } from '../../support/registry-client.js';
import { useShelf } from '../../support/shelf.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const NO_DIGEST = `sha256:${'0'.repeat(64)}`;

describe('the registry', function () {
  this.timeout(20_000);

  describe('answers by the specification', () => {
    const shelf = useShelf({ maxManifestBytes: 100_000, maxUploads: 3, minChunkBytes: 5 });
    const wrong: [string, string, number, string][] = [
      ['GET', '/', 404, 'UNSUPPORTED'],
      ['GET', '/v2/a', 404, 'UNSUPPORTED'],
      ['POST', '/v2/', 405, 'UNSUPPORTED'],
      ['PUT', '/v2/a/tags/list', 405, 'UNSUPPORTED'],
      ['PATCH', '/v2/a/manifests/v1', 405, 'UNSUPPORTED'],
      ['GET', '/v2/a/blobs/uploads/', 405, 'UNSUPPORTED'],
      ['GET', '/v2/A/tags/list', 400, 'NAME_INVALID'],
      ['GET', '/v2/a/../b/manifests/v1', 400, 'NAME_INVALID'],
      ['GET', '/v2/..%2f..%2fetc/blobs/' + NO_DIGEST, 400, 'NAME_INVALID'],
      ['GET', '/v2/unknown/tags/list', 404, 'NAME_UNKNOWN'],
      ['GET', '/v2/unknown/manifests/v1', 404, 'NAME_UNKNOWN'],
      ['GET', '/v2/known/manifests/none', 404, 'MANIFEST_UNKNOWN'],
      ['GET', '/v2/known/manifests/.bad', 404, 'MANIFEST_UNKNOWN'],
      ['GET', '/v2/known/manifests/sha256:bad', 400, 'DIGEST_INVALID'],
      ['GET', `/v2/known/manifests/${NO_DIGEST}`, 404, 'MANIFEST_UNKNOWN'],
      ['GET', `/v2/known/blobs/${NO_DIGEST}`, 404, 'BLOB_UNKNOWN'],
      ['GET', '/v2/known/blobs/md5:abc', 400, 'DIGEST_INVALID'],
      ['GET', '/v2/known/blobs/sha256:..%2f..%2f..%2fvaina.db', 400, 'DIGEST_INVALID'],
      ['GET', '/v2/known/referrers/sha256:bad', 400, 'DIGEST_INVALID'],
      ['GET', '/v2/known/tags/list?n=-1', 400, 'UNSUPPORTED'],
      ['GET', '/v2/known/tags/list?n=x', 400, 'UNSUPPORTED'],
      ['GET', '/v2/known/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN'],
      ['PATCH', '/v2/known/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN'],
      ['PUT', `/v2/known/blobs/uploads/none?digest=${NO_DIGEST}`, 404, 'BLOB_UPLOAD_UNKNOWN'],
      ['DELETE', '/v2/known/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN'],
      ['DELETE', `/v2/known/blobs/${NO_DIGEST}`, 404, 'BLOB_UNKNOWN'],
      ['DELETE', `/v2/known/manifests/${NO_DIGEST}`, 404, 'MANIFEST_UNKNOWN'],
      ['DELETE', `/v2/unknown/manifests/${NO_DIGEST}`, 404, 'NAME_UNKNOWN'],
      ['DELETE', '/v2/known/manifests/none', 404, 'MANIFEST_UNKNOWN'],
      ['POST', '/v2/known/blobs/uploads/?digest=sha256:bad', 400, 'DIGEST_INVALID'],
      ['POST', '/v2/known/blobs/uploads/?digest-algorithm=md5', 400, 'DIGEST_INVALID'],
      ['POST', `/v2/known/blobs/uploads/?mount=bad&from=a`, 400, 'DIGEST_INVALID'],
      ['POST', `/v2/known/blobs/uploads/?mount=${NO_DIGEST}&from=../a`, 400, 'NAME_INVALID'],
      ['PUT', '/v2/known/manifests/-bad', 400, 'MANIFEST_INVALID'],
      ['PUT', '/v2/known/manifests/sha256:bad', 400, 'DIGEST_INVALID'],
      ['PUT', '/v2/known/manifests/v1', 400, 'MANIFEST_INVALID'],
    ];
    before(() => pushImage(shelf.origin, 'known', 'v1'));
    for (const [method, path, status, code] of wrong) {
      it(`${method} ${path.slice(0, 60)}: ${status} ${code}`, async () => {
        const answer = await shelf.ask(method, path);
        expect([answer.status, answer.code]).to.deep.equal([status, code]);
        if (status === 405) expect(answer.headers['allow']).to.match(/^[A-Z, ]+$/);
        if (method !== 'GET') return;
        const head = await shelf.ask('HEAD', path);
        expect([head.status, head.body.length]).to.deep.equal([status, 0]);
      });
    }

    it('says what it is', async () => {
      const { status, headers, body } = await shelf.ask('GET', '/v2/');
      expect([status, body.toString()]).to.deep.equal([200, '{}']);
      expect(headers['docker-distribution-api-version']).to.equal('registry/2.0');
    });

    it('gives manifests by tag and digest, with their headers, also to HEAD', async () => {
      const { digest, bytes, answer } = await pushImage(shelf.origin, 'a/b/c/d', 'v1');
      expect(answer.status).to.equal(201);
      expect(answer.headers).to.include({
        location: `/v2/a/b/c/d/manifests/${digest}`,
        'docker-content-digest': digest,
      });
      for (const reference of ['v1', digest]) {
        const path = `/v2/a/b/c/d/manifests/${reference}`;
        const got = await shelf.ask('GET', path);
        expect(got.body.equals(bytes)).to.equal(true);
        const head = await shelf.ask('HEAD', path);
        for (const { status, headers } of [got, head]) {
          expect(status).to.equal(200);
          expect(headers).to.include({
            'content-type': MANIFEST,
            'content-length': String(bytes.length),
            'docker-content-digest': digest,
          });
        }
        expect(head.body.length).to.equal(0);
        const known = await shelf.ask('GET', path, { headers: { 'If-None-Match': `"${digest}"` } });
        expect([known.status, known.body.length]).to.deep.equal([304, 0]);
      }
    });

    it('gives back whatever manifest it is given, byte for byte', async () => {
      const body = Buffer.from('{ "any" :\t"thing" }\n');
      const type = 'application/vnd.example.thing.v3+json';
      const put = await shelf.ask('PUT', '/v2/known/manifests/thing', {
        body,
        headers: { 'Content-Type': type },
      });
      expect(put.status).to.equal(201);
      const got = await shelf.ask('GET', '/v2/known/manifests/thing');
      expect(got.headers['content-type']).to.equal(type);
      expect(got.body.equals(body)).to.equal(true);
    });

    it('wants the blobs of an image, and not the manifests of an index', async () => {
      const missing = { mediaType: MANIFEST, digest: NO_DIGEST, size: 7 };
      const { answer } = await pushImage(shelf.origin, 'known', 'missing', {
        document: { layers: [missing] },
      });
      expect([answer.status, answer.code]).to.deep.equal([404, 'MANIFEST_BLOB_UNKNOWN']);
      expect(answer.body.toString()).to.include(NO_DIGEST);
      const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [missing] });
      const headers = { 'Content-Type': INDEX };
      const put = await shelf.ask('PUT', '/v2/known/manifests/sparse', { body: index, headers });
      expect(put.status).to.equal(201);
      // A blob that another repository has is none of this one.
      const elsewhere = await pushBlob(shelf.origin, 'other', 'secret');
      const document = { layers: [{ mediaType: 'a/b', digest: elsewhere, size: 6 }] };
      const stolen = await pushImage(shelf.origin, 'known', 'stolen', { document });
      expect(stolen.answer.code).to.equal('MANIFEST_BLOB_UNKNOWN');
      expect((await shelf.ask('GET', `/v2/known/blobs/${elsewhere}`)).code).to.equal('BLOB_UNKNOWN');
      // And one that is wrong about a size could never be pulled.
      const layer = await pushBlob(shelf.origin, 'known', 'four');
      const lying = await pushImage(shelf.origin, 'known', 'lying', {
        document: { layers: [{ mediaType: 'a/b', digest: layer, size: 5 }] },
      });
      expect(lying.answer.code).to.equal('MANIFEST_INVALID');
    });

    it('refuses a manifest that is too large, or not what its digest says', async () => {
      const large = await pushImage(shelf.origin, 'known', 'large', {
        document: { annotations: { a: 'x'.repeat(100_000) } },
      });
      expect([large.answer.status, large.answer.code]).to.deep.equal([413, 'SIZE_INVALID']);
      const chunked = await shelf
        .ask('PUT', '/v2/known/manifests/large', {
          body: 'x'.repeat(200_000),
          headers: { 'Transfer-Encoding': 'chunked', 'Content-Length': '' },
        })
        .catch(() => undefined);
      if (chunked) expect(chunked.status).to.be.oneOf([400, 413]);
      const other = await pushImage(shelf.origin, 'known', NO_DIGEST);
      expect([other.answer.status, other.answer.code]).to.deep.equal([400, 'DIGEST_INVALID']);
    });

    it('takes tags as parameters', async () => {
      const { digest, bytes } = await pushImage(shelf.origin, 'many', 'one');
      const path = `/v2/many/manifests/${digest}?tag=two&tag=three&tag=two`;
      const put = await shelf.ask('PUT', path, { body: bytes, headers: { 'Content-Type': MANIFEST } });
      expect(put.headers['oci-tag']).to.equal('two, three');
      for (const tag of ['one', 'two', 'three']) {
        const got = await shelf.ask('HEAD', `/v2/many/manifests/${tag}`);
        expect(got.headers['docker-content-digest']).to.equal(digest);
      }
      const many = Array.from({ length: 101 }, (_, i) => `tag=t${i}`).join('&');
      const tooMany = await shelf.ask('PUT', `/v2/many/manifests/${digest}?${many}`, { body: bytes });
      expect(tooMany.status).to.equal(414);
    });

    it('gives parts of a blob', async () => {
      const blob = await pushBlob(shelf.origin, 'known', '0123456789');
      const part = (range: string, more = {}): Promise<Answered> =>
        shelf.ask('GET', `/v2/known/blobs/${blob}`, { headers: { Range: range, ...more } });
      const one = await part('bytes=2-4');
      expect([
        one.status,
        one.body.toString(),
        one.headers['content-range'],
        one.headers['content-length'],
      ]).to.deep.equal([206, '234', 'bytes 2-4/10', '3']);
      expect((await part('bytes=-2')).body.toString()).to.equal('89');
      expect((await part('bytes=5-')).body.toString()).to.equal('56789');
      const beyond = await part('bytes=10-');
      expect([beyond.status, beyond.headers['content-range']]).to.deep.equal([416, 'bytes */10']);
      const several = await part('bytes=0-1,4-5');
      expect([several.status, several.body.length]).to.deep.equal([200, 10]);
      expect((await part('bytes=2-4', { 'If-Range': '"other"' })).status).to.equal(200);
      expect((await part('bytes=2-4', { 'If-Range': `"${blob}"` })).status).to.equal(206);
    });

    it('takes a blob in chunks, in their order only', async () => {
      const begun = await shelf.ask('POST', '/v2/known/blobs/uploads/');
      expect(begun.status).to.equal(202);
      expect(begun.headers).to.include({ 'oci-chunk-min-length': '5', range: '0-0' });
      const path = begun.headers.location ?? '';
      expect(path).to.match(/^\/v2\/known\/blobs\/uploads\/[0-9a-f-]{36}$/);
      const chunk = (range: string, body: string): Promise<Answered> =>
        shelf.ask('PATCH', path, { body, headers: { 'Content-Range': range } });
      const first = await chunk('0-4', 'hello');
      expect([first.status, first.headers.range]).to.deep.equal([202, '0-4']);
      const wrongPlaces: [string, string, number, string][] = [
        ['6-10', 'world', 416, 'BLOB_UPLOAD_INVALID'],
        ['0-4', 'hello', 416, 'BLOB_UPLOAD_INVALID'],
        ['5-9', 'four', 400, 'SIZE_INVALID'],
        ['bytes 5-9', 'world', 400, 'BLOB_UPLOAD_INVALID'],
      ];
      for (const [range, body, status, code] of wrongPlaces) {
        const answer = await chunk(range, body);
        expect([answer.status, answer.code], range).to.deep.equal([status, code]);
        if (status === 416) expect(answer.headers).to.include({ range: '0-4', location: path });
      }
      const shown = await shelf.ask('GET', path);
      expect([shown.status, shown.headers.range]).to.deep.equal([204, '0-4']);
      const digest = digestOf(Buffer.from('hello world'));
      const last = await shelf.ask('PUT', `${path}?digest=${digest}`, {
        body: ' world',
        headers: { 'Content-Range': '5-10' },
      });
      expect(last.status).to.equal(201);
      expect((await shelf.ask('GET', last.headers.location ?? '')).body.toString()).to.equal('hello world');
      expect((await shelf.ask('GET', path)).code).to.equal('BLOB_UPLOAD_UNKNOWN');
    });

    it('goes on after a connection that broke', async () => {
      const { headers } = await shelf.ask('POST', '/v2/known/blobs/uploads/');
      const path = headers.location ?? '';
      const sent = request(shelf.origin + path, { method: 'PATCH', headers: { 'Content-Length': '1000' } });
      sent.on('error', () => undefined);
      sent.write('a'.repeat(100));
      await until('the bytes have come', async () => (await shelf.ask('GET', path)).headers.range === '0-99');
      const busy = await shelf.ask('PATCH', path, { body: 'x' });
      expect([busy.status, busy.code]).to.deep.equal([416, 'BLOB_UPLOAD_INVALID']);
      sent.destroy();
      await until('it is free again', async () => {
        const answer = await shelf.ask('PATCH', path, { body: 'b', headers: { 'Content-Range': '100-100' } });
        return answer.status === 202;
      });
      const digest = digestOf(Buffer.from('a'.repeat(100) + 'b'));
      expect((await shelf.ask('PUT', `${path}?digest=${digest}`)).status).to.equal(201);
    });

    it('ends an upload that is cancelled, or is something else', async () => {
      const before = shelf.temporary().length;
      const open = async (): Promise<string> =>
        (await shelf.ask('POST', '/v2/known/blobs/uploads/')).headers.location ?? '';
      const cancelled = await open();
      expect(shelf.temporary().length).to.equal(before + 1);
      expect((await shelf.ask('DELETE', cancelled)).status).to.equal(204);
      expect((await shelf.ask('DELETE', cancelled)).code).to.equal('BLOB_UPLOAD_UNKNOWN');
      const other = await open();
      const put = await shelf.ask('PUT', `${other}?digest=${NO_DIGEST}`, { body: 'x' });
      expect([put.status, put.code]).to.deep.equal([400, 'DIGEST_INVALID']);
      expect(shelf.temporary().length).to.equal(before);
      expect((await shelf.ask('GET', `/v2/known/blobs/${NO_DIGEST}`)).status).to.equal(404);
    });

    it('has no more uploads open than it may', async () => {
      const paths: string[] = [];
      for (let i = 0; i < 3; i++) {
        paths.push((await shelf.ask('POST', '/v2/known/blobs/uploads/')).headers.location ?? '');
      }
      const many = await shelf.ask('POST', '/v2/known/blobs/uploads/');
      expect([many.status, many.code]).to.deep.equal([429, 'TOOMANYREQUESTS']);
      expect(many.headers['retry-after']).to.match(/^\d+$/);
      // Of another repository it is another upload.
      const foreign = (paths[0] ?? '').replace('/known/', '/other/');
      expect((await shelf.ask('DELETE', foreign)).code).to.equal('BLOB_UPLOAD_UNKNOWN');
      for (const path of paths) await shelf.ask('DELETE', path);
    });

    it('knows sha512, announced or not', async () => {
      const body = 'by another algorithm';
      const digest = digestOf(Buffer.from(body), 'sha512');
      for (const query of ['?digest-algorithm=sha512', '']) {
        const { headers } = await shelf.ask('POST', `/v2/long/blobs/uploads/${query}`);
        const put = await shelf.ask('PUT', `${headers.location}?digest=${digest}`, { body });
        expect(put.status).to.equal(201);
      }
      expect((await shelf.ask('GET', `/v2/long/blobs/${digest}`)).body.toString()).to.equal(body);
      expect(existsSync(shelf.file(digest))).to.equal(true);
      const { bytes } = await pushImage(shelf.origin, 'long', 'v1');
      const long = digestOf(bytes, 'sha512');
      const put = await shelf.ask('PUT', `/v2/long/manifests/${long}?tag=v512`, {
        body: bytes,
        headers: { 'Content-Type': MANIFEST },
      });
      expect(put.headers['docker-content-digest']).to.equal(long);
      expect((await shelf.ask('GET', '/v2/long/manifests/v512')).body.equals(bytes)).to.equal(true);
    });

    it('mounts blobs, with and without a source', async () => {
      const blob = await pushBlob(shelf.origin, 'from', 'to be mounted');
      const mount = (repository: string, query: string): Promise<Answered> =>
        shelf.ask('POST', `/v2/${repository}/blobs/uploads/?mount=${query}`);
      const one = await mount('to-one', `${blob}&from=from`);
      expect([one.status, one.headers.location]).to.deep.equal([201, `/v2/to-one/blobs/${blob}`]);
      expect((await mount('to-two', blob)).status).to.equal(201);
      expect((await shelf.ask('GET', `/v2/to-two/blobs/${blob}`)).body.toString()).to.equal('to be mounted');
      const none = await mount('to-three', `${blob}&from=nowhere`);
      expect(none.status).to.equal(202);
      await shelf.ask('DELETE', none.headers.location ?? '');
    });

    it('lists tags and repositories in pages', async () => {
      const tags = ['B', 'a', 'a.1', 'a_1', 'z'];
      for (const tag of [...tags].reverse()) await pushImage(shelf.origin, 'paged', tag, { layer: 'same' });
      const page = async (query: string): Promise<[string[], string | undefined]> => {
        const { body, headers } = await shelf.ask('GET', `/v2/paged/tags/list${query}`);
        return [(JSON.parse(body.toString()) as { tags: string[] }).tags, headers.link as string | undefined];
      };
      expect(await page('')).to.deep.equal([tags, undefined]);
      expect(await page('?n=0')).to.deep.equal([[], undefined]);
      expect(await page('?n=9')).to.deep.equal([tags, undefined]);
      expect(await page('?last=a.1')).to.deep.equal([['a_1', 'z'], undefined]);
      const walked: string[] = [];
      for (let next: string | undefined = '/v2/paged/tags/list?n=2'; next !== undefined;) {
        const { body, headers } = await shelf.ask('GET', next);
        walked.push(...(JSON.parse(body.toString()) as { tags: string[] }).tags);
        next = /^<(.*)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1];
      }
      expect(walked).to.deep.equal(tags);
      const { body, headers } = await shelf.ask('GET', '/v2/_catalog?n=2');
      expect((JSON.parse(body.toString()) as { repositories: string[] }).repositories).to.have.length(2);
      expect(headers.link).to.match(/^<\/v2\/_catalog\?n=2&last=/);
    });

    it('lists referrers, of subjects that do not exist too', async () => {
      const list = async (subject: string, query = ''): Promise<[string[], Answered]> => {
        const answer = await shelf.ask('GET', `/v2/ref/referrers/${subject}${query}`);
        expect(answer.status).to.equal(200);
        expect(answer.headers['content-type']).to.equal(INDEX);
        const index = JSON.parse(answer.body.toString()) as {
          mediaType: string;
          manifests: { digest: string }[];
        };
        expect(index.mediaType).to.equal(INDEX);
        return [index.manifests.map(({ digest }) => digest), answer];
      };
      expect((await list(NO_DIGEST))[0]).to.deep.equal([]);
      const subject = { mediaType: MANIFEST, digest: NO_DIGEST, size: 3 };
      const one = await pushImage(shelf.origin, 'ref', 'one', {
        document: { subject, artifactType: 'a/one', annotations: { key: 'value' } },
      });
      expect(one.answer.headers['oci-subject']).to.equal(NO_DIGEST);
      const two = await pushImage(shelf.origin, 'ref', 'two', { document: { subject } });
      const [all, answer] = await list(NO_DIGEST);
      expect(all).to.have.members([one.digest, two.digest]);
      expect(answer.body.toString())
        .to.include('"annotations":{"key":"value"}')
        .and.include('"artifactType":"a/one"');
      const [some, filtered] = await list(NO_DIGEST, '?artifactType=a%2Fone');
      expect(some).to.deep.equal([one.digest]);
      expect(filtered.headers['oci-filters-applied']).to.equal('artifactType');
      await shelf.ask('DELETE', `/v2/ref/manifests/${one.digest}`);
      expect((await list(NO_DIGEST))[0]).to.deep.equal([two.digest]);
    });

    it('lists very many referrers in pages', async () => {
      const subject = { mediaType: MANIFEST, digest: `sha256:${'1'.repeat(64)}`, size: 3 };
      const pushed = new Set<string>();
      // Together they are more than a client reads at once.
      const config = { mediaType: 'a/b', digest: await pushBlob(shelf.origin, 'refs', 'x'), size: 1 };
      for (let i = 0; i < 34; i++) {
        const annotations = { text: `${i}`.padEnd(95_000, 'x') };
        const body = Buffer.from(
          JSON.stringify({ schemaVersion: 2, config, layers: [], subject, annotations }),
        );
        const headers = { 'Content-Type': MANIFEST };
        const { status } = await shelf.ask('PUT', '/v2/refs/manifests/v', { body, headers });
        expect(status).to.equal(201);
        pushed.add(digestOf(body));
      }
      const seen: string[] = [];
      let pages = 0;
      for (
        let next: string | undefined = `/v2/refs/referrers/${subject.digest}`;
        next !== undefined;
        pages++
      ) {
        const { body, headers } = await shelf.ask('GET', next);
        expect(body.length).to.be.below(4 * 1024 * 1024);
        seen.push(
          ...(JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests.map(
            (one) => one.digest,
          ),
        );
        next = /^<(.*)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1];
      }
      expect(pages).to.be.above(1);
      expect(seen).to.have.length(34);
      expect(new Set(seen)).to.deep.equal(pushed);
    });
  });
});
