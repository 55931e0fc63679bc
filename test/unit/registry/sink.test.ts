import { Readable } from 'node:stream';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Descriptor, RawManifest } from '../../../lib/oci/types.js';
import { registrySink } from '../../../lib/registry/sink.js';
import { demandToken, FakeRegistry, sendError } from '../../support/fake-registry.js';
import { useFakeRegistry } from '../../support/fake-pull.js';
import { push, pushWhole, sinkTo } from '../../support/fake-push.js';
import { descriptorOf, makeImage, makeIndex, type TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';

describe('registry sink', () => {
  const fake = useFakeRegistry();
  let registry: FakeRegistry;
  let image: TestImage;
  let large: TestImage;
  beforeEach(async () => {
    ({ image, large } = fake);
    registry = await fake.another();
  });

  const methods = (): string[] => registry.seen.map(({ method, url }) => `${method} ${url.split(/[?:]/)[0]}`);
  const data = { kind: 'data' } as const;

  function rawOf({ bytes, descriptor }: { bytes: Buffer; descriptor: Descriptor }): RawManifest {
    return { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest };
  }

  it('writes the blobs, then the manifest under its name, and no blob a second time', async () => {
    await push(registry, image, { name: 'a/b' });
    expect(registry.tags.get('latest')).to.equal(image.manifest.descriptor.digest);
    expect(registry.blobs.get(image.manifest.descriptor.digest)?.equals(image.manifest.bytes)).to.equal(true);
    for (const { bytes, descriptor } of image.layers)
      expect(registry.blobs.get(descriptor.digest)?.equals(bytes)).to.equal(true);
    expect(registry.types.get(image.manifest.descriptor.digest)).to.equal(MEDIA.ociManifest);
    expect(methods().at(-1)).to.equal('PUT /v2/a/b/manifests/latest');
    expect(methods().filter((each) => each.startsWith('POST'))).to.have.length(4);
    registry.seen.length = 0;
    await push(registry, image, { name: 'a/b:2' });
    expect(methods().filter((each) => !each.startsWith('HEAD') && each !== 'GET /v2/')).to.deep.equal([
      'PUT /v2/a/b/manifests/2',
    ]);
  });

  it('keeps the query of a Location to the byte, and takes a relative or absolute one', async () => {
    for (const base of ['', registry.origin]) {
      registry.uploads.base = base;
      registry.blobs.clear();
      await push(registry, image);
    }
    for (const { url } of registry.seen.filter(
      ({ method, url }) => method === 'PUT' && url.includes('uploads'),
    ))
      expect(url).to.match(/\?_state=a%20b~&digest=sha256%3A[0-9a-f]{64}$/);
  });

  it('uploads in chunks, not smaller than the registry wants them', async () => {
    const [layer] = large.layers;
    for (const [minimum, chunks] of [
      [0, 4],
      [2_000_000, 2],
    ] as const) {
      registry.blobs.clear();
      registry.seen.length = 0;
      registry.uploads.headers = { 'oci-chunk-min-length': String(minimum) };
      await push(registry, large, { chunkSize: 1024 * 1024 });
      expect(registry.blobs.has(layer?.descriptor.digest ?? '')).to.equal(true);
      expect(registry.seen.filter(({ method }) => method === 'PATCH')).to.have.length(chunks);
    }
  });

  it('writes by digest what is named by digest, and nothing else there', async () => {
    const { digest } = image.manifest.descriptor;
    await push(registry, image, { name: `a@${digest}` });
    expect(methods().at(-1)).to.equal('PUT /v2/a/manifests/sha256');
    expect(registry.tags.size).to.equal(0);
    expect((await failure(push(registry, large, { name: `a@${digest}` }))).code).to.equal(
      'ERR_DIGEST_MISMATCH',
    );
    expect(registry.blobs.has(large.manifest.descriptor.digest)).to.equal(false);
  });

  it('writes an index after all that is below it, the deepest first', async () => {
    const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const inner = makeIndex([arm]);
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.ociIndex,
        manifests: [image.manifest.descriptor, inner.descriptor],
      }),
    );
    const middle = { bytes, descriptor: descriptorOf(bytes, MEDIA.ociIndex) };
    const outer = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [middle.descriptor] }),
    );
    const top = rawOf({ bytes: outer, descriptor: descriptorOf(outer, MEDIA.ociIndex) });
    await pushWhole(sinkTo(registry, 'multi:1'), [image, arm], {
      top,
      indexes: [rawOf(middle), rawOf(inner)],
    });
    const puts = registry.seen.filter(({ method, url }) => method === 'PUT' && url.includes('manifests'));
    expect(puts.map(({ bytes }) => digestOf(bytes)).slice(2)).to.deep.equal([
      inner.descriptor.digest,
      middle.descriptor.digest,
      top.digest,
    ]);
    expect(puts.at(-1)?.url).to.equal('/v2/multi/manifests/1');
    expect(puts.at(-1)?.headers['content-type']).to.equal(MEDIA.ociIndex);
  });

  it('takes sha512 digests, and tells the registry beforehand', async () => {
    const bytes = Buffer.from('some bytes');
    const descriptor = { mediaType: 'text/plain', digest: digestOf(bytes, 'sha512'), size: bytes.length };
    const sink = sinkTo(registry, 'a');
    await sink.putBlob(descriptor, Readable.from([bytes]), data);
    const raw = { ...rawOf(image.manifest), digest: digestOf(image.manifest.bytes, 'sha512') };
    await sink.commit({ top: raw, manifests: [], indexes: [], signatures: new Map() });
    await sink.close();
    expect(registry.blobs.get(descriptor.digest)?.toString()).to.equal('some bytes');
    expect(registry.requests(/digest-algorithm=sha512/)).to.have.length(1);
    expect(registry.blobs.has(raw.digest)).to.equal(true);
    expect(registry.tags.get('latest')).to.equal(image.manifest.descriptor.digest);
  });

  it('mounts what another repository of the registry has', async () => {
    registry.add([image]);
    registry.faults.push(({ method }, response) => {
      if (method === 'HEAD') sendError(response, 404, 'BLOB_UNKNOWN', 'not here');
      return method === 'HEAD';
    });
    registry.uploads.mountable.add('from/here');
    const mountFrom = [
      'other.example/from/here',
      `${registry.host}/no/thing`,
      `${registry.host}/from/here:5`,
    ];
    await push(registry, image, { mountFrom });
    expect(registry.requests(/from=other/)).to.deep.equal([]);
    expect(registry.requests(/from=no%2Fthing/)).to.have.length(4);
    expect(registry.requests(/from=from%2Fhere/)).to.have.length(4);
    expect(
      registry.seen.filter(({ method, url }) => method === 'PUT' && url.includes('uploads')),
    ).to.deep.equal([]);
    expect(registry.uploads.open).to.equal(0);
  });

  it('uploads into what the registry opens where it does not mount', async () => {
    await push(registry, image, { mountFrom: [`${registry.host}/no/thing`] });
    expect(registry.seen.filter(({ method }) => method === 'POST')).to.have.length(4);
    expect(registry.tags.size).to.equal(1);
    registry.blobs.clear();
    registry.faults.push(({ url }, response) => {
      if (url.includes('mount=')) sendError(response, 403, 'DENIED', 'not yours');
      return url.includes('mount=');
    });
    await push(registry, image, { mountFrom: [`${registry.host}/no/thing`] });
    expect(registry.blobs.has(image.config.descriptor.digest)).to.equal(true);
  });

  it('asks for the scopes of what it does', async () => {
    const server = await fake.another();
    server.faults.push(({ url }, response) => {
      if (!url.startsWith('/token')) return false;
      response.end(JSON.stringify({ token: url.includes('%3Apull&') ? 'both' : 'one' }));
      return true;
    });
    registry.faults.push(demandToken(`${server.origin}/token`, () => true));
    await push(registry, image, { name: 'to/me', mountFrom: [`${registry.host}/from/here`] });
    const scopes = server
      .requests(/token/)
      .map(({ url }) => new URL(url, server.origin).searchParams.getAll('scope'));
    expect(scopes).to.deep.include(['repository:to/me:pull,push']);
    expect(scopes).to.deep.include(['repository:to/me:pull,push', 'repository:from/here:pull']);
    expect(scopes).to.have.length(2);
  });

  it('puts the same blob once, however many ask at the same time', async () => {
    const { descriptor, bytes } = large.layers[0] as TestImage['layers'][0];
    const sink = sinkTo(registry, 'a');
    const contents = [1, 2, 3].map(() => Readable.from([bytes]));
    await Promise.all(contents.map((content) => sink.putBlob(descriptor, content, data)));
    expect(contents.every(({ readableEnded }) => readableEnded)).to.equal(true);
    expect(await sink.hasBlob(descriptor, data)).to.equal(true);
    await sink.close();
    expect(registry.seen.map(({ method }) => method)).to.deep.equal(['POST', 'PUT']);
  });

  it('closes no upload of wrong bytes, and cancels it', async () => {
    for (const { descriptor, bytes } of [image.config, large.layers[0] as TestImage['layers'][0]]) {
      for (const wrong of [
        Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]),
        bytes.subarray(1),
        Buffer.concat([bytes, bytes.subarray(0, 1)]),
      ]) {
        const sink = sinkTo(registry, 'a');
        const error = await failure(sink.putBlob(descriptor, Readable.from([wrong]), data));
        await sink.close();
        expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
        expect([registry.blobs.size, registry.uploads.open]).to.deep.equal([0, 0]);
      }
    }
  });

  it('passes on why the source failed', async () => {
    const sink = sinkTo(registry, 'a');
    const broken = new Error('the disk is gone');
    const content = Readable.from(
      (function* () {
        yield Buffer.alloc(1000);
        throw broken;
      })(),
    );
    const error: unknown = await sink
      .putBlob(large.layers[0]?.descriptor as Descriptor, content, data)
      .catch((error: unknown) => error);
    await sink.close();
    expect(error).to.equal(broken);
    expect(registry.uploads.open).to.equal(0);
  });

  it('refuses what the registry says that it has stored in place of it', async () => {
    const other = digestOf(Buffer.from('other'));
    registry.faults.push(({ method, url }, response) => {
      if (method !== 'PUT' || !url.includes('manifests')) return false;
      response.writeHead(201, { 'docker-content-digest': other }).end();
      return true;
    });
    const error = await failure(push(registry, image));
    expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
    expect(error.message).to.include(other);
  });

  it('checks its options', () => {
    for (const options of [{ chunkSize: 0 }, { chunkSize: 1.5 }, { timeout: 0 }, { chunksize: 5 }]) {
      expect(() => registrySink('a', options))
        .to.throw()
        .with.property('code', 'ERR_INVALID_OPTION');
    }
    expect(registrySink('busybox').name).to.equal('docker://docker.io/library/busybox:latest');
  });
});
