import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openArchive, type ArchivedImage, type ImageArchive } from '../../../lib/oci/archive.js';
import { copy } from '../../../lib/oci/copy.js';
import { digestOf, hexOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import { ociArchiveSink } from '../../../lib/oci/oci-archive.js';
import { rootfsSource } from '../../../lib/oci/rootfs-source.js';
import { findArchived } from '../../support/archived.js';
import {
  blobsOf,
  dockerArchiveEntries,
  layoutEntries,
  makeImage,
  makeIndex,
  tarOf,
  writeTree,
  type TarEntry,
  type TestImage,
  type TestLayer,
} from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { copyOne, type OneImage } from '../../support/one-image.js';
import { failure, MemorySource } from '../../support/memory-source.js';

function startedBy(bytes: Buffer): Readable {
  const stream = new PassThrough();
  stream.write(bytes);
  return stream;
}

async function* stalling(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes.subarray(0, bytes.length >> 1);
  await new Promise(() => undefined);
}

describe('oci archives', () => {
  let directory: string;
  let one: TestImage;
  let two: TestImage;
  before(async () => {
    one = await makeImage({ config: { User: 'one' } });
    const layers = await Promise.all(['a', 'b', 'c'].map((name) => tarOf([{ name, content: name }])));
    two = await makeImage({ layers, config: { User: 'two' } });
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-archive-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function written(entries: readonly TarEntry[], name = 'archive.tar'): Promise<string> {
    const path = join(directory, name);
    writeFileSync(path, await tarOf(entries));
    return path;
  }

  async function take(archive: ImageArchive, name?: string): Promise<OneImage> {
    return copyOne(findArchived(archive, name).source, new MemorySink());
  }

  async function opens(
    input: string | Readable,
    work: (archive: ImageArchive) => Promise<void>,
  ): Promise<void> {
    const archive = await openArchive(input, { tmpDir: directory });
    try {
      await work(archive);
    } finally {
      await archive.close();
    }
  }

  async function refuses(input: string | Readable, code = 'ERR_INVALID_IMAGE'): Promise<string> {
    const error = await failure(
      (async () => {
        await opens(input, async (archive) => void (await take(archive)));
      })(),
    );
    expect(error.code, error.message).to.equal(code);
    return error.message;
  }

  describe('docker-archive', () => {
    it('holds several images, each with its names', async () => {
      const path = await written(
        dockerArchiveEntries([
          { image: one, tags: ['one:1', 'quay.io/x/one'] },
          { image: two, tags: [] },
        ]),
      );
      await opens(path, async (archive) => {
        expect(archive.format).to.equal('docker-archive');
        expect(archive.images.map(({ names }) => names)).to.deep.equal([
          ['docker.io/library/one:1', 'quay.io/x/one:latest'],
          [],
        ]);
        const taken = await take(archive, 'one:1');
        expect(taken.config.parsed.config?.User).to.equal('one');
        expect(taken.layers[0]).to.deep.include({ mediaType: MEDIA.ociLayer, digest: one.layers[0]?.diffId });
        const second = await copyOne((archive.images[1] as ArchivedImage).source, new MemorySink());
        expect(second.config.bytes).to.deep.equal(two.config.bytes);
        expect((await failure(take(archive))).code).to.equal('ERR_AMBIGUOUS_ID');
        expect((await failure(take(archive, 'nosuch'))).code).to.equal('ERR_NO_SUCH_IMAGE');
      });
    });

    it('comes compressed, as a stream, in any pieces, and leaves no temporary file', async () => {
      const plain = await tarOf(dockerArchiveEntries([{ image: two, tags: ['two'] }]));
      const packed = { plain, gzip: gzipSync(plain), zstd: execFileSync('zstd', ['-qc'], { input: plain }) };
      for (const [name, bytes] of Object.entries(packed)) {
        const path = join(directory, name);
        writeFileSync(path, bytes);
        const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) =>
          bytes.subarray(i * 7, i * 7 + 7),
        );
        for (const input of [path, createReadStream(path), Readable.from(pieces, { objectMode: false })]) {
          const archive = await openArchive(input, { tmpDir: directory });
          expect((await take(archive, 'two')).config.bytes).to.deep.equal(two.config.bytes);
          expect(readdirSync(directory)).not.to.satisfy((names: string[]) =>
            names.some((n) => n.startsWith('vaina-')),
          );
          await archive.close();
        }
        unlinkSync(path);
      }
    });

    it('follows links inside, as docker save makes them for equal layers', async () => {
      const id = hexOf(firstLayer(two).diffId);
      const entries: TarEntry[] = dockerArchiveEntries([{ image: two, tags: ['two'] }]).map((entry) =>
        entry.name === `${id}.tar` ? { ...entry, name: `shared/layer.tar` } : entry,
      );
      const linked: TarEntry[] = [
        { name: 'first/layer.tar', type: 'symlink', linkname: '../shared/layer.tar' },
        { name: `${id}.tar`, type: 'link', linkname: 'first/layer.tar' },
      ];
      await opens(await written([...linked, ...entries]), async (archive) => {
        expect((await take(archive)).config.parsed.config?.User).to.equal('two');
      });
    });

    it('has compressed layers', async () => {
      const entries = dockerArchiveEntries([{ image: one, tags: [] }]).map((entry) =>
        entry.name.endsWith('.tar') ? { ...entry, content: gzipSync(entry.content as Buffer) } : entry,
      );
      await opens(await written(entries), async (archive) => {
        expect((await take(archive)).layers[0]?.mediaType).to.equal(MEDIA.ociLayerGzip);
      });
    });

    it('refuses links out of it, loops, and what is missing', async () => {
      const id = hexOf(firstLayer(one).diffId);
      const base = dockerArchiveEntries([{ image: one, tags: [] }]).filter(
        ({ name }) => name !== `${id}.tar`,
      );
      const name = `${id}.tar`;
      const bad: TarEntry[][] = [
        [{ name, type: 'symlink', linkname: '/etc/passwd' }],
        [{ name, type: 'symlink', linkname: '../../../../etc/passwd' }],
        [{ name, type: 'symlink', linkname: 'x/../../y' }],
        [{ name, type: 'link', linkname: '../etc/passwd' }],
        [{ name, type: 'symlink', linkname: name }],
        [
          { name, type: 'symlink', linkname: 'a' },
          { name: 'a', type: 'symlink', linkname: name },
        ],
        [{ name, type: 'symlink', linkname: 'nosuch' }],
        [{ name: `../${name}`, content: 'x' }],
        [{ name: `/${name}`, content: 'x' }],
        [],
        [
          { name, content: one.layers[0]?.plain as Buffer },
          { name: `./${name}`, content: 'twice' },
        ],
      ];
      for (const entries of bad) await refuses(await written([...entries, ...base]));
    });

    it('refuses a malformed manifest.json', async () => {
      const lists = [
        '{}',
        'null',
        '[{}]',
        '[null]',
        '[{"Config":1,"Layers":[]}]',
        '[{"Config":"x","Layers":[1]}]',
        '[{"Config":"nosuch","Layers":[]}]',
        '[{"Config":"x","Config":"y","Layers":[]}]',
        '[{"Config":"x","Layers":[],"RepoTags":["BAD"]}]',
        '{',
      ];
      for (const content of lists)
        await refuses(
          await written([
            { name: 'manifest.json', content },
            { name: 'x', content: '{}' },
          ]),
        );
      const wrongCount = dockerArchiveEntries([{ image: two, tags: [] }]).map((entry) =>
        entry.name === 'manifest.json'
          ? {
              ...entry,
              content: String(entry.content as string).replace(/"Layers":\["[^"]*",/, '"Layers":['),
            }
          : entry,
      );
      expect(await refuses(await written(wrongCount)))
        .to.include('2 layers')
        .and.include('3 diff_ids');
      await refuses(await written([{ name: 'repositories', content: '{}' }]), 'ERR_UNSUPPORTED');
      await opens(await written([{ name: 'manifest.json', content: '[]' }]), async (archive) => {
        expect(archive.images).to.deep.equal([]);
      });
    });

    it('refuses a layer that is not what its configuration says', async () => {
      const entries = dockerArchiveEntries([{ image: one, tags: [] }]).map((entry) => {
        if (!entry.name.endsWith('.tar')) return entry;
        const content = Buffer.from(entry.content as Buffer);
        content[600] = 1;
        return { ...entry, content };
      });
      await refuses(await written(entries), 'ERR_DIGEST_MISMATCH');
    });
  });

  describe('oci layout', () => {
    it('is read as a directory and as an archive, with its names', async () => {
      const entries = layoutEntries(
        [
          { descriptor: one.manifest.descriptor, name: 'docker.io/library/one:1' },
          { descriptor: one.manifest.descriptor, name: 'again' },
          { descriptor: two.manifest.descriptor, name: 'not a name!' },
        ],
        [...blobsOf(one), ...blobsOf(two)],
      );
      const tree = join(directory, 'layout');
      writeTree(tree, entries);
      for (const input of [tree, await written(entries)]) {
        await opens(input, async (archive) => {
          expect(archive.format).to.equal(input === tree ? 'oci-layout' : 'oci-archive');
          expect(archive.images.map(({ names }) => names)).to.deep.equal([
            ['docker.io/library/one:1', 'localhost/again:latest'],
            [],
          ]);
          const taken = await take(archive, 'again');
          expect(taken.manifest.bytes).to.deep.equal(one.manifest.bytes);
          expect(taken.layers[0]?.digest).to.equal(one.layers[0]?.descriptor.digest);
        });
      }
    });

    it('follows an index, one in index.json or index.json itself', async () => {
      const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
      const index = makeIndex([arm, one]);
      const blobs = [...blobsOf(one), ...blobsOf(arm), index.bytes];
      await opens(
        await written(layoutEntries([{ descriptor: index.descriptor, name: 'multi' }], blobs)),
        async (archive) => {
          const taken = await copyOne(findArchived(archive).source, new MemorySink(), {
            platform: arm.config.parsed,
          });
          expect(taken.manifest.digest).to.equal(arm.manifest.descriptor.digest);
          expect(taken.index?.digest).to.equal(index.descriptor.digest);
        },
      );
      const flat = layoutEntries([], blobs).map((entry) =>
        entry.name === 'index.json' ? { ...entry, content: index.bytes } : entry,
      );
      await opens(await written(flat), async (archive) => {
        expect(archive.images).to.have.length(1);
        const taken = await copyOne(findArchived(archive).source, new MemorySink(), {
          platform: arm.config.parsed,
        });
        expect(taken.manifest.digest).to.equal(arm.manifest.descriptor.digest);
      });
    });

    it('refuses links, fifos and directories in the place of its files', async () => {
      const sentinel = join(directory, 'sentinel');
      writeFileSync(sentinel, one.layers[0]?.bytes as Buffer);
      const entries = layoutEntries([{ descriptor: one.manifest.descriptor }], blobsOf(one));
      const layer = `blobs/sha256/${hexOf(firstLayer(one).descriptor.digest)}`;
      const replace: [string, (path: string) => void][] = [
        [layer, (path) => symlinkSync(sentinel, path)],
        [layer, (path) => symlinkSync('../../../sentinel', path)],
        [layer, (path) => execFileSync('mkfifo', [path])],
        [layer, (path) => mkdirSync(path)],
        ['index.json', (path) => symlinkSync(sentinel, path)],
        ['index.json', (path) => execFileSync('mkfifo', [path])],
        ['oci-layout', (path) => symlinkSync('/dev/zero', path)],
        ['blobs/sha256', (path) => symlinkSync(directory, path)],
        ['blobs', (path) => symlinkSync(directory, path)],
      ];
      for (const [name, make] of replace) {
        const tree = join(directory, 'layout');
        writeTree(tree, entries);
        rmSync(join(tree, name), { recursive: true });
        make(join(tree, name));
        const begun = Date.now();
        await refuses(tree);
        expect(Date.now() - begun).to.be.below(1000);
        rmSync(tree, { recursive: true });
      }
    });

    it('refuses another version, a missing blob and a wrong one', async () => {
      const entries = layoutEntries([{ descriptor: one.manifest.descriptor }], blobsOf(one));
      const edit = (name: RegExp, content: string | undefined): TarEntry[] =>
        entries.flatMap((entry) =>
          !name.test(entry.name) ? [entry] : content === undefined ? [] : [{ ...entry, content }],
        );
      await refuses(await written(edit(/^oci-layout$/, '{"imageLayoutVersion":"2.0.0"}')));
      await refuses(await written(edit(/^oci-layout$/, '{}')));
      await refuses(await written(edit(/^index.json$/, '{"schemaVersion":2}')));
      await refuses(await written(edit(/^index.json$/, one.manifest.bytes.toString())));
      await refuses(await written(edit(new RegExp(hexOf(one.manifest.descriptor.digest)), undefined)));
      await refuses(
        await written(edit(new RegExp(hexOf(one.manifest.descriptor.digest)), 'x')),
        'ERR_DIGEST_MISMATCH',
      );
      await refuses(
        await written(edit(new RegExp(hexOf(one.config.descriptor.digest)), 'x')),
        'ERR_DIGEST_MISMATCH',
      );
    });
  });

  it('that come as a stream are given up at once by an abort, at whatever place the stream stalls', async () => {
    const plain = await tarOf(dockerArchiveEntries([{ image: two, tags: ['two'] }]));
    const stalled: Record<string, () => Readable> = {
      'with nothing': () => new PassThrough(),
      'within what tells the compression': () => startedBy(plain.subarray(0, 3)),
      'within the archive': () => startedBy(plain.subarray(0, plain.length >> 1)),
      'within a compressed one': () => startedBy(gzipSync(plain).subarray(0, 200)),
      'and cannot be destroyed': () => new Readable({ read: () => undefined, destroy: () => undefined }),
      'in a generator': () => Readable.from(stalling(plain)),
    };
    const enough = new Error('enough');
    for (const [where, open] of Object.entries(stalled)) {
      for (const read of [
        (content: Readable, signal: AbortSignal) => openArchive(content, { tmpDir: directory, signal }),
        (content: Readable, signal: AbortSignal) =>
          rootfsSource(content, { tmpDir: directory }).manifest(undefined, { signal }),
      ]) {
        const content = open();
        const stop = new AbortController();
        setTimeout(() => stop.abort(enough), 5);
        const error: unknown = await read(content, stop.signal).catch((failed: unknown) => failed);
        expect(error, where).to.equal(enough);
        expect(content.destroyed, where).to.equal(true);
        expect(readdirSync(directory), where).to.deep.equal([]);
      }
    }
  });

  it('written to a stream fail where that was closed before or is meanwhile', async () => {
    const early = new PassThrough();
    early.destroy();
    const late = new PassThrough({ highWaterMark: 1 });
    setTimeout(() => late.destroy(), 20);
    for (const stream of [early, late]) {
      const error = await failure(copy(MemorySource.of(one), ociArchiveSink(stream, 'localhost/one:1')));
      expect(error.message).to.include('the stream was closed');
    }
  });

  it('names the digest of what it made from a docker-archive', async () => {
    const path = await written(dockerArchiveEntries([{ image: one, tags: [] }]));
    await opens(path, async (archive) => {
      const { source } = findArchived(archive);
      const raw = await source.manifest();
      expect(raw.digest).to.equal(digestOf(raw.bytes));
      expect((await source.manifest(raw.digest)).bytes).to.equal(raw.bytes);
      expect((await failure(source.manifest(digestOf(Buffer.from('x'))))).code).to.equal('ERR_NO_SUCH_IMAGE');
    });
  });
});

function firstLayer(image: TestImage): TestLayer {
  return image.layers[0] as TestLayer;
}
