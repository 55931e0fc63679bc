import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { withWorker } from '../../lib/store/with-worker.js';
import { expectError } from '../support/containers.js';
import { makeImage } from '../support/images.js';
import { PacedSource } from '../support/memory-source.js';
import { until } from '../support/programs.js';
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

  const OWN_IDS = [{ containerId: 0, hostId: 0, size: 65_536 }];
  for (const maps of [undefined, { uidMap: OWN_IDS, gidMap: OWN_IDS }]) {
    const where = maps ? 'in a user namespace' : 'as root';
    it(`keeps the worker from programs with privileges, and from outliving its monitor, ${where}`, async () => {
      const failure: unknown = await withWorker(native(), box.root, maps, async (worker) => {
        const [monitor = 0, own = 0] = descendants(process.pid);
        expect(statusOf(own)).to.match(/^NoNewPrivs:\t1$/m);
        process.kill(monitor, 'SIGKILL');
        // Its requests are still open: by itself it would wait for more.
        await until('the worker has ended', () => !/^State:\t[^ZX]/m.test(statusOf(own)));
        return worker.usage('tmp');
      }).catch((error: unknown) => error);
      expect(failure).to.have.property('code');
    });
  }
});

/** Empty when there is no such process. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
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
  return Number(/^VmHWM:\s+(\d+)/m.exec(statusOf(pid))?.[1] ?? 0) * 1024;
}
