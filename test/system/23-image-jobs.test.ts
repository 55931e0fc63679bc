import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { changesOfLayer } from '../../lib/store/changes.js';
import { expectError } from '../support/containers.js';
import { makeImage, type TestImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { Box, idOf, layer } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

describe('images: jobs', function () {
  this.timeout(60_000);
  requires('root');
  let box: Box;
  let engine: Engine;
  let base: TestImage;
  let built: TestImage;
  beforeEach(async () => {
    box = new Box();
    await box.open();
    const lowest = await layer('a', 'aaa');
    const middle = tar(
      { name: 'd/', type: '5' },
      { name: 'd/x', content: 'x' },
      { name: 'e/y', content: 'y' },
    );
    const top = tar(
      { name: '.wh.a' },
      { name: 'b', content: 'b' },
      { name: 'd/x', content: 'xx' },
      { name: 'e/.wh..wh..opq' },
      { name: 'e/z', content: 'z' },
    );
    base = await makeImage({ layers: [lowest, middle], config: { Labels: { a: 'b' } } });
    built = await makeImage({ layers: [lowest, middle, top] });
    await box.take(MemorySource.of(base), ['localhost/base:1']);
    await box.take(MemorySource.of(built), ['localhost/built:1']);
    engine = await Engine.open({ root: box.root, runroot: box.runroot });
  });
  afterEach(async () => {
    for (const { id } of await engine.images.mounted())
      await (await engine.images.get(id)).unmount({ force: true });
    await engine.close();
    await box.close();
  });

  it('tells how an image came to be, and what it is made of', async () => {
    const image = await engine.images.get('built:1');
    const history = await image.history();
    expect(history.map(({ id, createdBy }) => [id, createdBy])).to.deep.equal([
      [idOf(built), 'layer 2'],
      [idOf(base), 'layer 1'],
      ['<missing>', 'layer 0'],
    ]);
    expect(history.map(({ size }) => size)).to.deep.equal(
      built.layers.map(({ plain }) => plain.length).reverse(),
    );
    const tree = await image.tree();
    expect(tree.layers.map(({ topOf }) => topOf)).to.deep.equal([
      [],
      ['localhost/base:1'],
      ['localhost/built:1'],
    ]);
    const above = await (await engine.images.get('base:1')).tree({ whatRequires: true });
    expect(above.layers).to.deep.equal(tree.layers.slice(1));
  });

  it('tells what a layer changes, and what differs between images', async () => {
    const show = (changes: { kind: string; path: Uint8Array }[]): string[] =>
      changes.map(({ kind, path }) => `${kind} ${Buffer.from(path).toString()}`);
    const image = await engine.images.get('built:1');
    const wanted = ['D a', 'A b', 'C d', 'C d/x', 'C e', 'D e/y', 'A e/z'];
    expect(show(await image.diff()).filter((line) => line !== 'C d')).to.deep.equal(
      wanted.filter((line) => line !== 'C d'),
    );
    expect(show(await image.diff('base:1')).filter((line) => line !== 'C d')).to.deep.equal(
      wanted.filter((line) => line !== 'C d'),
    );
    expect(show(await (await engine.images.get('base:1')).diff('built:1'))).to.include.members([
      'A a',
      'D b',
      'A e/y',
    ]);
    expect(await image.diff('built:1')).to.deep.equal([]);
  });

  it('tells of names that are no text', async () => {
    const path = join(box.root, 'containers/x');
    mkdirSync(path, { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff, 0xfe])]), '');
    const changes = await box.store.worker((worker) => changesOfLayer(worker, 'containers/x', []));
    expect(changes).to.deep.equal([{ kind: 'A', path: Buffer.from([0xff, 0xfe]) }]);
    rmSync(path, { recursive: true });
  });

  it('counts what images share', async () => {
    const usage = await engine.df();
    const [one, two] = [
      usage.images.find(({ id }) => id === idOf(base)),
      usage.images.find(({ id }) => id === idOf(built)),
    ];
    const sizes = built.layers.map(({ plain }) => plain.length);
    expect(one?.sharedSize).to.equal((sizes[0] ?? 0) + (sizes[1] ?? 0));
    expect(two?.uniqueSize).to.equal((sizes[2] ?? 0) + built.config.bytes.length);
    const configurations = base.config.bytes.length + built.config.bytes.length;
    expect(usage.imagesSize).to.equal(sizes.reduce((sum, size) => sum + size) + configurations);
    expect(usage.imagesReclaimable).to.equal(usage.imagesSize);
  });

  it('mounts an image, and counts how often', async () => {
    const image = await engine.images.get('built:1');
    const path = await image.mount();
    expect(await image.mount()).to.equal(path);
    expect(execFileSync('ls', [path, `${path}/e`], { encoding: 'utf8' })).to.equal(
      `${path}:\nb\nd\ne\n\n${path}/e:\nz\n`,
    );
    expect(() => writeFileSync(join(path, 'new'), '')).to.throw(/EROFS/);
    expect(await engine.images.mounted()).to.deep.equal([
      { id: image.id, names: ['localhost/built:1'], path, count: 2 },
    ]);
    await expectError('ERR_IN_USE', image.remove());
    expect(await image.unmount()).to.equal(true);
    expect(existsSync(join(path, 'b'))).to.equal(true);
    expect(await image.unmount()).to.equal(true);
    expect(await image.unmount()).to.equal(false);
    expect(existsSync(path)).to.equal(false);
    const single = await makeImage();
    await box.take(MemorySource.of(single), ['localhost/single:1']);
    const other = await engine.images.get('single:1');
    expect(readFileSync(join(await other.mount(), 'hello'), 'utf8')).to.include('hello');
    await other.remove({ force: true });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.to.include(box.root);
    // As after a crash: a record without a mount.
    mkdirSync(join(box.root, 'mounts', 'f'.repeat(64)));
    expect(await engine.images.mounted()).to.deep.equal([]);
    expect(existsSync(join(box.root, 'mounts', 'f'.repeat(64)))).to.equal(false);
    expect(await engine.check({ trees: true })).to.deep.equal([]);
  });

  it('prunes what nothing needs', async () => {
    expect(await engine.images.prune()).to.deep.equal([]);
    await (await engine.images.get('built:1')).untag();
    const before = (await engine.df()).imagesSize;
    const [gone] = await engine.images.prune();
    expect(gone?.id).to.equal(idOf(built));
    expect((await engine.df()).imagesSize).to.equal(before - (gone?.size ?? 0));
    const only = { all: true, filters: { label: ['a=b'], labelNot: ['c'], until: new Date() } };
    expect(await engine.images.prune({ all: true, filters: { label: ['nosuch'] } })).to.deep.equal([]);
    expect((await engine.images.prune(only)).map(({ names }) => names)).to.deep.equal([['localhost/base:1']]);
    await expectError('ERR_INVALID_OPTION', engine.images.prune({ filters: { until: 'x' as never } }));
    box.expectEmpty();
  });

  it('lists what a filter lets through', async () => {
    const names = async (filter: Parameters<Engine['images']['list']>[0]): Promise<string[]> =>
      (await engine.images.list(filter)).flatMap((row) => row.names).sort();
    expect(await names({ id: [idOf(base).slice(0, 9)] })).to.deep.equal(['localhost/base:1']);
    expect(await names({ digest: [built.manifest.descriptor.digest] })).to.deep.equal(['localhost/built:1']);
    expect(await names({ until: new Date(0) })).to.deep.equal([]);
    expect(await names({ containers: true })).to.deep.equal([]);
    expect(await names({ manifest: true })).to.deep.equal([]);
    await (await engine.images.get('base:1')).untag();
    const [intermediate] = await engine.images.list({ intermediate: true });
    expect(intermediate?.id).to.equal(idOf(base));
  });
});
