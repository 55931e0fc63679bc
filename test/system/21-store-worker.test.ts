import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectError } from '../support/containers.js';
import { makeImage } from '../support/images.js';
import { PacedSource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { useBox } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();

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
    const archive = tar(
      ...Array.from({ length: 3000 }, (_, i) => ({ name: `d${i % 100}/${i}`, content: 'z'.repeat(i) })),
      { name: 'big', content: Buffer.alloc(30 << 20, 1) },
    );
    let most = 0;
    const source = PacedSource.of(await makeImage({ layers: [archive], compress: 'none' }));
    source.pieceSize = 256 * 1024;
    source.onPiece = () => {
      for (const pid of descendants(process.pid)) most = Math.max(most, residentMemory(pid));
    };
    await box.take(source);
    expect(most)
      .to.be.greaterThan(0)
      .and.lessThan(8 << 20);
  });
});

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
