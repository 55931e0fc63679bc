import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import { parseImageConfig } from '../../../lib/oci/config.js';
import { parseManifest } from '../../../lib/oci/manifest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const descriptor = { mediaType: MEDIA.ociLayerGzip, digest: DIGEST, size: 7 };
const config = { mediaType: MEDIA.ociConfig, digest: DIGEST, size: 7 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [descriptor] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA.ociIndex,
  manifests: [{ ...descriptor, mediaType: MEDIA.ociManifest }],
};
const image = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [DIGEST] } };

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

function refuses(value: unknown, contentType?: string, code = 'ERR_INVALID_IMAGE'): void {
  expect(() => parseManifest(bytes(value), contentType), JSON.stringify(value).slice(0, 100))
    .to.throw(VainaError)
    .with.property('code', code);
}

describe('oci manifest', () => {
  it('tells manifests and indexes apart, with or without a type', () => {
    expect(parseManifest(bytes(manifest)).kind).to.equal('manifest');
    expect(parseManifest(bytes(index)).kind).to.equal('index');
    for (const type of ['', 'text/plain; charset=utf-8', 'application/json', MEDIA.ociManifest]) {
      const silent = { ...manifest, mediaType: undefined };
      expect(parseManifest(bytes(silent), type)).to.include({
        kind: 'manifest',
        mediaType: MEDIA.ociManifest,
      });
    }
    const docker = { ...manifest, mediaType: MEDIA.dockerManifest };
    expect(parseManifest(bytes(docker), `${MEDIA.dockerManifest.toUpperCase()} ; q=1`).mediaType).to.equal(
      MEDIA.dockerManifest,
    );
    expect(parseManifest(bytes({ ...index, mediaType: MEDIA.dockerList })).kind).to.equal('index');
  });

  it('keeps members that it does not know', () => {
    const parsed = parseManifest(
      bytes({ ...manifest, extra: { a: 1 }, layers: [{ ...descriptor, other: [1] }] }),
    );
    if (parsed.kind !== 'manifest') throw new Error('not a manifest');
    expect(parsed.manifest).to.deep.include({ extra: { a: 1 } });
    expect(parsed.manifest.layers[0]).to.deep.include({ other: [1] });
  });

  it('refuses a body that can be read as something else, under every type', () => {
    const both = { ...manifest, manifests: index.manifests };
    const types = [undefined, ...Object.values(MEDIA).filter((type) => /manifest|index|list/.test(type))];
    for (const type of types) {
      for (const mediaType of [
        undefined,
        MEDIA.ociManifest,
        MEDIA.ociIndex,
        MEDIA.dockerManifest,
        MEDIA.dockerList,
      ]) {
        expect(() => parseManifest(bytes({ ...both, mediaType }), type)).to.throw(VainaError);
      }
    }
    refuses(manifest, MEDIA.ociIndex);
    refuses(index, MEDIA.ociManifest);
    refuses(manifest, MEDIA.dockerManifest);
    refuses({ ...manifest, mediaType: undefined }, MEDIA.dockerManifest);
    refuses({ ...manifest, mediaType: undefined }, MEDIA.ociIndex);
    refuses({ ...manifest, manifests: null });
    refuses({ schemaVersion: 2 });
  });

  it('refuses a member that is there twice or in another case', () => {
    const text = JSON.stringify(manifest);
    refuses(text.replace('"layers":', '"layers":[],"layers":'));
    refuses(text.replace('"layers":', '"layers":[],"l\\u0061yers":'));
    refuses(text.replace('"size":7', '"size":7,"size":8'));
    refuses(text.replace('"layers":', '"Layers":[],"layers":'));
    refuses(text.replace('"digest":', '"Digest":"x","digest":'));
    expect(parseManifest(bytes({ ...manifest, annotations: { a: 'x', A: 'y' } })).kind).to.equal('manifest');
  });

  it("refuses Docker's schema 1 and what is no image", () => {
    refuses({ schemaVersion: 1, name: 'a', fsLayers: [] }, undefined, 'ERR_UNSUPPORTED');
    refuses(manifest, MEDIA.dockerSchema1Signed, 'ERR_UNSUPPORTED');
    refuses({ ...manifest, mediaType: MEDIA.dockerSchema1 }, undefined, 'ERR_UNSUPPORTED');
    refuses({ ...manifest, mediaType: 'application/vnd.example' }, undefined, 'ERR_UNSUPPORTED');
    refuses(manifest, 'text/html', 'ERR_UNSUPPORTED');
  });

  it('refuses null, missing, negative and huge', () => {
    for (const value of [
      '',
      'null',
      '[]',
      '1',
      '"x"',
      '{',
      '\ufeff{}',
      Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'),
    ])
      refuses(value);
    expect(() => parseManifest(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).to.throw(VainaError);
    for (const size of [-1, 1.5, 2 ** 53, '7', null, undefined])
      refuses({ ...manifest, layers: [{ ...descriptor, size }] });
    for (const digest of [
      '',
      'sha256:',
      `sha256:${'AB'.repeat(32)}`,
      `sha256:../${'a'.repeat(61)}`,
      `sha256:${'a'.repeat(63)}`,
      `sha256:x:${'a'.repeat(62)}`,
      `${DIGEST}\n`,
      null,
      5,
    ]) {
      refuses({ ...manifest, layers: [{ ...descriptor, digest }] });
      refuses({ ...manifest, config: { ...config, digest } });
      refuses({ ...index, manifests: [{ ...index.manifests[0], digest }] });
      refuses({ ...manifest, subject: { ...descriptor, digest } });
      if (digest !== null)
        expect(() =>
          parseImageConfig(bytes({ ...image, rootfs: { type: 'layers', diff_ids: [digest] } })),
        ).to.throw(VainaError);
    }
    refuses({ ...manifest, config: null });
    refuses({ ...manifest, layers: null });
    refuses({ ...manifest, layers: {} });
    refuses({ ...manifest, layers: [null] });
    refuses({ ...manifest, layers: Array.from({ length: 500 }, () => descriptor) });
    refuses({ ...index, manifests: Array.from({ length: 1001 }, () => index.manifests[0]) });
    refuses({ ...manifest, annotations: { big: 'x'.repeat(4 * 1024 * 1024) } });
    refuses(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
    refuses({ ...manifest, layers: [{ ...descriptor, mediaType: 'not a type' }] });
    refuses({ ...manifest, annotations: { a: 1 } });
    refuses({ ...index, manifests: [{ ...index.manifests[0], platform: { os: 'linux' } }] });
    const many = { ...manifest, layers: Array.from({ length: 127 }, () => descriptor) };
    expect(parseManifest(bytes(many)).kind).to.equal('manifest');
  });

  it('gives a manifest or a typed error for any JSON of its shape', () => {
    const any = fc.jsonValue({ maxDepth: 2 });
    const maybe = <T>(value: T): fc.Arbitrary<unknown> => fc.oneof(fc.constant(value), any);
    const shape = fc.record(
      {
        schemaVersion: maybe(2),
        mediaType: fc.oneof(fc.constantFrom<unknown>(...Object.values(MEDIA)), any),
        config: fc.oneof(
          fc.record({ mediaType: maybe(MEDIA.ociConfig), digest: maybe(DIGEST), size: maybe(7) }),
          any,
        ),
        layers: fc.oneof(
          fc.array(fc.record({ mediaType: maybe(MEDIA.ociLayer), digest: maybe(DIGEST), size: maybe(1) })),
          any,
        ),
        manifests: maybe(index.manifests),
        annotations: maybe({ a: 'b' }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(shape, fc.constantFrom('', ...Object.values(MEDIA)), (value, type) => {
        try {
          parseManifest(bytes(value), type);
        } catch (error) {
          expect(VainaError.is(error), String(error)).to.equal(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is not moved by the names of Object.prototype', () => {
    const text = JSON.stringify({ ...manifest, annotations: { z: 'z' } }).replace(
      '"z":"z"',
      '"__proto__":"p","constructor":"c"',
    );
    const parsed = parseManifest(bytes(text));
    if (parsed.kind !== 'manifest') throw new Error('not a manifest');
    const annotations = parsed.manifest.annotations ?? {};
    expect(Object.keys(annotations)).to.deep.equal(['__proto__', 'constructor']);
    expect('toString' in annotations).to.equal(false);
    expect(({} as Record<string, unknown>)['p']).to.equal(undefined);
  });
});

describe('oci config', () => {
  it("reads Docker's configuration, leaves null away and keeps the rest", () => {
    const parsed = parseImageConfig(
      bytes({
        ...image,
        variant: '',
        container: 'x',
        config: {
          Env: null,
          Cmd: null,
          Entrypoint: ['/e'],
          Labels: { a: null, b: 'c' },
          ExposedPorts: { '80/tcp': {} },
          Volumes: null,
          Hostname: 'h',
          Healthcheck: { Test: ['NONE'] },
        },
        history: [{ created_by: 'x' }, { empty_layer: true, comment: null }],
      }),
    );
    expect(parsed.config).to.have.keys('Entrypoint', 'Labels', 'ExposedPorts', 'Hostname', 'Healthcheck');
    expect({ ...parsed.config?.Labels }).to.deep.equal({ a: '', b: 'c' });
    expect(parsed).to.include({ container: 'x' }).and.not.have.property('variant');
    expect(parsed.history).to.deep.equal([{ created_by: 'x' }, { empty_layer: true }]);
  });

  it('refuses what is malformed', () => {
    const values = [
      { ...image, rootfs: undefined },
      { ...image, rootfs: { type: 'other', diff_ids: [] } },
      { ...image, rootfs: { type: 'layers' } },
      { ...image, os: undefined },
      { ...image, architecture: 5 },
      { ...image, config: [] },
      { ...image, config: { Env: 'A=b' } },
      { ...image, config: { Env: [1] } },
      { ...image, config: { Cmd: ['a\0b'] } },
      { ...image, config: { User: 0 } },
      { ...image, config: { User: 'a\0' } },
      { ...image, config: { Volumes: ['/a'] } },
      { ...image, config: { ExposedPorts: { a: 1 } } },
      { ...image, config: { Labels: { a: 1 } } },
      { ...image, config: { Healthcheck: 'x' } },
      { ...image, history: {} },
      { ...image, history: [{ empty_layer: 1 }] },
      { ...image, created: 5 },
      { ...image, rootfs: { type: 'layers', diff_ids: Array.from({ length: 500 }, () => DIGEST) } },
    ];
    for (const value of values) {
      expect(() => parseImageConfig(bytes(value)), JSON.stringify(value).slice(0, 80))
        .to.throw(VainaError)
        .with.property('code', 'ERR_INVALID_IMAGE');
    }
    expect(() => parseImageConfig(Buffer.alloc(5 * 1024 * 1024, ' '))).to.throw(VainaError);
  });
});
