import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Digest } from '../../../lib/oci/types.js';
import { registrySource } from '../../../lib/registry/source.js';
import { FakeRegistry } from '../../support/fake-registry.js';
import { makeImage, makeIndex, type TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure } from '../../support/memory-source.js';
import { CANARY, expectNoLeak, useFakeRegistry } from '../../support/fake-pull.js';

describe('registry source: bytes', () => {
  const fake = useFakeRegistry();
  const { pull } = fake;
  let registry: FakeRegistry;
  let image: TestImage;
  beforeEach(() => {
    ({ registry, image } = fake);
  });

  it('pulls an image, each blob once, and asks for nothing else', async () => {
    const result = await pull();
    expect(result.manifest.bytes).to.deep.equal(image.manifest.bytes);
    expect(registry.requests(/blobs/)).to.have.length(4);
    expect(registry.seen).to.have.length(5);
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
