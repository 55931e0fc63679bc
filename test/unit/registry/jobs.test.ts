import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Descriptor, RawManifest, Signature } from '../../../lib/oci/types.js';
import { RegistryClient } from '../../../lib/registry/client.js';
import {
  catalog,
  deleteManifest,
  deleteTag,
  listTags,
  ping,
  referrers,
  registrySource,
} from '../../../lib/registry/index.js';
import { readList } from '../../../lib/registry/list.js';
import type { Lookaside } from '../../../lib/registry/options.js';
import { readAll } from '../../../lib/util/read-all.js';
import { FakeRegistry, sendError } from '../../support/fake-registry.js';
import { credentials, env, useFakeRegistry } from '../../support/fake-pull.js';
import { pushWhole, sinkTo } from '../../support/fake-push.js';
import type { TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';

const plain = { tlsVerify: false, env, retryDelay: 1 };

describe('registry jobs', () => {
  const fake = useFakeRegistry();
  let registry: FakeRegistry;
  let image: TestImage;
  let large: TestImage;
  beforeEach(() => {
    ({ registry, image, large } = fake);
  });

  describe('lists', () => {
    /** Answers page after page. */
    function pages(list: (page: number) => { tags: unknown; link?: string }): void {
      registry.faults.push(({ url }, response) => {
        if (!url.includes('tags/list') && !url.includes('_catalog')) return false;
        const page = Number(/page=([0-9]+)/.exec(url)?.[1] ?? 0);
        const { tags, link } = list(page);
        if (link !== undefined) response.setHeader('link', link);
        response.end(JSON.stringify({ name: 'a', tags, repositories: tags }));
        return true;
      });
    }
    const tags = (): Promise<string[]> => listTags(`${registry.host}/a`, plain);

    it('are read to their end', async () => {
      pages((page) => ({
        tags: [`t${page}`, 'same'],
        ...(page < 3 && { link: `</v2/a/tags/list?page=${page + 1}&n=2>; rel="next"` }),
      }));
      expect(await tags()).to.deep.equal(['t0', 'same', 't1', 't2', 't3']);
      expect(await catalog(registry.host, plain)).to.deep.equal(['t0', 'same', 't1', 't2', 't3']);
      registry.seen.length = 0;
      await listTags(`${registry.host}/a`, { ...plain, pageSize: 7 });
      expect(registry.requests(/tags/)[0]?.url).to.equal('/v2/a/tags/list?n=7');
      registry.faults.length = 0;
      pages(() => ({ tags: null }));
      expect(await tags()).to.deep.equal([]);
    });

    it('that do not end are refused', async () => {
      const ends: ((page: number) => { tags: unknown; link: string })[] = [
        () => ({ tags: ['a'], link: '</v2/a/tags/list>; rel=next' }),
        (page) => ({ tags: ['a'], link: `<?page=${page + 1}>; rel=next` }),
        (page) => ({ tags: [], link: `<?page=${page + 1}>; rel=next` }),
        (page) => ({ tags: [`t${page}`], link: `<?page=${1 - page}>; rel="prev next"` }),
      ];
      for (const list of ends) {
        registry.faults.length = 0;
        registry.seen.length = 0;
        pages(list);
        const error = await failure(tags());
        expect(error.code).to.equal('ERR_REGISTRY');
        expect(error.message).to.include('does not end');
        expect(registry.requests(/tags/).length).to.be.at.most(3);
      }
      registry.faults.length = 0;
      pages((page) => ({ tags: [`a${page}`, `b${page}`], link: `<?page=${page + 1}>; rel=next` }));
      for (const limits of [
        { pages: 20, items: 1000 },
        { pages: 1000, items: 20 },
      ]) {
        const client = new RegistryClient(registry.host, 'a', plain);
        const signal = new AbortController().signal;
        const list = readList(client, 'tags/list', { member: 'tags', grammar: /./, signal }, limits);
        expect((await failure(list)).message).to.include('does not end');
        await client.close();
      }
    });

    it('that go on elsewhere, or are none, are refused', async () => {
      const second = await fake.another('127.0.0.2');
      pages(() => ({ tags: ['a'], link: `<${second.origin}/v2/a/tags/list?page=1>; rel="next"` }));
      expect((await failure(tags())).message).to.include(second.origin);
      expect(second.seen).to.deep.equal([]);
      for (const wrong of ['text', 5, ['a/b'], [5], ['\u001b[31m'], [null], { a: 1 }]) {
        registry.faults.length = 0;
        pages(() => ({ tags: wrong }));
        expect((await failure(tags())).code, JSON.stringify(wrong)).to.equal('ERR_REGISTRY');
      }
    });
  });

  describe('deletion', () => {
    it('is by digest, of what the tag stands for', async () => {
      const digest = image.manifest.descriptor.digest;
      expect(await deleteManifest(`${registry.host}/a`, plain)).to.equal(digest);
      expect(registry.seen.at(-1)?.url).to.equal(`/v2/a/manifests/${digest}`);
      expect(registry.tags.size).to.equal(0);
      expect((await failure(deleteManifest(`${registry.host}/a`, plain))).code).to.equal('ERR_NO_SUCH_IMAGE');
    });

    it('of a tag leaves the rest', async () => {
      await deleteTag(`${registry.host}/a:latest`, plain);
      expect(registry.tags.size).to.equal(0);
      expect(registry.blobs.has(image.manifest.descriptor.digest)).to.equal(true);
      const name = `${registry.host}/a@${image.manifest.descriptor.digest}`;
      expect((await failure(deleteTag(name, plain))).code).to.equal('ERR_INVALID_REFERENCE');
    });

    it('is not for a registry that does not allow it', async () => {
      for (const status of [400, 405]) {
        registry.faults.splice(0, 1, ({ method }, response) => {
          if (method === 'DELETE') sendError(response, status, 'UNSUPPORTED', 'not here');
          return method === 'DELETE';
        });
        const error = await failure(deleteManifest(`${registry.host}/a`, plain));
        expect(error.code).to.equal('ERR_UNSUPPORTED');
        expect(error.hint).to.include('REGISTRY_STORAGE_DELETE_ENABLED');
      }
    });
  });

  describe('referrers', () => {
    const type = 'application/vnd.example.sbom';
    function artifact(n: number, artifactType: string | undefined = type): RawManifest {
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA.ociManifest,
          ...(artifactType !== '' && { artifactType }),
          config: image.config.descriptor,
          layers: [],
          subject: image.manifest.descriptor,
          annotations: { n: String(n) },
        }),
      );
      return { bytes, mediaType: MEDIA.ociManifest, digest: digestOf(bytes) };
    }
    const put = (raw: RawManifest): Promise<void> =>
      pushWhole(sinkTo(registry, `a@${raw.digest}`), [], { top: raw });
    const tag = (): string => image.manifest.descriptor.digest.replace(':', '-');
    const found = (artifactType?: string): Promise<Descriptor[]> =>
      referrers(`${registry.host}/a`, { ...plain, ...(artifactType !== undefined && { artifactType }) });

    it('are listed by the tag where the registry keeps no list, each once', async () => {
      await put(artifact(1));
      await put(artifact(2, ''));
      await put(artifact(1));
      const all = await found();
      expect(all.map(({ digest }) => digest)).to.deep.equal([artifact(1).digest, artifact(2, '').digest]);
      expect(all.map(({ artifactType }) => artifactType)).to.deep.equal([type, MEDIA.ociConfig]);
      expect(all[0]?.annotations).to.deep.equal({ n: '1' });
      expect(await found(type)).to.have.length(1);
      await deleteManifest(`${registry.host}/a@${artifact(1).digest}`, plain);
      expect((await found()).map(({ digest }) => digest)).to.deep.equal([artifact(2, '').digest]);
    });

    it('written by others at the same time are kept', async () => {
      let once = true;
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA.ociIndex,
          manifests: [{ mediaType: MEDIA.ociManifest, digest: artifact(7).digest, size: 5 }],
        }),
      );
      registry.faults.push(({ method, url }) => {
        // Somebody else writes after us, without having seen ours.
        if (method !== 'GET' || !url.endsWith(tag()) || !registry.tags.has(tag()) || !once) return;
        once = false;
        registry.blobs.set(digestOf(bytes), bytes);
        registry.types.set(digestOf(bytes), MEDIA.ociIndex);
        registry.tags.set(tag(), digestOf(bytes));
      });
      await put(artifact(1));
      expect((await found()).map(({ digest }) => digest)).to.deep.equal([
        artifact(7).digest,
        artifact(1).digest,
      ]);
    });

    it('are left to a registry that keeps the list, and its choice is checked', async () => {
      registry.uploads.referrers = true;
      await put(artifact(1));
      expect(registry.tags.has(tag())).to.equal(false);
      registry.faults.push(({ url }, response) => {
        if (!url.includes('/referrers/')) return false;
        const page = url.includes('page=1') ? 1 : 0;
        const manifests = [page, page + 5].map((n) => ({
          mediaType: MEDIA.ociManifest,
          digest: artifact(n).digest,
          size: 1,
          artifactType: n === 5 ? 'other/type' : type,
        }));
        response.setHeader('content-type', MEDIA.ociIndex);
        if (page === 0) response.setHeader('link', `<${url.split('?')[0]}?page=1>; rel="next"`);
        response.end(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
        return true;
      });
      expect(await found()).to.have.length(4);
      expect(await found(type)).to.have.length(3);
      expect(registry.requests(/artifactType=application%2Fvnd.example.sbom$/)).to.have.length(1);
    });

    it('are none where the tag stands for something else, which is not overwritten', async () => {
      registry.tags.set(tag(), image.manifest.descriptor.digest);
      expect(await found()).to.deep.equal([]);
      expect((await failure(put(artifact(1)))).code).to.equal('ERR_REGISTRY');
      expect(registry.tags.get(tag())).to.equal(image.manifest.descriptor.digest);
    });
  });

  describe('signatures', () => {
    const signature = (n: number): Signature => ({
      kind: 'sigstore',
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      payload: Buffer.from(`payload ${n}`),
      annotations: { 'dev.cosignproject.cosign/signature': `${n}` },
    });
    const simple: Signature = { kind: 'simple', bytes: Buffer.from('openpgp') };
    const sign = (signatures: Signature[], options = {}): Promise<void> =>
      pushWhole(sinkTo(registry, 'a:1', { sigstoreAttachments: true, ...options }), [image], {
        signatures: new Map([[image.manifest.descriptor.digest, signatures]]),
      });
    async function read(options = {}): Promise<readonly Signature[]> {
      const source = registrySource(`${registry.host}/a:1`, {
        ...plain,
        sigstoreAttachments: true,
        ...options,
      });
      try {
        return (await source.signatures?.(image.manifest.descriptor.digest)) ?? [];
      } finally {
        await source.close();
      }
    }

    it('of sigstore are attached beside those that are there, before the name is', async () => {
      await sign([signature(1)]);
      await sign([signature(1), signature(2)]);
      expect(await read()).to.deep.equal([signature(1), signature(2)]);
      expect(await read({ sigstoreAttachments: false })).to.deep.equal([]);
      const puts = registry.requests(/manifests/).filter(({ method }) => method === 'PUT');
      expect(puts.map(({ url }) => url.split('/').at(-1)?.slice(-4))).to.deep.equal([
        '.sig',
        '1',
        '.sig',
        '1',
      ]);
    });

    it('of another kind go beside the registry, or are refused before anything is written', async () => {
      const error = await failure(sign([simple]));
      expect(error.code).to.equal('ERR_UNSUPPORTED');
      expect((await failure(sign([signature(1)], { sigstoreAttachments: false }))).code).to.equal(
        'ERR_UNSUPPORTED',
      );
      expect(registry.tags.has('1')).to.equal(false);
      const kept = new Map<string, readonly Buffer[]>();
      const lookaside: Lookaside = {
        read: async (reference, digest) => kept.get(`${reference.path}@${digest}`) ?? [],
        write: async (reference, digest, signatures) =>
          void kept.set(`${reference.path}@${digest}`, signatures),
      };
      await sign([simple, signature(3)], { lookaside });
      expect(await read({ lookaside })).to.deep.equal([simple, signature(3)]);
    });

    it('are bounded in number and size', async () => {
      const name = `${image.manifest.descriptor.digest.replace(':', '-')}.sig`;
      const layer = (size: number): Descriptor => ({
        mediaType: 'a/b',
        digest: digestOf(Buffer.from('x')),
        size,
      });
      for (const layers of [Array<Descriptor>(33).fill(layer(1)), [layer(4 * 1024 * 1024 + 1)]]) {
        const bytes = Buffer.from(
          JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociManifest, config: layer(1), layers }),
        );
        registry.blobs.set(digestOf(bytes), bytes);
        registry.types.set(digestOf(bytes), MEDIA.ociManifest);
        registry.tags.set(name, digestOf(bytes));
        expect((await failure(read())).code).to.equal('ERR_INVALID_IMAGE');
      }
    });
  });

  it('ping says where the registry is, and whether we are let in', async () => {
    expect(await ping(registry.host, plain)).to.equal(registry.origin);
    registry.faults.push(({ headers }, response) => {
      if (headers.authorization !== undefined) return false;
      sendError(response, 401, 'UNAUTHORIZED', 'who', { 'www-authenticate': 'Basic realm="x"' });
      return true;
    });
    expect((await failure(ping(registry.host, plain))).code).to.equal('ERR_UNAUTHORIZED');
    await ping(registry.host, { ...plain, credentials });
    registry.faults.splice(0, 1, (_seen, response) => {
      response.writeHead(200, { 'docker-distribution-api-version': 'registry/1.0' }).end();
      return true;
    });
    expect((await failure(ping(registry.host, plain))).code).to.equal('ERR_REGISTRY');
  });

  describe('one download', () => {
    beforeEach(() => registry.add([large], 'large'));

    it('serves all who ask for the same blob at the same time, however slow they are', async () => {
      const { descriptor, bytes } = large.layers[0] as TestImage['layers'][0];
      const source = registrySource(`${registry.host}/a`, plain);
      const streams = await Promise.all([1, 2, 3].map(() => source.blob(descriptor)));
      const none = (): Error => new Error('too large');
      for (const stream of streams)
        expect((await readAll(stream, Infinity, none)).equals(bytes)).to.equal(true);
      expect(registry.requests(/blobs/)).to.have.length(1);
      expect((await readAll(await source.blob(descriptor), Infinity, none)).equals(bytes)).to.equal(true);
      expect(registry.requests(/blobs/)).to.have.length(2);
      await source.close();
    });

    it('goes on when one of them goes away, and ends when all do', async () => {
      const { descriptor, bytes } = large.layers[0] as TestImage['layers'][0];
      const source = registrySource(`${registry.host}/a`, plain);
      const abort = new AbortController();
      const [first, second] = await Promise.all([
        source.blob(descriptor, { signal: abort.signal }),
        source.blob(descriptor),
      ]);
      const gone = readAll(first as never, Infinity, () => new Error('too large')).catch(
        (error: unknown) => error,
      );
      abort.abort(new Error('enough'));
      expect(await gone).to.have.property('message', 'enough');
      const whole = await readAll(second, Infinity, () => new Error('too large'));
      expect(whole.equals(bytes)).to.equal(true);
      await source.close();
    });

    it('ends when it takes too long in all, though bytes come all the time', async () => {
      registry.faults.push(({ url }, response) => {
        if (!url.includes('blobs')) return false;
        response.writeHead(200);
        const drip = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(drip));
        return true;
      });
      const source = registrySource(`${registry.host}/a`, { ...plain, timeout: 300, stallTimeout: 5000 });
      const stream = await source.blob(large.layers[0]?.descriptor as Descriptor);
      const error = await failure(readAll(stream, Infinity, () => new Error('too large')));
      expect(error.code).to.equal('ERR_TIMEOUT');
      expect(error.message).to.include('0.3 s');
      await source.close();
    });
  });
});
