import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { digestOf } from '../../lib/oci/digest.js';
import type { PackedLayer, PackLayerOptions } from '../../lib/store/pack-layer.js';
import { firstDifference } from '../../lib/store/tree-difference.js';
import { expectError } from '../support/containers.js';
import { packOddTree } from '../support/odd-tree.js';
import { Podman } from '../support/podman.js';
import { makeDirectory, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { importArchive } from '../support/import-archive.js';
import { Box } from '../support/store-box.js';
import { tar, type TarEntry } from '../support/tar-builder.js';
import { compareTrees, readTree } from '../support/trees.js';

/** A path of so many parts of 199 bytes. */
const long = (parts: number): string =>
  Array.from({ length: parts }, (_, i) => String.fromCharCode(97 + i).repeat(199)).join('/');
const LONG = long(18);
const NOT_TEXT = Buffer.from([0xff, 0xfe, 0x0a, 0x3d]);

/** How two trees differ; whiteouts have no times of their own. */
function differences(left: string, right: string): string[] {
  const [a, b] = [left, right].map((root) => {
    const tree = readTree(root);
    for (const [path, text] of tree) if (/ device 0$/.test(text)) tree.set(path, 'whiteout');
    return tree;
  });
  return a && b ? compareTrees(a, b) : ['?'];
}

/**
 * A layer with what the odd tree has not: marks of what is deleted, and names at the limits.
 *
 * @param peers - without what podman does not read: times after 2242, and empty attributes
 */
function oddLayer(peers = false): Buffer {
  const entries: TarEntry[] = [
    { name: 'b/', type: '5', mode: 0o2775, uid: 3, gid: 4 },
    { name: 'b/.wh..wh..opq' },
    { name: 'b/.a', content: 'before the mark by its bytes' },
    { name: 'b/.wh.gone' },
    { name: 'b.b', content: 'sorts before what is in b, and comes after' },
    { name: `.wh.${'w'.repeat(255)}` },
    { name: 'n'.repeat(100), content: 'n' },
    { name: 'n'.repeat(101), content: 'n' },
    { name: `${LONG}/`, type: '5' },
    { name: `${LONG}/${'z'.repeat(90)}`, content: 'z' },
    { name: 'first', content: 'linked' },
    { name: 'l/last', type: '1', link: 'first', pax: { 'SCHILY.xattr.user.note': 'both' } },
    {
      name: Buffer.concat([Buffer.from('l/'), NOT_TEXT]),
      pax: { path: Buffer.concat([Buffer.from('l/'), NOT_TEXT]) },
    },
    { name: 'l/to', type: '2', link: NOT_TEXT, pax: { linkpath: NOT_TEXT, mtime: '-1.25' } },
    {
      name: 'large',
      content: Buffer.alloc(700_001, 'x'),
      uid: 2_097_151,
      pax: { mtime: peers ? '1.000000001' : '9999999999.000000001' },
    },
    {
      name: 'x',
      pax: {
        'SCHILY.xattr.user.bytes': Buffer.from([0, 0x0a, 0x3d, 0xff]),
        ...(peers ? {} : { 'SCHILY.xattr.user.none': '' }),
      },
    },
  ];
  return tar(...entries);
}

describe('store: packing', function () {
  this.timeout(60_000);
  requires('root', 'getfattr', 'podman', 'umoci');
  let box: Box;
  let directory: string;
  before(() => (directory = makeDirectory()));
  after(() => removeDirectory(directory));
  beforeEach(async () => {
    box = new Box();
    await box.open();
  });
  afterEach(async () => {
    // By the worker: some paths are longer than a path may be.
    for (const name of box.list('containers')) await box.store.removeTree(join(box.root, 'containers', name));
    for (const { id } of box.store.images.list()) await box.store.deleteImage(id);
    await box.close();
  });

  const unpack = async (archive: string): Promise<string> => {
    const image = await importArchive(box.store, archive);
    return box.store.layers.lowerDirectories(image.id)[0] ?? '';
  };
  const pack = async (tree: string, options: PackLayerOptions = {}): Promise<PackedLayer> => {
    const layer = await box.store.packLayer(tree, options);
    if (!layer) throw new Error(`nothing to pack in ${tree}`);
    return layer;
  };
  const bytesOf = (layer: PackedLayer): Buffer =>
    readFileSync(box.store.content.pathOf(layer.descriptor.digest));
  /** A tree in the store that nobody has unpacked. */
  const made = (script: string, ...args: string[]): string => {
    const tree = join(box.root, 'containers', `t${box.list('containers').length}`);
    mkdirSync(tree);
    execFileSync('sh', ['-ec', script, 'sh', ...args], { cwd: tree });
    return tree;
  };
  const namesOf = (layer: PackedLayer): string[] =>
    execFileSync('tar', ['-tf', '-', '--quoting-style=escape'], { input: bytesOf(layer), encoding: 'utf8' })
      .split('\n')
      .slice(0, -1);

  it('unpacks what it has packed to an equal tree, and packs that to equal bytes', async () => {
    await using _lock = await box.store.hold();
    const own = join(directory, 'own.tar');
    writeFileSync(own, oddLayer());
    for (const archive of [packOddTree(directory, 'pax'), own]) {
      const tree = await unpack(archive);
      const layer = await pack(tree, { compression: 'none' });
      const again = await unpack(box.store.content.pathOf(layer.descriptor.digest));
      expect(again).to.not.equal(tree);
      expect(differences(tree, again)).to.deep.equal([]);
      const difference = await box.store.worker((worker) =>
        firstDifference(worker, relative(box.root, tree), relative(box.root, again)),
      );
      expect(difference).to.equal(undefined);
      for (const other of [tree, again])
        expect(await pack(other, { compression: 'none' })).to.deep.equal(layer);
    }
  });

  it('packs paths of as many bytes as may be', async () => {
    await using _lock = await box.store.hold();
    const archive = join(directory, 'long.tar');
    writeFileSync(
      archive,
      tar(
        { name: `${long(20)}/${'z'.repeat(95)}`, content: 'z' },
        { name: `${long(20)}/.wh.${'y'.repeat(91)}` },
      ),
    );
    const tree = await unpack(archive);
    const layer = await pack(tree);
    expect(layer.entries).to.equal(22);
    const again = await unpack(box.store.content.pathOf(layer.descriptor.digest));
    const difference = await box.store.worker((worker) =>
      firstDifference(worker, relative(box.root, tree), relative(box.root, again), 1),
    );
    expect(difference).to.equal(undefined);
    expect(await pack(again)).to.deep.equal(layer);
  });

  it('gives the same archive however it is compressed, and says what it is', async () => {
    await using _lock = await box.store.hold();
    const tree = await unpack(packOddTree(directory, 'pax'));
    const plain = await pack(tree, { compression: 'none' });
    expect(plain.descriptor).to.deep.equal({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: plain.diffId,
      size: plain.size,
    });
    const gzip = await pack(tree);
    expect(digestOf(gunzipSync(bytesOf(gzip)))).to.equal(plain.diffId);
    expect(gzip).to.deep.include({ diffId: plain.diffId, size: plain.size, entries: plain.entries });
    expect(box.store.content.get(gzip.descriptor.digest)).to.deep.equal({
      ...gzip.descriptor,
      diffId: plain.diffId,
    });
    const zstd = await pack(tree, { compression: 'zstd', level: 1 });
    expect(zstd.descriptor.mediaType).to.equal('application/vnd.oci.image.layer.v1.tar+zstd');
    expect(digestOf(execFileSync('zstd', ['-dc'], { input: bytesOf(zstd), maxBuffer: 1 << 28 }))).to.equal(
      plain.diffId,
    );
  });

  it('is read by podman and umoci', async () => {
    await using _lock = await box.store.hold();
    const own = join(directory, 'peers.tar');
    writeFileSync(own, oddLayer(true));
    for (const [i, archive] of [packOddTree(directory, 'pax'), own].entries()) {
      const tree = await unpack(archive);
      const layer = await pack(tree, { compression: 'none' });
      const podman = new Podman(join(directory, `podman-${i}`));
      try {
        podman.import(box.store.content.pathOf(layer.descriptor.digest), 'localhost/packed:1');
        const [name = ''] = readdirSync(join(podman.root, 'overlay')).filter((entry) => entry.length === 64);
        expect(differences(join(podman.root, 'overlay', name, 'diff'), tree)).to.deep.equal([]);
      } finally {
        podman.dispose();
      }
    }
    const tree = await unpack(packOddTree(directory, 'pax'));
    const layer = await pack(tree, { compression: 'none' });
    const layout = join(directory, 'layout');
    const bundle = join(directory, 'bundle');
    const umoci = (...args: string[]): void => void execFileSync('umoci', args, { stdio: 'pipe' });
    umoci('init', '--layout', layout);
    umoci('new', '--image', `${layout}:packed`);
    umoci(
      'raw',
      'add-layer',
      '--image',
      `${layout}:packed`,
      box.store.content.pathOf(layer.descriptor.digest),
    );
    umoci('unpack', '--image', `${layout}:packed`, bundle);
    expect(differences(join(bundle, 'rootfs'), tree)).to.deep.equal([]);
  });

  it('makes no layer of nothing', async () => {
    expect(await box.store.packLayer(made('setfattr -n user.note -v x .; chmod 700 .'))).to.equal(undefined);
    // A socket is something that somebody listens to.
    const listen = 'perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Local => q(s), Listen => 1) or die"';
    expect(await box.store.packLayer(made(listen))).to.equal(undefined);
    expect(box.store.content.list()).to.deep.equal([]);
  });

  it('leaves out marks of overlay, and takes only its own ones for such', async () => {
    await using _lock = await box.store.hold();
    const layer = await pack(
      made(
        `mkdir d e; touch d/x
         setfattr -n trusted.overlay.origin -v x d; setfattr -n trusted.overlay.opaque -v y d
         setfattr -n user.overlay.opaque -v y e; setfattr -n user.overlay.redirect -v /x e
         mknod w1 c 0 0; ln w1 w2`,
      ),
      { compression: 'none' },
    );
    expect(namesOf(layer)).to.deep.equal(['d/', 'd/.wh..wh..opq', 'd/x', 'e/', '.wh.w1', '.wh.w2']);
    expect(bytesOf(layer).includes('overlay')).to.equal(false);
  });

  it('refuses what no layer can say', async () => {
    for (const [script, what] of [
      ['mkdir d; touch d/.wh.passwd', /"d\/\.wh\.passwd".*names that begin/],
      ['mkdir .wh..wh..opq', /names that begin/],
      ['touch x; setfattr -n user.a=b -v x x', /user\.a=b/],
      ['mkdir d; setfattr -n trusted.overlay.redirect -v /x d', /"d" cannot be packed/],
      ['touch f; setfattr -n trusted.overlay.metacopy -v "" f', /"f" cannot be packed/],
      ['perl -e "for (1..1100) { mkdir q(d); chdir q(d) or die }"', /more than 4095 bytes or 1024 parts/],
      [`perl -e 'for (1..30) { mkdir "d" x 200; chdir "d" x 200 or die }'`, /more than 4095 bytes/],
    ] as const) {
      const { message } = await expectError('ERR_UNSUPPORTED', box.store.packLayer(made(script)));
      expect(message).to.match(what);
    }
    await expectError('ERR_INTERNAL', box.store.packLayer('/etc'));
    await expectError('ERR_IO', box.store.packLayer(join(box.root, 'containers/none')));
    expect(box.store.content.list()).to.deep.equal([]);
  });

  it('does not follow what it finds, however it is named', async () => {
    await using _lock = await box.store.hold();
    const outside = join(box.root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), 'SENTINEL');
    const tree = made(
      `ln -s ../../outside to; ln -s "$1" absolute; ln -s ../../outside/secret file
       touch "$(printf 'a\\nb/../x' | tr / _)" -- '-rf' 'a b' '\\' '*'
       perl -e 'for (1..1000) { mkdir q(d); chdir q(d) or die } open F, q(>end)'`,
      outside,
    );
    const layer = await pack(tree, { compression: 'none' });
    expect(bytesOf(layer).includes('SENTINEL')).to.equal(false);
    expect(namesOf(layer)).to.include.members(['to', 'absolute', 'file', `${'d/'.repeat(1000)}end`]);

    // A directory that is a link a moment later.
    const swapped = made(
      'mkdir d; for i in 1 2 3 4 5 6 7 8; do echo own >d/secret$i; done; echo own >d/secret',
    );
    const swap = spawn(
      'perl',
      ['-e', 'while (1) { rename "d", "e"; symlink "../../outside", "d"; unlink "d"; rename "e", "d" }'],
      { cwd: swapped, stdio: 'ignore' },
    );
    let whole = 0;
    try {
      for (let i = 0; i < 40; i++) {
        try {
          const found = await box.store.packLayer(swapped, { compression: 'none' });
          whole++;
          if (found) expect(bytesOf(found).includes('SENTINEL')).to.equal(false);
        } catch (error) {
          expect(error).to.have.property('code', 'ERR_IO');
        }
      }
    } finally {
      swap.kill('SIGKILL');
    }
    expect(whole).to.be.greaterThan(0);
  });

  it('streams: neither holes nor content stay in memory, and what is aborted leaves nothing', async () => {
    const tree = made('truncate -s 300M sparse; head -c 30M /dev/urandom >full');
    const before = process.memoryUsage.rss();
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss() - before)), 20);
    await using _lock = await box.store.hold();
    try {
      expect(await pack(tree, { compression: 'gzip', level: 1 })).to.deep.include({ entries: 2 });
    } finally {
      clearInterval(watch);
    }
    expect(most).to.be.lessThan(150 << 20);
    const abort = new AbortController();
    const work = box.store.packLayer(tree, { signal: abort.signal }).catch((error: unknown) => error);
    setTimeout(() => abort.abort(), 50);
    expect(await work).to.have.property('name', 'AbortError');
    expect(box.store.content.list()).to.have.length(1);
    expect(
      box
        .list('tmp')
        .filter((name) => !name.endsWith('.lock'))
        .flatMap((name) => box.list(`tmp/${name}`)),
    ).to.deep.equal([]);
  });

  it('leaves out what was made to mount on, and nothing else', async () => {
    await using _lock = await box.store.hold();
    const base = made('mkdir -p etc usr/share full; touch -d @1000 full usr/share etc usr');
    const points = ['/etc/hosts', '/proc', '/run/x/.env', '/usr/share/m', '/full/f', '/dir'];
    const changes = async (script: string): Promise<string[]> => {
      const upper = made(`cp -a ${base}/. .; ${script}`);
      const layer = await box.store.packLayer(upper, {
        compression: 'none',
        mounts: { points, below: [base] },
      });
      return layer ? namesOf(layer) : [];
    };
    const idle = `rm -d full; mkdir proc; touch etc/hosts; mkdir -p run/x; touch run/x/.env; mkdir usr/share/m; touch -d @1000 usr`;
    expect(await changes(idle)).to.deep.equal([]);
    expect(await changes(`${idle}; touch etc/own`)).to.deep.equal(['etc/', 'etc/own']);
    expect(await changes(`${idle}; echo text >etc/hosts`)).to.deep.equal(['etc/', 'etc/hosts']);
    expect(await changes(`${idle}; chmod 700 etc`)).to.deep.equal(['etc/']);
    expect(await changes(`${idle}; chown 5 run`)).to.deep.equal(['run/']);
    expect(await changes(`${idle}; touch usr`)).to.deep.equal(['usr/']);
    expect(await changes(`${idle}; mkdir empty; mkdir -p dir/in`)).to.deep.equal([
      'dir/',
      'dir/in/',
      'empty/',
    ]);
    await expectError(
      'ERR_INVALID_OPTION',
      box.store.packLayer(base, { mounts: { points: ['x'], below: [] } }),
    );
  });
});
