import { expect } from 'chai';
import { copyImage, type CopyImageOptions } from '../../../lib/transports/copy-image.js';
import { FakeRegistry, sendError } from '../../support/fake-registry.js';
import { makeImage, type TestImage } from '../../support/images.js';

describe('transports: from registry to registry', () => {
  let registry: FakeRegistry;
  let image: TestImage;
  before(async () => {
    image = await makeImage();
  });
  beforeEach(async () => {
    registry = await FakeRegistry.start();
    registry.add([image]);
    // The repositories have nothing in common, but that one may be mounted from.
    registry.faults.push(({ method, url }, response) => {
      const missing = method === 'HEAD' && url.startsWith('/v2/to/');
      if (missing) sendError(response, 404, 'BLOB_UNKNOWN', 'not here');
      return missing;
    });
    registry.uploads.mountable.add('from/here');
  });
  afterEach(() => registry.stop());

  const plain = { tlsVerify: false, registries: false, anonymous: true } as const;
  const options: CopyImageOptions = { insecurePolicy: true, source: plain, destination: plain };
  const sent = (): string[] =>
    registry.seen.filter(({ method }) => method === 'PUT' || method === 'PATCH').map(({ url }) => url);

  it('uploads nothing that another repository of the registry has', async () => {
    const { host } = registry;
    await copyImage(`docker://${host}/from/here`, `docker://${host}/to/me:1`, options);
    expect(sent()).to.deep.equal(['/v2/to/me/manifests/1']);
    expect(registry.tags.get('1')).to.equal(image.manifest.descriptor.digest);
    expect(registry.requests(/blobs\/uploads\/\?mount=.*from=from%2Fhere/)).to.have.length(
      image.layers.length + 1,
    );
    expect(
      registry.requests(/\/v2\/from\/here\/blobs\//).filter(({ method }) => method === 'GET'),
    ).to.have.length(
      // The configuration is read to be checked; the layers stay where they are.
      1,
    );
  });

  it('asks no other registry to mount', async () => {
    const other = await FakeRegistry.start('127.0.0.2');
    try {
      await copyImage(`docker://${registry.host}/from/here`, `docker://${other.host}/to/me:1`, options);
      expect(other.requests(/mount=/)).to.deep.equal([]);
      expect(other.tags.get('1')).to.equal(image.manifest.descriptor.digest);
    } finally {
      await other.stop();
    }
  });
});
