import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { copy } from '../../../lib/oci/copy.js';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Descriptor, Digest, ImageConfig, Manifest, ProgressEvent } from '../../../lib/oci/types.js';
import { makeImage, makeIndex, tarOf, type TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { copyOne } from '../../support/one-image.js';
import { failure, MemorySource } from '../../support/memory-source.js';

async function layersOf(count: number): Promise<Buffer[]> {
  const make = (_: unknown, i: number): Promise<Buffer> =>
    tarOf([{ name: `file${i}`, content: `layer ${i}` }]);
  return Promise.all(Array.from({ length: count }, make));
}

describe('oci copy', () => {
  let image: TestImage;
  before(async () => {
    image = await makeImage({ layers: await layersOf(5) });
  });

  it('moves configuration, layers and manifest, and commits once', async () => {
    const sink = new MemorySink();
    const result = await copyOne(MemorySource.of(image), sink);
    expect(sink.order[0]).to.equal(image.config.descriptor.digest);
    expect([...sink.blobs.keys()]).to.have.members([
      image.config.descriptor.digest,
      ...image.layers.map(({ descriptor }) => descriptor.digest),
    ]);
    expect(sink.committed?.top).to.equal(result.manifest);
    expect(result.manifest.bytes).to.deep.equal(image.manifest.bytes);
    expect(result.config.parsed.config?.Cmd).to.deep.equal(['/bin/sh']);
    expect(result.index).to.equal(undefined);
    expect(sink.closed).to.equal(1);
  });

  it('tells the sink diffID and place of each layer', async () => {
    const sink = new MemorySink();
    await copy(MemorySource.of(image), sink, { concurrency: 1 });
    const diffIds = image.layers.map(({ diffId }) => diffId);
    expect(sink.roles.slice(1)).to.deep.equal(
      diffIds.map((diffId, index) => ({ kind: 'layer', index, diffId, parents: diffIds.slice(0, index) })),
    );
  });

  it('moves several layers at a time, as many as it may', async () => {
    const sink = new MemorySink();
    const put = sink.putBlob.bind(sink);
    sink.putBlob = async (...args) => {
      sink.mostOpen = Math.max(sink.mostOpen, ++sink.open);
      await sleep(20);
      sink.open--;
      await put(...args);
    };
    await copy(MemorySource.of(image), sink, { concurrency: 3 });
    expect(sink.mostOpen).to.equal(3);
  });

  it('may listen to its signal as often as there are layers, without a warning of Node', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', listen);
    try {
      const many = await makeImage({ layers: await layersOf(12) });
      const sink = new MemorySink();
      const put = sink.putBlob.bind(sink);
      sink.putBlob = async (descriptor, content, about, options) => {
        options?.signal?.addEventListener('abort', () => undefined);
        await put(descriptor, content, about, options);
      };
      await copy(MemorySource.of(many), sink);
      await sleep(1);
    } finally {
      process.off('warning', listen);
    }
    expect(warnings).to.deep.equal([]);
  });

  it('does not ask for what the sink has', async () => {
    const sink = new MemorySink();
    const known = image.layers[2];
    sink.blobs.set(known?.descriptor.digest as Digest, known?.bytes as Buffer);
    const source = MemorySource.of(image);
    const events: ProgressEvent[] = [];
    await copy(source, sink, { onProgress: (event) => events.push(event) });
    expect(source.asked).not.to.include(`blob ${known?.descriptor.digest}`);
    expect(events.filter(({ phase }) => phase === 'exists').map(({ id }) => id)).to.deep.equal([
      known?.descriptor.digest,
    ]);
    const done = events.filter(({ phase }) => phase === 'done');
    expect(done).to.have.length(5);
    expect(done.every(({ current, total }) => current === total && total > 0)).to.equal(true);
  });

  it('moves a layer that is there twice only once', async () => {
    const [layer] = await layersOf(1);
    const twice = await makeImage({ layers: [layer as Buffer, layer as Buffer] });
    const sink = new MemorySink();
    const source = MemorySource.of(twice);
    await copy(source, sink);
    expect(
      source.asked.filter((what) => what === `blob ${twice.layers[0]?.descriptor.digest}`),
    ).to.have.length(1);
  });

  it('chooses by platform and keeps the index', async () => {
    const platforms = [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm', variant: 'v6' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'linux', architecture: 'arm64', variant: 'v8' },
    ];
    const images = await Promise.all(platforms.map((platform) => makeImage({ platform })));
    const index = makeIndex(images);
    for (const [i, platform] of platforms.entries()) {
      const sink = new MemorySink();
      const result = await copyOne(new MemorySource(images, index), sink, { platform });
      expect(result.manifest.digest).to.equal(images[i]?.manifest.descriptor.digest);
      expect(result.manifest.mediaType).to.equal(MEDIA.ociManifest);
      expect(result.index?.digest).to.equal(index.descriptor.digest);
    }
    const none = copy(new MemorySource(images, index), new MemorySink(), {
      platform: { os: 'linux', architecture: 's390x' },
    });
    const error = await failure(none);
    expect(error.code).to.equal('ERR_NO_MATCHING_PLATFORM');
    expect(error.message).to.include('linux/s390x').and.to.include('linux/arm/v6');
  });

  it('refuses an image for another platform only when one was asked for', async () => {
    const arm = await makeImage({ platform: { os: 'linux', architecture: 'riscv64' } });
    await copy(MemorySource.of(arm), new MemorySink());
    const error = await failure(
      copy(MemorySource.of(arm), new MemorySink(), { platform: { os: 'linux', architecture: 'amd64' } }),
    );
    expect(error.code).to.equal('ERR_NO_MATCHING_PLATFORM');
  });

  describe('with one wrong byte', () => {
    const cases: [string, (source: MemorySource, image: TestImage) => void][] = [
      ['in the manifest of an index', (source, { manifest }) => flip(source, manifest.descriptor.digest)],
      ['in the configuration', (source, { config }) => flip(source, config.descriptor.digest)],
      ['in the first layer', (source, { layers }) => flip(source, layers[0]?.descriptor.digest as Digest)],
      ['in the last layer', (source, { layers }) => flip(source, layers[4]?.descriptor.digest as Digest)],
      ['too many in a layer', (source, { layers }) => append(source, layers[1]?.descriptor.digest as Digest)],
      ['missing from a layer', (source, { layers }) => cut(source, layers[1]?.descriptor.digest as Digest)],
    ];
    for (const [name, spoil] of cases) {
      it(`${name}, refuses all of it`, async () => {
        const source = new MemorySource([image], makeIndex([image]));
        spoil(source, image);
        const sink = new MemorySink();
        const error = await failure(copy(source, sink));
        expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
        expect(error.message).to.match(/^source memory source: /);
        expect(error.subject).to.equal('memory source');
        expect(sink.committed).to.equal(undefined);
        expect(sink.blobs.size).to.equal(0);
        expect(sink.closed).to.equal(1);
      });
    }
  });

  it('refuses a source that lies about the digest of its manifest', async () => {
    const source = MemorySource.of(image);
    source.manifest = async () => ({ ...source.top, digest: digestOf(Buffer.from('other')) });
    expect((await failure(copy(source, new MemorySink()))).code).to.equal('ERR_DIGEST_MISMATCH');
  });

  it('refuses a manifest that does not agree with its configuration', async () => {
    const manifest = JSON.parse(image.manifest.bytes.toString()) as Manifest;
    manifest.layers = manifest.layers.slice(1);
    const error = await failure(copy(spoiled(image, manifest), new MemorySink()));
    expect(error.code).to.equal('ERR_INVALID_IMAGE');
    expect(error.message).to.include('4 layers').and.to.include('5 diff_ids');
  });

  it('refuses foreign layers, artifacts and unknown layers where the sink wants images only', async () => {
    const change = (edit: (manifest: Manifest) => void): MemorySource => {
      const manifest = JSON.parse(image.manifest.bytes.toString()) as Manifest;
      edit(manifest);
      return spoiled(image, manifest);
    };
    const first = (manifest: Manifest): Descriptor => manifest.layers[0] as Descriptor;
    const sources = [
      change((manifest) => (first(manifest).urls = ['https://elsewhere.example/layer'])),
      change(
        (manifest) =>
          (first(manifest).mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
      ),
      change(
        (manifest) =>
          (first(manifest).mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
      ),
      change(
        (manifest) => (first(manifest).mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted'),
      ),
      change((manifest) => (manifest.config.mediaType = 'application/vnd.oci.empty.v1+json')),
    ];
    for (const source of sources) {
      const sink = new MemorySink({ artifacts: false });
      expect((await failure(copy(source, sink))).code).to.equal('ERR_UNSUPPORTED');
      expect(sink.order).to.deep.equal([]);
    }
  });

  it('names the destination when the sink fails, and stops the rest', async () => {
    const sink = new MemorySink();
    const put = sink.putBlob.bind(sink);
    let stopped = 0;
    sink.putBlob = async (descriptor, content, about, options) => {
      if (about.kind === 'layer' && about.index === 1) {
        content.resume();
        await sleep(20);
        throw new VainaError('ERR_NO_SPACE', 'write: ENOSPC');
      }
      if (about.kind === 'layer') {
        await sleep(10_000, undefined, { signal: options?.signal }).catch(() => stopped++);
        options?.signal?.throwIfAborted();
      }
      await put(descriptor, content, about);
    };
    const error = await failure(copy(MemorySource.of(image), sink));
    expect(error.code).to.equal('ERR_NO_SPACE');
    expect(error.message).to.equal('destination memory: write: ENOSPC');
    expect(stopped).to.equal(4);
    expect(sink.closed).to.equal(1);
  });

  it('does not blame the source when the sink gives up in the middle', async () => {
    const sink = new MemorySink();
    sink.putBlob = async (_descriptor, content) => {
      for await (const _ of content)
        throw Object.assign(new Error('write'), { code: 'ENOSPC', syscall: 'write' });
    };
    const error = await failure(copy(MemorySource.of(image), sink));
    expect(error.code).to.equal('ERR_NO_SPACE');
    expect(error.message).to.match(/^destination memory: /);
  });

  it('notices a sink that does not read to the end', async () => {
    const sink = new MemorySink();
    sink.putBlob = async () => undefined;
    expect((await failure(copy(MemorySource.of(image), sink))).code).to.equal('ERR_INTERNAL');
  });

  it('names the source when its stream fails', async () => {
    const source = MemorySource.of(image);
    const give = source.blob.bind(source);
    source.blob = async (descriptor) => {
      if (descriptor.digest !== image.layers[3]?.descriptor.digest) return give(descriptor);
      return Readable.from(
        (async function* () {
          yield Buffer.from('x');
          throw new VainaError('ERR_REGISTRY', 'it broke');
        })(),
        { objectMode: false },
      );
    };
    const error = await failure(copy(source, new MemorySink()));
    expect(error.code).to.equal('ERR_REGISTRY');
    expect(error.message).to.equal('source memory source: it broke');
  });

  it('stops at once when the signal aborts, and throws its reason', async () => {
    const source = MemorySource.of(image);
    const give = source.blob.bind(source);
    source.blob = async (descriptor) =>
      descriptor.mediaType === MEDIA.ociLayerGzip
        ? new Readable({ read: () => undefined })
        : give(descriptor);
    const sink = new MemorySink();
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 30);
    const begun = Date.now();
    const error: unknown = await copy(source, sink, { signal: abort.signal }).catch((e: unknown) => e);
    expect(error).to.equal(reason);
    expect(Date.now() - begun).to.be.below(1000);
    expect(sink.closed).to.equal(1);
    const already: unknown = await copy(source, sink, { signal: abort.signal }).catch((e: unknown) => e);
    expect(already).to.equal(reason);
  });

  it('refuses a concurrency that is no number of layers', async () => {
    const error = await failure(copy(MemorySource.of(image), new MemorySink(), { concurrency: 0 }));
    expect(error.code).to.equal('ERR_INVALID_OPTION');
  });

  it('finds an image through nested indexes, and refuses deep or endless ones', async () => {
    const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const inner = makeIndex([image]);
    const outer = indexOf([arm.manifest.descriptor, inner.descriptor], arm.config.parsed);
    const source = new MemorySource([image, arm], outer);
    source.blobs.set(inner.descriptor.digest, inner.bytes);
    const platform = { os: image.config.parsed.os, architecture: image.config.parsed.architecture };
    const result = await copyOne(source, new MemorySink(), { platform });
    expect(result.manifest.digest).to.equal(image.manifest.descriptor.digest);

    let chain = inner;
    const deep = new MemorySource([image], inner);
    for (let i = 0; i < 6; i++) {
      deep.blobs.set(chain.descriptor.digest, chain.bytes);
      chain = indexOf([chain.descriptor]);
    }
    deep.top = { bytes: chain.bytes, mediaType: MEDIA.ociIndex };
    expect((await failure(copy(deep, new MemorySink()))).code).to.equal('ERR_INVALID_IMAGE');
  });
});

function indexOf(entries: Descriptor[], platform?: ImageConfig): { bytes: Buffer; descriptor: Descriptor } {
  const manifests = entries.map((entry, i) =>
    i === 0 && platform
      ? { ...entry, platform: { os: platform.os, architecture: platform.architecture } }
      : entry,
  );
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
  return { bytes, descriptor: { mediaType: MEDIA.ociIndex, digest: digestOf(bytes), size: bytes.length } };
}

function spoiled(image: TestImage, manifest: Manifest): MemorySource {
  const source = MemorySource.of(image);
  source.top = { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: MEDIA.ociManifest };
  return source;
}

function flip(source: MemorySource, digest: Digest): void {
  const bytes = Buffer.from(source.blobs.get(digest) as Buffer);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  source.blobs.set(digest, bytes);
}

function append(source: MemorySource, digest: Digest): void {
  source.blobs.set(digest, Buffer.concat([source.blobs.get(digest) as Buffer, Buffer.from('x')]));
}

function cut(source: MemorySource, digest: Digest): void {
  source.blobs.set(digest, (source.blobs.get(digest) as Buffer).subarray(0, -1));
}
