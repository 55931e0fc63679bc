import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { expectError } from '../support/containers.js';
import { FakeRegistry } from '../support/fake-registry.js';
import { makeImage, tarOf, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { makeDirectory, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { idOf } from '../support/store-box.js';

describe('a store on a disk that is full', function () {
  this.timeout(120_000);
  requires('root', 'mount');
  checkLeftovers();
  let directory: string;
  let mount: string;
  let registry: FakeRegistry;
  let first: TestImage;
  let second: TestImage;
  let large: TestImage;
  const free = (): number => {
    const { bavail, bsize } = statfsSync(mount);
    return bavail * bsize;
  };
  /** Takes all room there is. */
  const fill = (): void => {
    for (let size = 1 << 20; size >= 1; size = size >> 1) {
      try {
        for (;;) writeFileSync(join(mount, 'filler'), Buffer.alloc(size), { flag: 'a' });
      } catch (error) {
        expect(error).to.have.property('code', 'ENOSPC');
      }
    }
    expect(free()).to.equal(0);
  };
  const open = (): Promise<Engine> =>
    Engine.open({ root: join(mount, 'root'), runroot: join(directory, 'run') });
  const pull = (engine: Engine, tag: string): Promise<unknown> =>
    engine.images.pull(`${registry.host}/test:${tag}`, { tlsVerify: false });

  before(async () => {
    directory = makeDirectory();
    mount = join(directory, 'small');
    mkdirSync(mount);
    first = await makeImage({ layers: [await tarOf([{ name: 'a', content: randomBytes(200_000) }])] });
    second = await makeImage({ layers: [await tarOf([{ name: 'b', content: randomBytes(200_000) }])] });
    // One layer for a thread, one that is unpacked here.
    large = await makeImage({
      layers: [
        await tarOf([{ name: 'c', content: randomBytes(12 << 20) }]),
        await tarOf([{ name: 'd', content: randomBytes(500_000) }]),
      ],
    });
    registry = await FakeRegistry.start();
    registry.add([first], 'first');
    registry.add([second], 'second');
    registry.add([large], 'large');
  });
  beforeEach(() => void execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', mount]));
  afterEach(() => void execFileSync('umount', ['-l', mount]));
  after(async () => {
    await registry?.stop();
    if (directory) removeDirectory(directory);
  });

  it('checks, removes and prunes with nothing free, in the process that filled it', async () => {
    await using engine = await open();
    await pull(engine, 'first');
    await pull(engine, 'second');
    fill();
    expect(await engine.check()).to.deep.equal([]);
    await (await engine.images.get(idOf(first))).remove();
    expect(free()).to.be.greaterThan(200_000);
    fill();
    expect((await engine.images.prune({ all: true })).map(({ id }) => id)).to.deep.equal([idOf(second)]);
    expect(readdirSync(join(mount, 'root/layers'))).to.deep.equal([]);
    expect(await engine.check()).to.deep.equal([]);
    unlinkSync(join(mount, 'filler'));
    await pull(engine, 'first');
  });

  it('opens, checks, removes and prunes with nothing free, in a later one', async () => {
    {
      await using engine = await open();
      await pull(engine, 'first');
      await pull(engine, 'second');
    }
    fill();
    {
      await using engine = await open();
      expect(await engine.check()).to.deep.equal([]);
      expect(await engine.images.list()).to.have.length(2);
      await (await engine.images.get(idOf(first))).remove();
    }
    fill();
    await using engine = await open();
    expect((await engine.images.prune({ all: true })).map(({ id }) => id)).to.deep.equal([idOf(second)]);
    expect(await engine.check()).to.deep.equal([]);
  });

  it('has no more than 4 KiB less room after a pull that failed', async () => {
    {
      await using engine = await open();
      await pull(engine, 'first');
    }
    // Looked at while the store is closed: the catalogue's log is empty then.
    const before = free();
    {
      await using engine = await open();
      for (let i = 0; i < 2; i++) await expectError('ERR_NO_SPACE', pull(engine, 'large'));
    }
    expect(before - free()).to.be.at.most(4096);
    await using engine = await open();
    expect(await engine.check({ trees: true })).to.deep.equal([]);
  });
});
