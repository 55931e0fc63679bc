import { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Descriptor } from '../../../lib/oci/types.js';
import { demandToken, FakeRegistry, sendError, type Fault } from '../../support/fake-registry.js';
import { credentials, expectNoLeak, useFakeRegistry } from '../../support/fake-pull.js';
import { push, sinkTo } from '../../support/fake-push.js';
import type { TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';

describe('registry sink: what goes wrong', () => {
  const fake = useFakeRegistry();
  let registry: FakeRegistry;
  let image: TestImage;
  let large: TestImage;
  let layer: { bytes: Buffer; descriptor: Descriptor };
  beforeEach(async () => {
    ({ image, large } = fake);
    layer = large.layers[0] as TestImage['layers'][0];
    registry = await fake.another();
  });

  /** Answers the first requests that match with something else. */
  function first(times: number, matches: (method: string, url: string) => boolean, answer: Fault): Fault {
    return (seen, response) => {
      if (!matches(seen.method, seen.url) || times-- <= 0) return false;
      answer(seen, response);
      return true;
    };
  }
  const bodies = (method: string, url: string): boolean =>
    (method === 'PUT' || method === 'PATCH') && url.includes('uploads');
  const sent = (): number =>
    registry.seen
      .filter(({ method, url }) => bodies(method, url))
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  const pushed = (): boolean =>
    registry.tags.get('1') === large.manifest.descriptor.digest &&
    registry.blobs.get(layer.descriptor.digest)?.equals(layer.bytes) === true;

  it('a cut at every tenth of a blob: it goes on from there', async () => {
    for (const chunkSize of [undefined, 700_000]) {
      registry.blobs.clear();
      registry.tags.clear();
      registry.seen.length = 0;
      for (let tenth = 1; tenth < 10; tenth++)
        registry.uploads.cuts.push(Math.floor((layer.bytes.length * tenth) / 10));
      await push(registry, large, { ...(chunkSize !== undefined && { chunkSize }) });
      expect(pushed(), String(chunkSize)).to.equal(true);
      expect(registry.uploads.cuts).to.deep.equal([]);
      expect(sent()).to.be.below(layer.bytes.length * 1.2);
    }
  });

  it('a cut where the registry forgets the upload: it begins again, a few times only', async () => {
    registry.uploads.resumable = false;
    registry.uploads.cuts.push(1_000_000, 1_000_000);
    await push(registry, large);
    expect(pushed()).to.equal(true);
    registry.blobs.clear();
    registry.uploads.cuts.push(...Array<number>(3).fill(1_000_000));
    const error = await failure(push(registry, large, { name: 'a:2' }));
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(registry.tags.has('2')).to.equal(false);
  });

  it('a lost answer: what is there is not sent again', async () => {
    let times = 1;
    registry.faults.push((seen, response) => {
      if (seen.method !== 'PUT' || !seen.url.includes('uploads') || seen.bytes.length < 1e6 || times-- <= 0)
        return false;
      registry.uploads.serve(seen, { writeHead: () => ({ end: () => undefined }) } as never);
      response.socket?.destroy();
      return true;
    });
    await push(registry, large);
    expect(pushed()).to.equal(true);
    expect(sent()).to.be.below(layer.bytes.length * 1.2);
  });

  it('chunks that are taken in part, or out of order by the word of the registry', async () => {
    registry.faults.push(
      first(
        1,
        (method) => method === 'PATCH',
        (_seen, response) => sendError(response, 416, 'RANGE_INVALID', 'where are we?'),
      ),
    );
    await push(registry, large, { chunkSize: 1_000_000 });
    expect(pushed()).to.equal(true);
    registry.blobs.clear();
    registry.faults.splice(0, 1, (seen, response) => {
      if (seen.method !== 'PATCH') return false;
      response.writeHead(202, { range: '0-99999999' }).end();
      return true;
    });
    const error = await failure(push(registry, large, { chunkSize: 1_000_000 }));
    expect(error.code).to.equal('ERR_REGISTRY');
    expect(error.message).to.include('another range');
    registry.faults.splice(0, 1, (seen, response) => {
      if (seen.method !== 'PATCH') return false;
      response.writeHead(202, { range: '0-0' }).end();
      return true;
    });
    expect((await failure(push(registry, large, { chunkSize: 1_000_000 }))).code).to.equal('ERR_REGISTRY');
  });

  it('408, 429 with Retry-After and 5xx pass within the tries; others end it at once', async () => {
    const places: ((method: string, url: string) => boolean)[] = [
      (method) => method === 'HEAD',
      (method) => method === 'POST',
      bodies,
      (method, url) => method === 'PUT' && url.includes('manifests'),
    ];
    for (const at of places) {
      for (const status of at === bodies ? [408, 429, 500, 503] : [503]) {
        registry.blobs.clear();
        const busy: Fault = (_seen, response) =>
          sendError(response, status, 'BUSY', 'later', { 'retry-after': '0' });
        registry.faults.splice(0, 1, first(2, at, busy));
        await push(registry, image);
        registry.blobs.clear();
        registry.tags.clear();
        registry.faults.splice(0, 1, first(3, at, busy));
        expect((await failure(push(registry, image))).code).to.equal('ERR_REGISTRY');
        expect(registry.tags.size).to.equal(0);
      }
      for (const [status, code] of [
        [400, 'ERR_REGISTRY'],
        [403, 'ERR_UNAUTHORIZED'],
        [413, 'ERR_REGISTRY'],
        [501, 'ERR_REGISTRY'],
      ] as const) {
        registry.blobs.clear();
        registry.seen.length = 0;
        registry.faults.splice(
          0,
          1,
          first(9, at, (_seen, response) => sendError(response, status, 'X', 'x')),
        );
        expect((await failure(push(registry, image))).code).to.equal(code);
        expect(registry.seen.filter(({ method, url }) => at(method, url))).to.have.length(1);
      }
    }
  });

  describe('tokens', () => {
    it('that end soon are renewed in the middle, and the body is sent again', async () => {
      const server = await fake.another();
      let uses = 8;
      let made = 0;
      let left = 0;
      server.faults.push(({ url }, response) => {
        if (!url.startsWith('/token')) return false;
        left = uses;
        response.end(JSON.stringify({ token: `token-${++made}`, expires_in: 1 }));
        return true;
      });
      registry.faults.push(
        demandToken(`${server.origin}/token`, (token) => token === `token-${made}` && left > 0),
        ({ method }) => {
          if (method !== 'HEAD' && method !== 'GET') left--;
        },
      );
      await push(registry, image, { credentials });
      expect(registry.tags.get('1')).to.equal(image.manifest.descriptor.digest);
      expect(made).to.be.at.least(2);
      // One request each, where requests follow one another.
      uses = 1;
      await push(registry, large, { credentials, chunkSize: 1_000_000 });
      expect(pushed()).to.equal(true);
      expect(made).to.be.at.least(8);
    });

    it('that are refused once they are there end it', async () => {
      registry.faults.push(
        demandToken(`${registry.origin}/token`, () => false),
        ({ url }, response) => {
          if (!url.startsWith('/token')) return false;
          response.end('{"token":"t"}');
          return true;
        },
      );
      expect((await failure(push(registry, image, { credentials }))).code).to.equal('ERR_UNAUTHORIZED');
      expect(registry.blobs.size).to.equal(0);
    });
  });

  describe('other origins', () => {
    let second: FakeRegistry;
    beforeEach(async () => {
      second = await fake.another('127.0.0.2');
      const wanted = `Basic ${Buffer.from(`user:${credentials.password}`).toString('base64')}`;
      registry.faults.push(({ url, headers }, response) => {
        if (url === '/v2/' || headers.authorization === wanted) return false;
        sendError(response, 401, 'UNAUTHORIZED', 'who', { 'www-authenticate': 'Basic realm="x"' });
        return true;
      });
      // It asks for a password too, which it must not get.
      second.faults.push(({ headers }, response) => {
        response.setHeader('x-seen', String(headers.authorization));
      });
    });

    /** The sessions of the one are those of the other. */
    function share(): void {
      Object.defineProperty(second, 'uploads', { value: registry.uploads });
      Object.defineProperty(second, 'blobs', { value: registry.blobs });
    }

    it('get the bytes of an upload, but no credentials', async () => {
      share();
      registry.uploads.base = second.origin;
      await push(registry, large, { credentials });
      await push(registry, image, { credentials, name: 'a:2', chunkSize: 100 });
      expect(pushed()).to.equal(true);
      expect(second.seen.filter(({ method }) => method === 'PUT').length).to.be.at.least(5);
      expectNoLeak(second);
    });

    it('are not told who we are when they ask', async () => {
      registry.uploads.base = second.origin;
      second.faults.push((_seen, response) => {
        sendError(response, 401, 'X', 'x', { 'www-authenticate': 'Basic realm="second"' });
        return true;
      });
      expect((await failure(push(registry, image, { credentials }))).code).to.equal('ERR_UNAUTHORIZED');
      expectNoLeak(second);
    });

    it('get the whole body where a redirect keeps the method, and nothing where it does not', async () => {
      share();
      for (const status of [301, 302, 303, 307, 308]) {
        registry.blobs.clear();
        registry.tags.clear();
        second.seen.length = 0;
        registry.faults.splice(1, 1, ({ method, url }, response) => {
          if (!bodies(method, url)) return false;
          response.writeHead(status, { location: `${second.origin}${url}` }).end();
          return true;
        });
        const work = push(registry, status === 307 ? large : image, { credentials });
        if (status < 307) {
          const error = await failure(work);
          expect(error.code).to.equal('ERR_REGISTRY');
          expect(error.message).to.include(`redirects a PUT with ${status}`);
          expect(second.seen.map(({ method }) => method)).to.not.include('PUT');
          expect([registry.tags.size, registry.blobs.size]).to.deep.equal([0, 0]);
        } else {
          await work;
          expect(registry.tags.size).to.equal(1);
          if (status === 307) expect(pushed()).to.equal(true);
        }
        expectNoLeak(second);
      }
    });

    it('are no place outside of the web', async () => {
      for (const location of ['file:///etc/passwd', 'ftp://x/', 'http://[bad', '']) {
        registry.faults.splice(1, 1, ({ method }, response) => {
          if (method === 'POST') response.writeHead(202, { location }).end();
          return method === 'POST';
        });
        expect((await failure(push(registry, image, { credentials }))).code, location).to.equal(
          'ERR_REGISTRY',
        );
      }
    });
  });

  describe('time', () => {
    it('a registry that takes no more is noticed, and a slow source is not its fault', async () => {
      registry.faults.push(({ method, url }) => bodies(method, url));
      const error = await failure(push(registry, image, { stallTimeout: 300, tries: 1 }));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.include('no answer for 0.3 s');
      registry.faults.length = 0;
      const slow = Readable.from(
        (async function* () {
          yield layer.bytes.subarray(0, 300_000);
          await new Promise((done) => setTimeout(done, 600));
          yield layer.bytes.subarray(300_000);
        })(),
      );
      const sink = sinkTo(registry, 'a', { stallTimeout: 300, tries: 1 });
      await sink.putBlob(layer.descriptor, slow, { kind: 'data' });
      await sink.close();
      expect(registry.blobs.has(layer.descriptor.digest)).to.equal(true);
    });

    it('ends an operation that takes too long in all, though each request is short', async () => {
      registry.faults.push(({ method }, response) => {
        if (method === 'HEAD') sendError(response, 503, 'BUSY', 'later', { 'retry-after': '0' });
        return method === 'HEAD';
      });
      const begun = Date.now();
      const error = await failure(push(registry, image, { timeout: 200, tries: 100, retryDelay: 10 }));
      expect(error.code).to.be.oneOf(['ERR_TIMEOUT', 'ERR_REGISTRY']);
      expect(Date.now() - begun).to.be.below(10_000);
      registry.faults.splice(0, 1, ({ method, url }) => bodies(method, url));
      expect((await failure(push(registry, image, { timeout: 200 }))).code).to.equal('ERR_TIMEOUT');
    });

    it('an abort ends it at once, and cancels the upload', async () => {
      registry.faults.push(({ method, url }) => bodies(method, url));
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('enough')), 100);
      const error: unknown = await push(registry, large, { signal: abort.signal }).catch((e: unknown) => e);
      expect(error).to.have.property('message', 'enough');
      expect(registry.uploads.open).to.equal(0);
    });
  });
});
