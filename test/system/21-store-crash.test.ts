import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { Store } from '../../lib/store/store.js';
import { expectError } from '../support/containers.js';
import { makeImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { nodeArguments, removeDirectory, until } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { Box, useBox, idOf, layer } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();
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
      tar(...Array.from({ length: 200 }, (_, i) => ({ name: `${i % 40}/${i}`, content: 'q'.repeat(9 * i) }))),
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
