import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { copy } from '../../../lib/oci/copy.js';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Descriptor, Digest, Index, Manifest, RawManifest, Signature } from '../../../lib/oci/types.js';
import { descriptorOf, makeImage, makeIndex, tarOf, type TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure, MemorySource } from '../../support/memory-source.js';
import { copyOne } from '../../support/one-image.js';

const signature: Signature = { kind: 'simple', bytes: Buffer.from([0x99, 1, 2]) };

/** A source of one image whose manifest was edited. */
function edited(image: TestImage, edit: (manifest: Manifest) => void): MemorySource {
  const source = MemorySource.of(image);
  const manifest = JSON.parse(image.manifest.bytes.toString()) as Manifest;
  edit(manifest);
  source.top = { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: manifest.mediaType ?? '' };
  return source;
}

/** The source with signatures of these digests. */
function signed(source: MemorySource, ...digests: Digest[]): MemorySource {
  return Object.assign(source, {
    signatures: async (digest: Digest) => (digests.includes(digest) ? [signature] : []),
  });
}

describe('oci copy, converting', () => {
  let image: TestImage;
  let docker: TestImage;
  let plain: TestImage;
  before(async () => {
    const layers = [
      await tarOf([{ name: 'a', content: 'a'.repeat(100_000) }]),
      await tarOf([{ name: 'b', content: 'b' }]),
    ];
    image = await makeImage({ layers });
    docker = await makeImage({ layers, docker: true });
    plain = await makeImage({ layers, compress: 'none' });
  });

  it('changes the format only where the sink refuses it, or when it is asked to', async () => {
    const same = await copyOne(MemorySource.of(docker), new MemorySink());
    expect(same.manifest.digest).to.equal(docker.manifest.descriptor.digest);
    const onlyOci = new MemorySink({ manifests: [MEDIA.ociManifest] });
    const converted = await copyOne(MemorySource.of(docker), onlyOci);
    const manifest = JSON.parse(converted.manifest.bytes.toString()) as Manifest;
    expect(manifest.mediaType).to.equal(MEDIA.ociManifest);
    expect(manifest.config).to.deep.equal({ ...docker.config.descriptor, mediaType: MEDIA.ociConfig });
    expect(manifest.layers.map(({ mediaType }) => mediaType)).to.deep.equal(
      Array(2).fill(MEDIA.ociLayerGzip),
    );
    expect(converted.manifest.digest).to.equal(digestOf(converted.manifest.bytes));
    const back = await copyOne(MemorySource.of(image), new MemorySink(), { format: 'v2s2' });
    expect(back.manifest.mediaType).to.equal(MEDIA.dockerManifest);
    expect(back.manifest.bytes.toString()).to.match(/^\{"schemaVersion":2,"mediaType":"[^"]*docker/);
    expect(back.layers.map(({ digest }) => digest)).to.deep.equal(
      image.layers.map(({ descriptor }) => descriptor.digest),
    );
  });

  it('compresses layers otherwise, verified, and leaves the rest of the descriptor', async () => {
    const source = edited(image, (manifest) => {
      const [first] = manifest.layers;
      (first as Descriptor).annotations = {
        'org.example.kept': '1',
        'io.github.containers.zstd-chunked.manifest-checksum': 'x',
        'containerd.io/snapshot/stargz/toc.digest': 'y',
      };
    });
    const sink = new MemorySink();
    const result = await copyOne(source, sink, { compression: { format: 'zstd', level: 5 } });
    for (const [i, layer] of result.layers.entries()) {
      expect(layer.mediaType).to.equal(MEDIA.ociLayerZstd);
      const bytes = sink.blobs.get(layer.digest) as Buffer;
      expect(layer.size).to.equal(bytes.length);
      expect(
        execFileSync('zstd', ['-dcq'], { input: bytes }).equals(image.layers[i]?.plain as Buffer),
      ).to.equal(true);
    }
    expect(result.layers[0]?.annotations).to.deep.equal({ 'org.example.kept': '1' });
    expect(result.config.bytes).to.deep.equal(image.config.bytes);
  });

  it('decompresses, and gives the same bytes each time it compresses', async () => {
    const sink = new MemorySink();
    const result = await copyOne(MemorySource.of(image), sink, { decompress: true });
    expect(result.layers.map(({ digest, mediaType }) => [digest, mediaType])).to.deep.equal(
      image.layers.map(({ diffId }) => [diffId, MEDIA.ociLayer]),
    );
    const results = [];
    for (const level of [9, 9, 1]) {
      const again = new MemorySink();
      const packed = await copyOne(MemorySource.of(plain), again, { compression: { format: 'gzip', level } });
      results.push(packed.manifest.digest);
      expect(gunzipSync(again.blobs.get(packed.layers[0]?.digest as Digest) as Buffer).length).to.equal(
        plain.layers[0]?.plain.length,
      );
    }
    expect(results[0]).to.equal(results[1]);
    expect(results[0]).not.to.equal(results[2]);
  });

  it('takes layers for what they are, not for what their media type says', async () => {
    const lying = edited(image, (manifest) => {
      for (const layer of manifest.layers) layer.mediaType = MEDIA.ociLayer;
    });
    const result = await copyOne(lying, new MemorySink(), { compression: { format: 'zstd' } });
    expect(result.layers.every(({ mediaType }) => mediaType === MEDIA.ociLayerZstd)).to.equal(true);
  });

  it('refuses a layer whose content is not what the configuration says', async () => {
    const wrong = edited(image, (manifest) => manifest.layers.reverse());
    const sink = new MemorySink();
    const error = await failure(copy(wrong, sink, { decompress: true }));
    expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
    expect(error.message).to.match(/^source memory source: .*decompresses to/);
    expect(sink.blobs.size).to.equal(0);
  });

  it('gives way to digests that must stay where the sink only wishes', async () => {
    const wishes = { compress: 'gzip' } as const;
    const packed = await copyOne(MemorySource.of(plain), new MemorySink(wishes));
    expect(packed.layers[0]?.mediaType).to.equal(MEDIA.ociLayerGzip);
    const kept = await copyOne(MemorySource.of(plain), new MemorySink(wishes), { preserveDigests: true });
    expect(kept.manifest.digest).to.equal(plain.manifest.descriptor.digest);
    const { digest } = plain.manifest.descriptor;
    const source = signed(MemorySource.of(plain), digest);
    const also = await copyOne(source, new MemorySink({ ...wishes, signatures: true }));
    expect(also.manifest.digest).to.equal(digest);
  });

  it('leaves a layer in another compression where the sink has it, unless forced', async () => {
    const sink = new MemorySink();
    for (const { descriptor, bytes } of image.layers) sink.blobs.set(descriptor.digest, bytes);
    const kept = await copyOne(MemorySource.of(image), sink, { compression: { format: 'zstd' } });
    expect(kept.manifest.digest).to.equal(image.manifest.descriptor.digest);
    const again = new MemorySink();
    for (const { descriptor, bytes } of image.layers) again.blobs.set(descriptor.digest, bytes);
    const forced = await copyOne(MemorySource.of(image), again, {
      compression: { format: 'zstd', force: true },
    });
    expect(forced.layers[0]?.mediaType).to.equal(MEDIA.ociLayerZstd);
  });

  it('refuses what cannot or must not be converted, before anything is put', async () => {
    const artifact = edited(image, (manifest) => {
      manifest.artifactType = 'application/vnd.example';
      manifest.config.mediaType = MEDIA.ociEmpty;
    });
    const zstd = await makeImage({ compress: 'zstd' });
    const oci = { manifests: [MEDIA.ociManifest] };
    const cases: [MemorySource, ConstructorParameters<typeof MemorySink>[0], Parameters<typeof copy>[2]][] = [
      [artifact, {}, { format: 'v2s2' }],
      [MemorySource.of(zstd), {}, { format: 'v2s2' }],
      [MemorySource.of(docker), oci, { preserveDigests: true }],
      [MemorySource.of(image), {}, { preserveDigests: true, decompress: true }],
      [MemorySource.of(image), oci, { format: 'v2s2' }],
      [MemorySource.of(image), { layers: ['gzip'] }, { decompress: true }],
      [edited(image, (m) => (m.subject = image.manifest.descriptor)), {}, { format: 'v2s2' }],
      [
        edited(image, (m) => ((m.layers[0] as Descriptor).mediaType = `${MEDIA.ociLayerGzip}+encrypted`)),
        {},
        { format: 'v2s2' },
      ],
      [signed(MemorySource.of(docker), docker.manifest.descriptor.digest), { ...oci, signatures: true }, {}],
    ];
    for (const [i, [source, takes, options]] of cases.entries()) {
      const sink = new MemorySink(takes);
      expect((await failure(copy(source, sink, options))).code, `case ${i}`).to.equal('ERR_UNSUPPORTED');
      expect(sink.order).to.deep.equal([]);
    }
  });

  it('refuses options that contradict each other', async () => {
    const wrong = [
      { images: 'some' },
      { format: 'v1' },
      { compression: { format: 'xz' } },
      { compression: { format: 'gzip', level: 10 } },
      { compression: { format: 'gzip' }, decompress: true },
      { images: 'index-only', decompress: true },
      { concurrency: 1.5 },
    ] as unknown as Parameters<typeof copy>[2][];
    for (const options of wrong) {
      const error = await failure(copy(MemorySource.of(image), new MemorySink(), options));
      expect(error.code, JSON.stringify(options)).to.equal('ERR_INVALID_OPTION');
    }
    for (const options of [
      { format: 'v2s1' },
      { compression: { format: 'zstd:chunked' } },
      { compression: { format: 'zstd' }, format: 'v2s2' },
    ] as unknown as Parameters<typeof copy>[2][]) {
      const error = await failure(copy(MemorySource.of(image), new MemorySink(), options));
      expect(error.code, JSON.stringify(options)).to.equal('ERR_UNSUPPORTED');
    }
  });

  it('copies an artifact as it is, with all that is said of it', async () => {
    const source = edited(image, (manifest) => {
      manifest.artifactType = 'application/vnd.example';
      manifest.config.mediaType = 'application/vnd.example.config';
      manifest.subject = image.manifest.descriptor;
      manifest.annotations = { a: 'b' };
      for (const layer of manifest.layers) layer.mediaType = 'application/vnd.example.file';
    });
    const sink = new MemorySink({ compress: 'gzip' });
    const { top, manifests } = await copy(source, sink);
    expect(top.bytes).to.deep.equal(source.top.bytes);
    expect(manifests[0]?.config).to.equal(undefined);
    expect(sink.roles.map(({ kind }) => kind).sort()).to.deep.equal(['config', 'data', 'data']);
  });

  it('does not move a layer that is kept elsewhere where its URLs are enough', async () => {
    const foreign = (): MemorySource =>
      edited(
        image,
        (manifest) => ((manifest.layers[0] as Descriptor).urls = ['https://elsewhere.example/l']),
      );
    const sink = new MemorySink({ foreignLayers: true });
    const { top } = await copy(foreign(), sink);
    expect(top.bytes).to.deep.equal(foreign().top.bytes);
    expect(sink.blobs.has(image.layers[0]?.descriptor.digest as Digest)).to.equal(false);
    const whole = new MemorySink();
    await copy(foreign(), whole);
    expect(whole.blobs.has(image.layers[0]?.descriptor.digest as Digest)).to.equal(true);
  });

  it('gives a sink that is a stream one blob after another', async () => {
    const sink = new MemorySink({ serial: true, layers: ['none'] });
    await copy(MemorySource.of(image), sink);
    expect(sink.mostOpen).to.equal(1);
  });
});

describe('oci copy of an index', () => {
  let images: TestImage[];
  let index: { bytes: Buffer; descriptor: Descriptor };
  before(async () => {
    const shared = await tarOf([{ name: 'shared', content: 'shared' }]);
    images = [];
    for (const architecture of ['amd64', 'arm64', 's390x']) {
      const own = await tarOf([{ name: architecture, content: architecture }]);
      images.push(await makeImage({ platform: { os: 'linux', architecture }, layers: [shared, own] }));
    }
    index = makeIndex(images);
  });

  const source = (): MemorySource => new MemorySource(images, index);

  it('takes all of it, what is shared only once', async () => {
    const sink = new MemorySink();
    const from = source();
    const { top, manifests, indexes, origin } = await copy(from, sink, { images: 'all' });
    expect(top.bytes).to.deep.equal(index.bytes);
    expect(manifests.map(({ raw }) => raw.digest)).to.have.members(
      images.map(({ manifest }) => manifest.descriptor.digest),
    );
    expect(indexes).to.deep.equal([]);
    expect(origin).to.equal(undefined);
    expect(new Set(from.asked).size).to.equal(from.asked.length);
    expect(sink.order).to.have.length(3 + 4);
  });

  it('takes the index alone', async () => {
    const sink = new MemorySink();
    const { top, manifests } = await copy(source(), sink, { images: 'index-only' });
    expect(top.bytes).to.deep.equal(index.bytes);
    expect(manifests).to.deep.equal([]);
    expect(sink.order).to.deep.equal([]);
  });

  it('takes nested indexes, each image once, and refuses deep ones', async () => {
    const inner = makeIndex(images.slice(1));
    const first = makeIndex(images);
    const manifests = [
      ...(JSON.parse(first.bytes.toString()) as Index).manifests,
      inner.descriptor,
      inner.descriptor,
    ];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
    const nested = new MemorySource(images, { bytes, descriptor: descriptorOf(bytes, MEDIA.ociIndex) });
    nested.blobs.set(inner.descriptor.digest, inner.bytes);
    const result = await copy(nested, new MemorySink(), { images: 'all' });
    expect(result.indexes.map(({ digest }) => digest)).to.deep.equal([inner.descriptor.digest]);
    expect(result.manifests).to.have.length(3);
    let chain = inner;
    const deep = new MemorySource(images, inner);
    for (let i = 0; i < 5; i++) {
      deep.blobs.set(chain.descriptor.digest, chain.bytes);
      const body = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [chain.descriptor] };
      const outer = Buffer.from(JSON.stringify(body));
      chain = { bytes: outer, descriptor: descriptorOf(outer, MEDIA.ociIndex) };
    }
    deep.top = { bytes: chain.bytes, mediaType: MEDIA.ociIndex };
    expect((await failure(copy(deep, new MemorySink(), { images: 'all' }))).code).to.equal(
      'ERR_INVALID_IMAGE',
    );
  });

  it('gives the index the new digests and sizes of what was converted', async () => {
    const result = await copy(source(), new MemorySink(), { images: 'all', format: 'v2s2' });
    const list = JSON.parse(result.top.bytes.toString()) as Index;
    expect(result.top.mediaType).to.equal(MEDIA.dockerList);
    expect(list.mediaType).to.equal(MEDIA.dockerList);
    const byDigest = new Map(result.manifests.map(({ raw }) => [raw.digest, raw]));
    for (const [i, entry] of list.manifests.entries()) {
      const raw = byDigest.get(entry.digest) as RawManifest;
      expect(entry.size).to.equal(raw.bytes.length);
      expect(entry.mediaType).to.equal(MEDIA.dockerManifest);
      expect(entry.platform?.architecture).to.equal(images[i]?.config.parsed.architecture);
    }
    const back = await copy(source(), new MemorySink({ indexes: true }), { images: 'all', format: 'oci' });
    expect(back.top.digest).to.equal(index.descriptor.digest);
  });

  it('is refused by a sink that holds one image', async () => {
    const error = await failure(copy(source(), new MemorySink({ indexes: false }), { images: 'all' }));
    expect(error.code).to.equal('ERR_UNSUPPORTED');
    expect(error.message).to.match(/^destination memory: /);
    await copy(MemorySource.of(images[0] as TestImage), new MemorySink({ indexes: false }), {
      images: 'all',
    });
  });

  it('carries signatures of the index and of each image, or refuses to lose them', async () => {
    const [first] = images.map(({ manifest }) => manifest.descriptor.digest);
    const both = (): MemorySource => signed(source(), index.descriptor.digest, first as Digest);
    const kept = await copy(both(), new MemorySink({ signatures: true }), { images: 'all' });
    expect([...kept.signatures.keys()]).to.have.members([index.descriptor.digest, first]);
    const error = await failure(copy(both(), new MemorySink(), { images: 'all' }));
    expect(error.code).to.equal('ERR_UNSUPPORTED');
    expect(error.message).to.include("can't store signatures; use removeSignatures");
    const removed = await copy(both(), new MemorySink(), { images: 'all', removeSignatures: true });
    expect(removed.signatures.size).to.equal(0);
    const changed = await failure(
      copy(both(), new MemorySink({ signatures: true }), { images: 'all', format: 'v2s2' }),
    );
    expect(changed.code).to.equal('ERR_UNSUPPORTED');
    expect(changed.message).to.include('invalidate its signatures');
  });

  it('has everything verified before anything is put, and signs what is written', async () => {
    const seen: Digest[] = [];
    const sink = new MemorySink({ signatures: true });
    const result = await copy(signed(source(), index.descriptor.digest), sink, {
      images: 'all',
      removeSignatures: true,
      format: 'v2s2',
      verify: async ({ raw, name, signatures }) => {
        expect(sink.order).to.deep.equal([]);
        expect(name).to.equal('memory source');
        seen.push(raw.digest);
        expect(await signatures()).to.have.length(raw.digest === index.descriptor.digest ? 1 : 0);
      },
      sign: async (raw) => [{ kind: 'simple', bytes: Buffer.from(`\x99${raw.digest}`) }],
    });
    expect(seen[0]).to.equal(index.descriptor.digest);
    expect(seen).to.have.length(4);
    expect([...result.signatures.keys()]).to.have.members([
      result.top.digest,
      ...result.manifests.map(({ raw }) => raw.digest),
    ]);
    const refused = new MemorySink();
    const error = await failure(
      copy(source(), refused, {
        images: 'all',
        verify: async ({ raw }) => {
          if (raw.digest === images[1]?.manifest.descriptor.digest)
            throw new VainaError('ERR_INVALID_IMAGE', 'not allowed');
        },
      }),
    );
    expect(error.message).to.include('not allowed');
    expect(refused.order).to.deep.equal([]);
    expect((await failure(copy(source(), new MemorySink(), { sign: async () => [] }))).code).to.equal(
      'ERR_UNSUPPORTED',
    );
  });

  it('stops all of them at the first failure', async () => {
    const from = source();
    const give = from.blob.bind(from);
    const bad = images[2]?.layers[1]?.descriptor.digest;
    from.blob = async (descriptor) =>
      descriptor.digest === bad ? Readable.from([Buffer.from('x')], { objectMode: false }) : give(descriptor);
    const sink = new MemorySink();
    expect((await failure(copy(from, sink, { images: 'all' }))).code).to.equal('ERR_DIGEST_MISMATCH');
    expect(sink.committed).to.equal(undefined);
    expect(sink.open).to.equal(0);
  });
});
