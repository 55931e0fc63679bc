import { execFileSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { copy, type CopyOptions } from '../../../lib/oci/copy.js';
import { hexOf } from '../../../lib/oci/digest.js';
import { dirSink } from '../../../lib/oci/dir-sink.js';
import { dirSource } from '../../../lib/oci/dir-source.js';
import { dockerArchiveSink, dockerArchiveWriter } from '../../../lib/oci/docker-archive-sink.js';
import { openDockerArchive } from '../../../lib/oci/docker-archive.js';
import { layoutSink } from '../../../lib/oci/layout-sink.js';
import { ociArchiveSink, openOciArchive } from '../../../lib/oci/oci-archive.js';
import { openLayout } from '../../../lib/oci/oci-layout.js';
import type {
  Descriptor,
  Digest,
  ImageSink,
  ImageSource,
  Index,
  Manifest,
  Signature,
} from '../../../lib/oci/types.js';
import {
  blobsOf,
  layoutEntries,
  makeImage,
  makeIndex,
  skopeo,
  tarOf,
  writeTree,
  type TestImage,
} from '../../support/images.js';
import { failure, MemorySource } from '../../support/memory-source.js';
import { requires } from '../../support/requires.js';

describe('copy between places on disk', () => {
  requires('skopeo');
  let directory: string;
  let image: TestImage;
  let docker: TestImage;
  let images: TestImage[];
  let index: { bytes: Buffer; descriptor: Descriptor };
  let count = 0;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-copy-'));
    const layers = [
      await tarOf([{ name: 'a', content: 'a'.repeat(5000) }]),
      await tarOf([{ name: 'b', content: 'b' }]),
      await tarOf([{ name: 'c', content: 'c' }]),
    ];
    image = await makeImage({ layers });
    docker = await makeImage({ layers, docker: true });
    images = [];
    for (const architecture of ['amd64', 'arm64'])
      images.push(await makeImage({ platform: { os: 'linux', architecture }, layers: layers.slice(0, 2) }));
    index = makeIndex(images);
    const blobs = [...[image, docker, ...images].flatMap(blobsOf), index.bytes];
    const entries = [
      { descriptor: image.manifest.descriptor, name: 'image' },
      { descriptor: docker.manifest.descriptor, name: 'docker' },
      { descriptor: index.descriptor, name: 'index' },
    ];
    writeTree(join(directory, 'from'), layoutEntries(entries, blobs));
  });
  after(() => {
    expect(
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)\./.test(name)),
    ).to.deep.equal([]);
    rmSync(directory, { recursive: true, force: true });
  });

  const at = (name: string): string => join(directory, `${count++}-${name}`);
  const from = (name: string): string => `oci:${join(directory, 'from')}:${name}`;

  async function move(
    source: ImageSource | Promise<ImageSource>,
    sink: ImageSink,
    options: CopyOptions = {},
  ) {
    const opened = await source;
    return copy(opened, sink, options).finally(() => opened.close());
  }

  const ours = (name: string): Promise<ImageSource> => openLayout(join(directory, 'from'), name);

  function tree(path: string): Record<string, string> {
    const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    return Object.fromEntries(
      files
        .map((entry) => join(entry.parentPath, entry.name))
        .map((file) => [file.slice(path.length), readFileSync(file, 'latin1')]),
    );
  }

  it('writes a directory as skopeo does, to the file, and reads what skopeo wrote', async () => {
    const [by, mine, back] = [at('skopeo'), at('ours'), at('back')];
    skopeo('copy', '-q', from('image'), `dir:${by}`);
    await move(ours('image'), dirSink(mine));
    expect(tree(mine)).to.deep.equal(tree(by));
    await move(dirSource(by), dirSink(back));
    expect(tree(back)).to.deep.equal(tree(by));
    expect(skopeo('inspect', '--raw', `dir:${mine}`)).to.equal(image.manifest.bytes.toString());
  });

  it('writes an index to a directory as skopeo does, and reads it', async () => {
    const [by, mine, back] = [at('skopeo'), at('ours'), at('back')];
    skopeo('copy', '-q', '--all', from('index'), `dir:${by}`);
    await move(ours('index'), dirSink(mine), { images: 'all' });
    expect(tree(mine)).to.deep.equal(tree(by));
    expect(tree(mine)).to.have.property(
      `/${hexOf(images[1]?.manifest.descriptor.digest as Digest)}.manifest.json`,
    );
    await move(dirSource(by), layoutSink(back), { images: 'all' });
    expect(skopeo('inspect', '--raw', `oci:${back}`)).to.equal(index.bytes.toString());
    skopeo('copy', '-q', '--all', `oci:${back}`, `dir:${at('again')}`);
  });

  it('keeps signatures in a directory as skopeo does', async () => {
    const [mine, by] = [at('ours'), at('skopeo')];
    const signatures: Signature[] = [
      { kind: 'simple', bytes: Buffer.from([0xa3, 0, 1, 2]) },
      { kind: 'sigstore', mediaType: 'text/plain', payload: Buffer.from('paid'), annotations: { a: 'b' } },
    ];
    await move(ours('index'), dirSink(mine), { images: 'all', sign: async () => signatures });
    skopeo('copy', '-q', '--all', `dir:${mine}`, `dir:${by}`);
    expect(tree(by)).to.deep.equal(tree(mine));
    const source = dirSource(by);
    expect(await source.signatures?.(index.descriptor.digest)).to.deep.equal(signatures);
    expect(await source.signatures?.(images[0]?.manifest.descriptor.digest as Digest)).to.deep.equal(
      signatures,
    );
    const refused = await failure(move(source, layoutSink(at('none')), { images: 'all' }));
    expect(refused.code).to.equal('ERR_UNSUPPORTED');
  });

  it('adds to a layout, as skopeo does, and shares blobs between layouts', async () => {
    const [mine, by] = [at('ours'), at('skopeo')];
    for (const [name, as] of [
      ['image', 'one'],
      ['index', 'two'],
      ['image', 'three'],
      ['index', 'one'],
    ] as const) {
      await move(ours(name), layoutSink(mine, as), { images: 'all' });
      skopeo('copy', '-q', '--all', from(name), `oci:${by}:${as}`);
    }
    const names = (path: string): unknown =>
      (JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as Index).manifests
        .map(({ digest, annotations }) => [annotations?.['org.opencontainers.image.ref.name'] ?? '', digest])
        .sort();
    expect(names(mine)).to.deep.include(['one', index.descriptor.digest]);
    expect(Object.keys(tree(mine)).sort()).to.deep.equal(Object.keys(tree(by)).sort());
    for (const name of ['one', 'two', 'three'])
      expect(skopeo('inspect', '--raw', `oci:${mine}:${name}`)).to.equal(
        skopeo('inspect', '--raw', `oci:${by}:${name}`),
      );
    await move(openLayout(by, 'three'), dirSink(at('read')));
    const picked = await openLayout(by, `@${index.descriptor.digest}`);
    expect((await picked.manifest()).digest).to.equal(index.descriptor.digest);
    await picked.close();
    expect((await failure(openLayout(by, 'nosuch'))).code).to.equal('ERR_NO_SUCH_IMAGE');
    expect((await failure(openLayout(by))).code).to.equal('ERR_AMBIGUOUS_ID');

    const [shared, first] = [at('shared'), at('first')];
    await move(ours('image'), layoutSink(first, 'x', { sharedBlobDirectory: shared }));
    expect(existsSync(join(first, 'blobs'))).to.equal(false);
    skopeo('copy', '-q', '--src-shared-blob-dir', shared, `oci:${first}:x`, `dir:${at('read')}`);
    await move(openLayout(first, 'x', { sharedBlobDirectory: shared }), dirSink(at('read')));
  });

  it('survives many writers of one layout', async () => {
    const path = at('together');
    const names = Array.from({ length: 8 }, (_, i) => `name${i}`);
    await Promise.all(names.map(async (name) => move(ours('image'), layoutSink(path, name))));
    for (const name of names) {
      const source = await openLayout(path, name);
      expect((await source.manifest()).digest).to.equal(image.manifest.descriptor.digest);
      await source.close();
    }
  });

  it('writes the docker-archive that skopeo writes, and reads its', async () => {
    const [mine, by] = [at('ours.tar'), at('skopeo.tar')];
    const tags = ['example.com/app:1', 'docker.io/library/other:2'];
    await move(ours('image'), dockerArchiveSink(mine, tags));
    skopeo(
      'copy',
      '-q',
      '--additional-tag',
      tags[1] as string,
      from('image'),
      `docker-archive:${by}:${tags[0]}`,
    );
    const unpack = (path: string): Record<string, string> => {
      mkdirSync(`${path}.d`);
      execFileSync('tar', ['-xf', path, '-C', `${path}.d`]);
      return tree(`${path}.d`);
    };
    expect(unpack(mine)).to.deep.equal(unpack(by));
    const back = at('back');
    const { manifests } = await move(openDockerArchive(by, 'example.com/app:1'), layoutSink(back, 'x'));
    expect(manifests[0]?.config?.descriptor.digest).to.equal(image.config.descriptor.digest);
    expect((await failure(move(ours('image'), dockerArchiveSink(mine)))).code).to.equal('ERR_UNSUPPORTED');
    expect((await failure(move(ours('index'), dockerArchiveSink(at('x')), { images: 'all' }))).code).to.equal(
      'ERR_UNSUPPORTED',
    );
  });

  it('writes several images to a docker-archive, and to a stream', async () => {
    const path = at('several.tar');
    const writer = dockerArchiveWriter(createWriteStream(path));
    await move(ours('image'), writer.sink(['one:1', 'one:2']));
    await move(new MemorySource(images, index), writer.sink(), {
      platform: { os: 'linux', architecture: 'arm64' },
    });
    await writer.finish();
    expect(skopeo('list-tags', `docker-archive:${path}`)).to.include('docker.io/library/one:2');
    const config = skopeo('inspect', '--config', '--raw', `docker-archive:${path}:@1`);
    expect(config).to.equal(images[1]?.config.bytes.toString());
    for (const [name, of] of [
      ['one:2', image],
      ['@1', images[1]],
    ] as const) {
      const { manifests } = await move(openDockerArchive(path, name), dirSink(at('d')));
      expect(manifests[0]?.config?.bytes).to.deep.equal(of?.config.bytes);
    }
  });

  it('writes and reads an oci-archive', async () => {
    const [mine, by] = [at('ours.tar'), at('skopeo.tar')];
    for (let i = 0; i < 2; i++) await move(ours('index'), ociArchiveSink(mine, 'x'), { images: 'all' });
    skopeo('copy', '-q', '--all', `oci-archive:${mine}:x`, `oci-archive:${by}:y`);
    const back = at('back');
    await move(openOciArchive(by, 'y'), dirSink(back), { images: 'all' });
    expect(readFileSync(join(back, 'manifest.json'))).to.deep.equal(index.bytes);
    const stream = at('stream.tar');
    await move(ours('image'), ociArchiveSink(createWriteStream(stream)));
    expect(skopeo('inspect', '--raw', `oci-archive:${stream}`)).to.equal(image.manifest.bytes.toString());
  });

  it('converts to the manifests that skopeo converts to', async () => {
    const [by, mine] = [at('skopeo'), at('ours')];
    skopeo('copy', '-q', '--format', 'v2s2', from('image'), `dir:${by}`);
    await move(ours('image'), dirSink(mine), { format: 'v2s2' });
    expect(tree(mine)).to.deep.equal(tree(by));
    const manifest = join(mine, 'manifest.json');
    expect(skopeo('manifest-digest', manifest).trim()).to.match(/^sha256:/);
    const [byList, mineList] = [at('skopeo'), at('ours')];
    skopeo('copy', '-q', '--all', '--format', 'v2s2', from('index'), `dir:${byList}`);
    await move(ours('index'), dirSink(mineList), { images: 'all', format: 'v2s2' });
    const list = (path: string): unknown => JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'));
    expect(list(mineList)).to.deep.equal(list(byList));

    const oci = at('oci');
    await move(ours('docker'), layoutSink(oci, 'x'));
    const converted = JSON.parse(skopeo('inspect', '--raw', `oci:${oci}:x`)) as Manifest;
    expect(converted.layers.map(({ digest }) => digest)).to.deep.equal(
      docker.layers.map(({ descriptor }) => descriptor.digest),
    );
    const zstd = at('zstd');
    await move(ours('image'), layoutSink(zstd, 'x'), { compression: { format: 'zstd' } });
    const plain = at('plain');
    skopeo('copy', '-q', '--dest-decompress', `oci:${zstd}:x`, `dir:${plain}`);
    for (const { diffId, plain: bytes } of image.layers)
      expect(readFileSync(join(plain, hexOf(diffId))).equals(bytes)).to.equal(true);
  });

  it('leaves nothing of what failed, and the old where there was some', async () => {
    const broken = (): MemorySource => {
      const source = MemorySource.of(image);
      const give = source.blob.bind(source);
      source.blob = async (descriptor) =>
        descriptor.digest === image.layers[2]?.descriptor.digest
          ? Readable.from([Buffer.from('wrong')], { objectMode: false })
          : give(descriptor);
      return source;
    };
    const parent = at('failed');
    mkdirSync(parent);
    const place = (name: string): string => join(parent, name);
    await move(ours('index'), layoutSink(place('layout'), 'old'), { images: 'all' });
    await move(ours('docker'), dirSink(place('dir')));
    await move(ours('docker'), ociArchiveSink(place('archive')));
    const before = tree(parent);
    const sinks: (() => ImageSink)[] = [
      () => layoutSink(place('layout'), 'new'),
      () => layoutSink(place('new/deep/layout'), 'new'),
      () => dirSink(place('dir')),
      () => dirSink(place('other')),
      () => ociArchiveSink(place('archive')),
      () => ociArchiveSink(place('archive2')),
      () => dockerArchiveSink(place('docker')),
    ];
    for (const sink of sinks) {
      expect((await failure(copy(broken(), sink()))).code).to.equal('ERR_DIGEST_MISMATCH');
      expect(tree(parent)).to.deep.equal(before);
      expect(readdirSync(parent).sort()).to.deep.equal(['archive', 'dir', 'layout']);
    }
  });

  it('refuses places that are something else', async () => {
    const parent = at('other');
    mkdirSync(join(parent, 'full'), { recursive: true });
    writeFileSync(join(parent, 'full/precious'), 'x');
    mkdirSync(join(parent, 'linked'));
    symlinkSync(parent, join(parent, 'linked/blobs'));
    writeFileSync(join(parent, 'file'), 'x');
    const cases: [ImageSink, string][] = [
      [dirSink(join(parent, 'full')), 'ERR_NAME_IN_USE'],
      [dirSink(join(parent, 'file')), 'ERR_NO_SUCH_PATH'],
      [layoutSink(join(parent, 'linked')), 'ERR_INVALID_IMAGE'],
      [layoutSink('/proc/nowhere'), 'ERR_NO_SUCH_PATH'],
      [ociArchiveSink(join(parent, 'no/such/archive')), 'ERR_NO_SUCH_PATH'],
      [dockerArchiveSink(join(parent, 'file')), 'ERR_UNSUPPORTED'],
    ];
    for (const [sink, code] of cases)
      expect((await failure(move(ours('image'), sink))).code, sink.name).to.equal(code);
    expect(readdirSync(parent).sort()).to.deep.equal(['file', 'full', 'linked']);
    expect(() => layoutSink(parent, '../x')).to.throw('reference name');
  });
});
