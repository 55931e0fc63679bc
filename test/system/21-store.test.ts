import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { ErrorCode } from '../../lib/errors.js';
import { native } from '../../lib/native/index.js';
import { copy } from '../../lib/oci/copy.js';
import { digestOf, hexOf } from '../../lib/oci/digest.js';
import type { ImageSource } from '../../lib/oci/types.js';
import { Store } from '../../lib/store/store.js';
import { expectError } from '../support/containers.js';
import { makeImage, makeIndex, type TestImage, tarOf } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { makeDirectory, nodeArguments, removeDirectory, until } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { tar } from '../support/tar-builder.js';

/** A store of a test's own. */
class Box {
  readonly directory = makeDirectory();
  readonly root: string;
  readonly runroot = join(this.directory, 'run');
  store!: Store;

  constructor(root?: string) {
    this.root = root ?? join(this.directory, 'root');
  }

  async open(): Promise<Store> {
    return (this.store = await Store.open({ root: this.root, runroot: this.runroot, native: native() }));
  }

  async take(source: ImageSource, names: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    await copy(source, this.store.sink({ names, ...(signal ? { signal } : {}) }), signal ? { signal } : {});
  }

  list(path: string): string[] {
    return readdirSync(join(this.root, path)).sort();
  }

  /** Nothing of any image, half-made or whole. */
  expectEmpty(): void {
    expect(this.store.images.list()).to.deep.equal([]);
    expect(this.store.layers.list()).to.deep.equal([]);
    expect(this.store.content.list()).to.deep.equal([]);
    expect(this.list('layers')).to.deep.equal([]);
    expect(this.list('images/blobs/sha256')).to.deep.equal([]);
    for (const name of this.list('tmp'))
      expect(this.list(`tmp/${name}`.replace(/\.lock$/, ''))).to.deep.equal([]);
  }

  async close(): Promise<void> {
    await this.store?.close();
    expect(this.list('tmp')).to.deep.equal([]);
    removeDirectory(this.directory);
  }
}

const idOf = (image: TestImage): string => hexOf(image.config.descriptor.digest);
const layer = (name: string, content = name): Promise<Buffer> => tarOf([{ name, content }]);

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  let box: Box;
  beforeEach(async () => {
    box = new Box();
    await box.open();
  });
  afterEach(() => box.close());

  it('takes an image in, shows it to other programs, and forgets it', async () => {
    requireProgram('skopeo');
    const image = await makeImage({
      layers: [await layer('a'), await layer('b')],
      config: { Labels: { a: 'b' } },
    });
    const docker = await makeImage({ layers: [await layer('c')], docker: true });
    await box.take(MemorySource.of(image), ['localhost/one:1', 'docker.io/library/one:latest']);
    await box.take(MemorySource.of(docker), ['localhost/two:latest']);
    const { image: found } = box.store.images.find('one');
    expect(found.id).to.equal(idOf(image));
    const trees = box.store.layers.lowerDirectories(found.id);
    expect(trees.map((tree) => readdirSync(tree))).to.deep.equal([['b'], ['a']]);
    expect(statSync(trees[0] ?? '').mode & 0o7777).to.equal(0o555);
    for (const [name, one] of [
      ['localhost/one:1', image],
      ['localhost/two:latest', docker],
    ] as const) {
      const inspected = JSON.parse(
        execFileSync('skopeo', ['inspect', `oci:${box.root}/images:${name}`], { encoding: 'utf8' }),
      ) as {
        Digest: string;
        Layers: string[];
      };
      // Docker's manifests are there in OCI's types.
      if (one === image) expect(inspected.Digest).to.equal(one.manifest.descriptor.digest);
      expect(inspected.Layers).to.deep.equal(one.layers.map(({ descriptor }) => descriptor.digest));
    }
    execFileSync('skopeo', [
      'copy',
      '-q',
      `oci:${box.root}/images:localhost/one:1`,
      `dir:${box.directory}/copy`,
    ]);
    await box.store.deleteImage(found.id);
    await box.store.deleteImage(idOf(docker));
    box.expectEmpty();
    expect(readFileSync(join(box.root, 'images/index.json'), 'utf8')).to.include('"manifests":[]');
  });

  it('gives out what it took in', async () => {
    const image = await makeImage({ layers: [await layer('a'), await layer('b')] });
    const index = makeIndex([image]);
    await box.take(new MemorySource([image], index), ['localhost/one:1']);
    const again = new Box();
    await again.open();
    await again.take(box.store.source(idOf(image)), ['localhost/two:1']);
    expect(again.store.images.find('two:1').image.digest).to.equal(image.manifest.descriptor.digest);
    expect((await box.store.source(idOf(image)).manifest(index.descriptor.digest)).bytes).to.deep.equal(
      index.bytes,
    );
    await again.close();
  });

  it('keeps what images share, once, until the last of them goes', async () => {
    const [base, one, two] = [await layer('base'), await layer('one'), await layer('two')];
    const first = await makeImage({ layers: [base, one] });
    const second = await makeImage({ layers: [base, two] });
    // The same layers in another order are other layers: unpacked from what is here already.
    const third = await makeImage({ layers: [one, base] });
    for (const image of [first, second, third]) await box.take(MemorySource.of(image));
    expect(box.list('layers')).to.have.length(5);
    expect(box.store.content.list()).to.have.length(3 + 3 + 3);
    const source = MemorySource.of(first);
    await box.take(source);
    expect(source.asked.filter((what) => what.startsWith('blob'))).to.have.length(1);
    await box.store.deleteImage(idOf(first));
    expect(box.list('layers')).to.have.length(4);
    expect(box.store.layers.lowerDirectories(idOf(second)).map((tree) => readdirSync(tree)[0])).to.deep.equal(
      ['two', 'base'],
    );
    await box.store.deleteImage(idOf(second));
    await box.store.deleteImage(idOf(third));
    box.expectEmpty();
  });

  it('does not delete an image that a container needs', async () => {
    const image = await makeImage();
    await box.take(MemorySource.of(image), ['localhost/a:latest']);
    box.store.containers.insert({
      id: 'c'.repeat(64),
      name: 'c',
      imageId: idOf(image),
      record: {},
      state: {},
    });
    const error = await expectError('ERR_IN_USE', box.store.deleteImage(idOf(image)));
    expect(error.message).to.include('used by c');
    expect(box.store.images.find('a').image.names).to.deep.equal(['localhost/a:latest']);
    box.store.containers.delete('c'.repeat(64));
    await box.store.deleteImage(idOf(image));
    box.expectEmpty();
    await expectError('ERR_NO_SUCH_IMAGE', box.store.deleteImage(idOf(image)));
  });

  /** Makes one blob of an image other than what was announced. */
  const spoil = (
    image: TestImage,
    which: 'config' | number,
    change: (bytes: Buffer) => Buffer,
  ): MemorySource => {
    const source = MemorySource.of(image);
    const { descriptor, bytes } =
      which === 'config' ? image.config : (image.layers[which] as TestImage['layers'][0]);
    source.blobs.set(descriptor.digest, change(bytes));
    return source;
  };
  const flip = (bytes: Buffer, at: number): Buffer => {
    const copy_ = Buffer.from(bytes);
    copy_[at] = (copy_[at] as number) ^ 1;
    return copy_;
  };
  const bad: [string, ErrorCode, () => Promise<MemorySource>][] = [
    [
      'a layer with a wrong byte',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => flip(bytes, bytes.length - 9)),
    ],
    [
      'a layer with a wrong byte in its header',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => flip(bytes, 0)),
    ],
    [
      'a layer that is cut',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => bytes.subarray(0, -5)),
    ],
    [
      'a layer that is too long',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => Buffer.concat([bytes, bytes])),
    ],
    [
      'a configuration with a wrong byte',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 'config', (bytes) => flip(bytes, 5)),
    ],
    [
      'a layer that is no archive',
      'ERR_INVALID_LAYER',
      async () => MemorySource.of(await makeImage({ layers: [Buffer.from('no archive'.repeat(99))] })),
    ],
    [
      'a layer that leads out',
      'ERR_INVALID_LAYER',
      async () =>
        MemorySource.of(
          await makeImage({ layers: [tar({ name: 'l', type: '2', link: '/var/tmp' }, { name: 'l/x' })] }),
        ),
    ],
    [
      'a layer that is compressed twice',
      'ERR_INVALID_LAYER',
      async () => MemorySource.of(await makeImage({ layers: [gzipSync(await layer('a'))] })),
    ],
    [
      'a layer that is not what the configuration says',
      'ERR_DIGEST_MISMATCH',
      async () => {
        const image = await two();
        const other = await makeImage({ layers: [await layer('x'), await layer('y')] });
        const wrong = Buffer.from(
          JSON.stringify({ ...image.config.parsed, rootfs: other.config.parsed.rootfs }),
        );
        const config = { ...image.config.descriptor, digest: digestOf(wrong), size: wrong.length };
        const manifest = Buffer.from(
          JSON.stringify({ ...(JSON.parse(image.manifest.bytes.toString()) as object), config }),
        );
        const source = new MemorySource([image], {
          bytes: manifest,
          descriptor: { ...image.manifest.descriptor, digest: digestOf(manifest), size: manifest.length },
        });
        source.blobs.set(config.digest, wrong);
        return source;
      },
    ],
  ];
  const two = async (): Promise<TestImage> =>
    makeImage({ layers: [await layer('a'), await layer('b', 'b'.repeat(100_000))] });
  for (const [what, code, make] of bad) {
    it(`refuses ${what} and stays as it was`, async () => {
      await expectError(code, box.take(await make(), ['localhost/a:latest']));
      box.expectEmpty();
    });
  }

  it('refuses a layer whose blob is here under another claim', async () => {
    const image = await two();
    await box.take(MemorySource.of(image));
    const make = bad.at(-1)?.[2] as () => Promise<MemorySource>;
    await expectError('ERR_DIGEST_MISMATCH', box.take(await make()));
    expect(box.store.images.list()).to.have.length(1);
    expect(box.list('layers')).to.have.length(2);
  });

  it('imports archives however they are compressed', async () => {
    requireProgram('zstd');
    const plain = await layer('etc/passwd', 'root:x:0:0::/:/bin/sh\n');
    const zstd = execFileSync('zstd', ['-qc'], { input: plain });
    const ids = new Set<string>();
    for (const bytes of [
      plain,
      gzipSync(plain),
      zstd,
      Buffer.concat([gzipSync(plain.subarray(0, 700)), gzipSync(plain.subarray(700))]),
    ]) {
      const image = await box.store.import(Readable.from([bytes]), {
        name: 'localhost/x:latest',
        created: new Date(0),
        config: { Cmd: ['sh'] },
      });
      ids.add(image.id);
      expect(image.config.config?.Cmd).to.deep.equal(['sh']);
      expect(box.store.images.userFiles(image.id)).to.deep.equal({ passwd: 'root:x:0:0::/:/bin/sh\n' });
    }
    expect(ids.size, 'the same content is the same image').to.equal(1);
    const bzip2 = Buffer.from('BZh91AY&SY');
    await expectError('ERR_UNSUPPORTED', box.store.import(Readable.from([bzip2])));
    await expectError('ERR_INVALID_LAYER', box.store.import(Readable.from([])));
    expect(box.list('layers')).to.have.length(1);
  });

  it('reads users as the stacked layers show them', async () => {
    const users = async (...layers: Buffer[]): Promise<object> => {
      const image = await makeImage({ layers });
      await box.take(MemorySource.of(image));
      return box.store.images.userFiles(idOf(image));
    };
    const base = tar(
      { name: 'etc/passwd', content: 'base' },
      { name: 'etc/group', content: 'groups' },
      { name: 'usr/etc/passwd', content: 'usr' },
    );
    expect(await users(base)).to.deep.equal({ passwd: 'base', group: 'groups' });
    expect(await users(base, tar({ name: 'etc/passwd', content: 'top' }))).to.deep.equal({
      passwd: 'top',
      group: 'groups',
    });
    expect(await users(base, tar({ name: 'etc/.wh.passwd' }))).to.deep.equal({ group: 'groups' });
    expect(await users(base, tar({ name: '.wh.etc' }))).to.deep.equal({});
    expect(
      await users(base, tar({ name: 'etc/.wh..wh..opq' }, { name: 'etc/group', content: 'new' })),
    ).to.deep.equal({ group: 'new' });
    expect(
      await users(base, tar({ name: '.wh.etc' }, { name: 'etc', type: '2', link: 'usr/etc' })),
    ).to.deep.equal({ passwd: 'usr' });
    expect(
      await users(base, tar({ name: 'etc/passwd', type: '2', link: '../../../../usr/etc/passwd' })),
    ).to.deep.equal({ passwd: 'usr', group: 'groups' });
    expect(await users(base, tar({ name: 'etc/passwd', type: '2', link: '/etc/hostname' }))).to.deep.equal({
      group: 'groups',
    });
    expect(await users(base, tar({ name: 'etc/passwd', type: '2', link: 'passwd' }))).to.deep.equal({
      group: 'groups',
    });
    expect(
      await users(base, tar({ name: 'etc/passwd', type: '6' }, { name: 'etc/group', type: '5' })),
    ).to.deep.equal({});
    const huge = {
      name: 'etc/passwd',
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'etc/passwd',
        'GNU.sparse.realsize': String(2 ** 30),
      },
    };
    expect(await users(tar({ ...huge, content: '0\n'.padEnd(512, '\0') }))).to.deep.equal({});
  });

  it('stops when it is told to, and undoes what it did', async () => {
    const image = await makeImage({ layers: [await layer('a', 'a'.repeat(3_000_000))], compress: 'none' });
    const stop = new AbortController();
    const source = MemorySource.of(image);
    const given = source.blob.bind(source);
    source.blob = async (descriptor) => {
      if (descriptor.size < 1_000_000) return given(descriptor);
      const bytes = image.layers[0]?.bytes ?? Buffer.alloc(0);
      return Readable.from(
        (async function* () {
          yield bytes.subarray(0, 2_000_000);
          setTimeout(() => stop.abort(new Error('enough')), 20);
          await new Promise((done) => setTimeout(done, 60_000).unref());
        })(),
      );
    };
    const start = performance.now();
    const failure: unknown = await box.take(source, [], stop.signal).catch((error: unknown) => error);
    expect(String(failure)).to.include('enough');
    expect(performance.now() - start).to.be.lessThan(2000);
    box.expectEmpty();
  });

  it('waits with what nobody needs while an image is on its way', async () => {
    const [first, second] = [
      await makeImage({ layers: [await layer('a')] }),
      await makeImage({ layers: [await layer('a'), await layer('b')] }),
    ];
    await box.take(MemorySource.of(first));
    const sink = box.store.sink();
    const [descriptor] = first.layers.map((one) => one.descriptor);
    if (!descriptor) throw new Error('unreachable');
    expect(await sink.hasBlob(descriptor)).to.equal(true);
    const other = await Store.open({ root: box.root, runroot: box.runroot, native: native() });
    await other.deleteImage(idOf(first));
    expect(box.store.images.list()).to.deep.equal([]);
    expect(existsSync(box.store.content.pathOf(descriptor.digest))).to.equal(true);
    await copy(MemorySource.of(second), sink);
    expect(box.store.layers.lowerDirectories(idOf(second)).map((tree) => readdirSync(tree)[0])).to.deep.equal(
      ['b', 'a'],
    );
    expect(existsSync(box.store.content.pathOf(first.config.descriptor.digest))).to.equal(false);
    await other.close();
  });

  it('lets nobody else in', () => {
    for (const path of ['', 'layers', 'images', 'tmp', 'containers']) {
      expect(statSync(join(box.root, path)).mode & 0o777, path).to.equal(0o700);
    }
    expect(statSync(join(box.runroot, 'locks')).mode & 0o777).to.equal(0o700);
  });

  it('takes the same image from many at once', async () => {
    const image = await makeImage({
      layers: await Promise.all(['a', 'b', 'c', 'd'].map((name) => layer(name, name.repeat(50_000)))),
    });
    const stores = await Promise.all(
      Array.from({ length: 3 }, () => Store.open({ root: box.root, runroot: box.runroot, native: native() })),
    );
    const all = [...stores, box.store].flatMap((store, i) =>
      [0, 1].map((j) => copy(MemorySource.of(image), store.sink({ names: [`localhost/x${i}:${j}`] }))),
    );
    await Promise.all(all);
    expect(box.store.images.list()).to.have.length(1);
    expect(box.store.images.list()[0]?.names).to.have.length(8);
    expect(box.list('layers')).to.have.length(4);
    for (const store of stores) await store.close();
    await box.store.deleteImage(idOf(image));
    box.expectEmpty();
  });

  it('counts and removes trees with the worker, however deep', async () => {
    const tree = join(box.root, 'containers', 'x');
    mkdirSync(tree);
    writeFileSync(join(tree, 'file'), 'y'.repeat(5000));
    execFileSync('ln', [join(tree, 'file'), join(tree, 'other')]);
    let at = tree;
    for (let i = 0; i < 200; i++) mkdirSync((at = join(at, 'd')), { mode: i % 2 ? 0o000 : 0o700 });
    // Deeper than any path may be, as a process that only changes directories makes it.
    execFileSync('perl', ['-e', 'chdir $ARGV[0]; for (1..3000) { mkdir "d"; chdir "d" or die; }', tree]);
    const usage = await box.store.worker((worker) => worker.usage('tmp'));
    expect(usage.files).to.equal(1);
    execFileSync('mv', [join(tree, 'd'), join(box.root, 'containers', 'deep')]);
    const counted = await box.store.worker((worker) => worker.usage('containers/x'));
    expect(counted).to.deep.include({ size: 5000, files: 3 });
    await box.store.removeTree(tree);
    await box.store.removeTree(join(box.root, 'containers', 'deep'));
    await box.store.removeTree(join(box.root, 'containers', 'never'));
    expect(box.list('containers')).to.deep.equal([]);
    await expectError('ERR_INTERNAL', box.store.removeTree('/etc'));
    await expectError('ERR_INTERNAL', box.store.removeTree(join(box.root, '..', 'x')));
  });

  it('does not cross a mount when it removes', async () => {
    const tree = join(box.root, 'containers', 'x');
    mkdirSync(join(tree, 'mounted'), { recursive: true });
    const kept = join(box.directory, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'file'), 'kept');
    execFileSync('mount', ['--bind', kept, join(tree, 'mounted')]);
    try {
      const failure: unknown = await box.store
        .worker((worker) => worker.remove('containers/x'))
        .catch((error: unknown) => error);
      expect(failure).to.have.property('code');
      expect(readFileSync(join(kept, 'file'), 'utf8')).to.equal('kept');
    } finally {
      execFileSync('umount', [join(tree, 'mounted')]);
    }
    await box.store.removeTree(tree);
  });

  it('keeps the worker small', async () => {
    const archive = join(box.directory, 'big.tar');
    writeFileSync(
      archive,
      tar(...Array.from({ length: 3000 }, (_, i) => ({ name: `d${i % 100}/${i}`, content: 'z'.repeat(i) })), {
        name: 'big',
        content: Buffer.alloc(30 << 20, 1),
      }),
    );
    let most = 0;
    const watched = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of createReadStream(archive, {
        highWaterMark: 256 * 1024,
      }) as AsyncIterable<Buffer>) {
        for (const pid of descendants(process.pid)) most = Math.max(most, residentMemory(pid));
        yield chunk;
      }
    };
    await box.store.import(Readable.from(watched()));
    expect(most)
      .to.be.greaterThan(0)
      .and.lessThan(8 << 20);
  });

  describe('with a disk that is full', function () {
    requires('mount');
    it('says so, and goes on when there is room again', async () => {
      const root = join(box.directory, 'small');
      mkdirSync(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', root]);
      const small = new Box(join(root, 'root'));
      try {
        await small.open();
        const large = await makeImage({ layers: [await layer('a', 'a'.repeat(8 << 20))] });
        await expectError('ERR_NO_SPACE', small.take(MemorySource.of(large)));
        const blob = await makeImage({ layers: [await layer('a', 'a'.repeat(8 << 20))], compress: 'none' });
        await expectError('ERR_NO_SPACE', small.take(MemorySource.of(blob)));
        small.expectEmpty();
        await small.take(MemorySource.of(await makeImage()));
        writeFileSync(join(root, 'fill'), '');
        try {
          writeFileSync(join(root, 'fill'), Buffer.alloc(8 << 20));
        } catch {
          /* as full as it gets */
        }
        expect(small.store.images.list()).to.have.length(1);
        await small.store
          .deleteImage(idOf(await makeImage()))
          .catch((error: unknown) => expect(error).to.have.property('code', 'ERR_NO_SPACE'));
      } finally {
        await small.store.close();
        execFileSync('umount', [root]);
        removeDirectory(small.directory);
      }
    });
  });

  it('cleans up after processes that were killed, whenever that was', async function () {
    this.timeout(120_000);
    const archive = join(box.directory, 'a.tar');
    writeFileSync(
      archive,
      tar(...Array.from({ length: 2000 }, (_, i) => ({ name: `${i % 40}/${i}`, content: 'q'.repeat(i) }))),
    );
    const kept = await makeImage({ layers: [await layer('kept')] });
    await box.take(MemorySource.of(kept), ['localhost/kept:latest']);
    const before = box.list('tmp');
    const task = JSON.stringify({ root: box.root, runroot: box.runroot, archives: [archive], churn: true });
    for (let round = 0; round < 12; round++) {
      const child = spawn(process.execPath, [...nodeArguments('test/support/children/store'), task], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await new Promise((done) => setTimeout(done, 20 + round * 37));
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await until(
      'the workers have ended',
      () => !workers().some((pid) => commandOf(pid).includes('vaina-monitor') && openBelow(pid, box.root)),
    );
    const next = await Store.open({ root: box.root, runroot: box.runroot, native: native() });
    await next.sweep();
    for (const image of next.images.list()) if (image.id !== idOf(kept)) await next.deleteImage(image.id);
    await next.close();
    expect(box.list('tmp')).to.deep.equal(before);
    expect(box.list('layers')).to.have.length(1);
    expect(box.store.content.list()).to.have.length(3);
    expect(box.list('images/blobs/sha256')).to.have.length(3);
    expect(readdirSync(box.store.layers.lowerDirectories(idOf(kept))[0] ?? '')).to.deep.equal(['kept']);
    expect(readFileSync(join(box.root, 'images/index.json'), 'utf8')).to.include('localhost/kept:latest');
  });
});

function requireProgram(name: 'skopeo' | 'zstd'): void {
  execFileSync(name, ['--version'], { stdio: 'ignore' });
}

function workers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function openBelow(pid: number, root: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/maps`, 'utf8') !== '' &&
      execFileSync('readlink', [`/proc/${pid}/root`], { encoding: 'utf8' }).startsWith(root)
    );
  } catch {
    return false;
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

function residentMemory(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
