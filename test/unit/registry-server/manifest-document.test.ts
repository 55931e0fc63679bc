import { expect } from 'chai';
import { readManifest } from '../../../lib/registry-server/manifest-document.js';
import { Refusal } from '../../../lib/registry-server/refusal.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const config = { mediaType: MEDIA.ociConfig, digest: digest('a'), size: 1 };
const layer = { mediaType: MEDIA.ociLayerGzip, digest: digest('b'), size: 2 };
const foreign = {
  mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  digest: digest('c'),
  size: 3,
};
const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('registry-server/manifest-document', () => {
  it('knows what an image needs', () => {
    const image = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [layer, foreign] };
    const document = readManifest(bytes(image), `${MEDIA.ociManifest}; charset=utf-8`);
    expect(document.mediaType).to.equal(MEDIA.ociManifest);
    expect(document.required).to.deep.equal([config.digest, layer.digest]);
    expect(document.references.map((one) => one.digest)).to.deep.equal(
      [config, layer, foreign].map((one) => one.digest),
    );
    expect(document.artifactType).to.equal(MEDIA.ociConfig);
    expect(document.subject).to.equal(undefined);
  });

  it('takes the words of an artifact, and null for nothing', () => {
    const artifact = {
      schemaVersion: 2,
      artifactType: 'application/x-test',
      config,
      layers: null,
      subject: { mediaType: MEDIA.ociManifest, digest: digest('d'), size: 4 },
      annotations: { a: 'b' },
    };
    const document = readManifest(bytes(artifact), undefined);
    expect(document).to.include({
      mediaType: MEDIA.ociManifest,
      artifactType: 'application/x-test',
      subject: digest('d'),
    });
    expect(document.annotations).to.deep.equal({ a: 'b' });
  });

  it('asks for none of the manifests of an index', () => {
    const index = {
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [{ ...layer, mediaType: MEDIA.ociManifest }],
    };
    const document = readManifest(bytes(index), MEDIA.ociIndex);
    expect(document.required).to.deep.equal([]);
    expect(document.references).to.have.length(1);
    expect(document.artifactType).to.equal(undefined);
  });

  it('keeps what it does not know, of whatever bytes', () => {
    for (const content of ['', 'no json', '[]', '{"schemaVersion":7}', '{"a":1,"a":2}']) {
      const document = readManifest(bytes(content), 'application/vnd.example+json');
      expect(document).to.include({ mediaType: 'application/vnd.example+json' });
      expect(document.required).to.deep.equal([]);
    }
    const artifact = { blobs: [layer], subject: config, artifactType: 'a/b' };
    const document = readManifest(bytes(artifact), 'application/vnd.example+json');
    expect(document.subject).to.equal(config.digest);
    expect(document.references.map((one) => one.digest)).to.deep.equal([layer.digest]);
  });

  const image = { schemaVersion: 2, config, layers: [] };
  const refused: [string, unknown, string | undefined][] = [
    ['no JSON', '{', MEDIA.ociManifest],
    ['no object', '[]', MEDIA.ociManifest],
    ['nothing', '', undefined],
    ['a member twice', '{"schemaVersion":2,"schemaVersion":2}', MEDIA.ociManifest],
    ['another type than it came as', { ...image, mediaType: MEDIA.ociIndex }, MEDIA.ociManifest],
    ['an image that is an index too', { ...image, manifests: [] }, MEDIA.ociManifest],
    ['an index that is an image too', { schemaVersion: 2, manifests: [], layers: [] }, MEDIA.ociIndex],
    ['schema 1', { schemaVersion: 1 }, MEDIA.dockerSchema1Signed],
    ['another schema', { ...image, schemaVersion: 3 }, MEDIA.ociManifest],
    ['no configuration', { schemaVersion: 2, layers: [] }, MEDIA.ociManifest],
    ['a digest that is none', { ...image, config: { ...config, digest: 'sha256:../..' } }, MEDIA.ociManifest],
    ['a size that is none', { ...image, layers: [{ ...layer, size: -1 }] }, MEDIA.ociManifest],
    ['layers that are no list', { ...image, layers: {} }, MEDIA.ociManifest],
    ['a subject that is none', { ...image, subject: 'x' }, MEDIA.ociManifest],
    ['annotations that are no texts', { ...image, annotations: { a: 1 } }, MEDIA.ociManifest],
    ['a media type that is none', image, 'not a type'],
    ['a depth without end', '{"a":'.repeat(100), MEDIA.ociManifest],
  ];
  for (const [what, content, type] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => readManifest(bytes(content), type))
        .to.throw(Refusal)
        .with.property('code', 'MANIFEST_INVALID');
    });
  }
});
