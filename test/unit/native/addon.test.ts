import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { native } from '../../../lib/native/index.js';
import type { Native } from '../../../lib/native/types.js';

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).name;
  }
  return undefined;
}

function isMonitorProgram(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('/memfd:vaina-monitor');
  } catch {
    return false;
  }
}

describe('the addon', () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-addon-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('throws a TypeError for every wrong argument, and never crashes', () => {
    const junk = [
      undefined,
      null,
      -2,
      1.5,
      NaN,
      2 ** 40,
      'x\0y',
      {},
      [],
      [1],
      [1, 2, -2],
      Symbol('s'),
      1n,
      () => 1,
    ];
    const calls: (keyof Native)[] = [
      'launch',
      'launchWaiting',
      'givePlan',
      'abandonLaunch',
      'reap',
      'connect',
      'send',
      'exec',
      'pipes',
      'close',
      'tryLock',
      'isLocked',
      'readFileIn',
      'compileSeccomp',
      'fsync',
      'syncfsLater',
    ];
    const addon = native() as unknown as Record<string, (...values: unknown[]) => unknown>;
    for (const name of calls) {
      expect(
        codeOf(() => addon[name]?.()),
        name,
      ).to.equal('TypeError');
      for (const value of junk) {
        expect(
          codeOf(() => addon[name]?.(value, value, value)),
          `${name} ${typeof value}`,
        ).to.equal('TypeError');
      }
    }
    const hostile = new Proxy({}, { get: () => { throw new Error('getter'); } }); // prettier-ignore
    expect(() => addon['compileSeccomp']?.(hostile)).to.throw();
  });

  it('gives the code, system call and path of a failure', () => {
    expect(() => native().fsync(at('missing')))
      .to.throw(at('missing'))
      .that.includes({ code: 'ENOENT', syscall: 'open', path: at('missing') });
    expect(codeOf(() => native().close(1_000_000))).to.equal('EBADF');
    expect(codeOf(() => native().connect(directory))).to.equal('ENOENT');
    expect(codeOf(() => native().send(1_000_000, Buffer.from('x'), []))).to.equal('EBADF');
    expect(native().fsync(directory)).to.equal(undefined);
  });

  it('syncs a file system while others go on', async () => {
    const error = await new Promise((done) => native().syncfsLater(directory, done));
    expect(error).to.equal(undefined);
    expect(codeOf(() => native().syncfsLater(at('missing'), () => undefined))).to.equal('ENOENT');
  });

  it('makes pipes', () => {
    const [read = -1, write = -1] = native().pipes(1);
    writeSync(write, 'through');
    native().close(write);
    const buffer = Buffer.alloc(20);
    expect(buffer.toString('utf8', 0, readSync(read, buffer))).to.equal('through');
    native().close(read);
  });

  it('takes what is in pipes when nobody writes to them any more, all of them or none', () => {
    const [read = -1, write = -1, empty = -1, other = -1] = native().pipes(2);
    writeSync(write, 'all of it');
    native().close(write);
    expect(native().takeClosedPipes([read, empty])).to.equal(undefined);
    native().close(other);
    expect(native().takeClosedPipes([read, empty])).to.deep.equal([Buffer.from('all of it'), null]);
    for (const wrong of [undefined, {}, 1, ['x'], [-1]])
      expect(codeOf(() => native().takeClosedPipes(wrong as number[]))).to.equal('TypeError');
    for (const fd of [read, empty]) expect(codeOf(() => native().close(fd))).to.equal('EBADF');
  });

  it('keeps the program of the monitor in a memfd that is sealed against every change', () => {
    const fd = Number(readdirSync('/proc/self/fd').find(isMonitorProgram) ?? -1);
    const path = `/proc/${process.pid}/fd/${fd}`;
    expect(codeOf(() => writeSync(fd, 'x', 0))).to.equal('EPERM');
    expect(codeOf(() => execFileSync('truncate', ['-s', '100', path], { stdio: 'ignore' }))).to.not.equal(
      undefined,
    );
    expect(fstatSync(fd).size).to.be.greaterThan(10_000);
  });

  describe('locks', () => {
    it('exclude each other within the process and between processes', () => {
      const path = at('lock');
      expect(native().isLocked(path)).to.equal(false);
      expect(existsSync(path)).to.equal(false);
      const exclusive = native().tryLock(path, true);
      expect(exclusive).to.be.greaterThan(2);
      expect(fstatSync(exclusive).mode & 0o777).to.equal(0o600);
      expect(native().tryLock(path, true)).to.equal(-1);
      expect(native().tryLock(path, false)).to.equal(-1);
      expect(native().isLocked(path)).to.equal(true);
      const script = `const n = require(process.argv[1]); console.log(n.isLocked(process.argv[2]), n.tryLock(process.argv[2], false))`;
      const addon = require.resolve('../../../build/Release/addon.node');
      expect(execFileSync(process.execPath, ['-e', script, addon, path], { encoding: 'utf8' })).to.equal(
        'true -1\n',
      );
      native().close(exclusive);
      const shared = [native().tryLock(path, false), native().tryLock(path, false)];
      expect(native().tryLock(path, true)).to.equal(-1);
      expect(native().isLocked(path)).to.equal(true);
      for (const fd of shared) native().close(fd);
      expect(native().isLocked(path)).to.equal(false);
    });

    it('are not released by closing another descriptor of the file', () => {
      const path = at('held');
      const fd = native().tryLock(path, true);
      readFileSync(path);
      expect(native().isLocked(path)).to.equal(true);
      native().close(fd);
    });

    it('do not follow a link', () => {
      symlinkSync('elsewhere', at('link.lock'));
      expect(codeOf(() => native().tryLock(at('link.lock'), true))).to.equal('ELOOP');
      expect(existsSync(at('elsewhere'))).to.equal(false);
    });
  });

  describe('readFileIn', () => {
    let root: string;
    before(() => {
      root = at('root');
      mkdirSync(join(root, 'etc'), { recursive: true });
      writeFileSync(at('secret'), 'outside');
      writeFileSync(join(root, 'secret'), 'inside');
      writeFileSync(join(root, 'etc/passwd'), 'x'.repeat(100_000));
      symlinkSync('/secret', join(root, 'etc/absolute'));
      symlinkSync('../../../../../../secret', join(root, 'etc/climbing'));
      symlinkSync('/proc/self/root', join(root, 'etc/magic'));
      symlinkSync('loop', join(root, 'etc/loop'));
      execFileSync('mkfifo', [join(root, 'etc/fifo')]);
    });
    const read = (path: string, limit = 1_000_000) => native().readFileIn(root, path, limit)?.toString();

    it('reads a file, with or without a slash in front', () => {
      expect(read('/secret')).to.equal('inside');
      expect(read('secret')).to.equal('inside');
      expect(read('etc/passwd')?.length).to.equal(100_000);
    });

    it('stays below the root whatever links say', () => {
      expect(read('etc/absolute')).to.equal('inside');
      expect(read('etc/climbing')).to.equal('inside');
      expect(read('../../secret')).to.equal('inside');
      expect(read('etc/magic/secret')).to.equal(undefined);
    });

    it('gives nothing for what is not there, and refuses what is no file', () => {
      expect(read('etc/nothing')).to.equal(undefined);
      expect(read('secret/deeper')).to.equal(undefined);
      expect(codeOf(() => read('etc/loop'))).to.equal('ELOOP');
      expect(codeOf(() => read('etc'))).to.equal('EINVAL');
      // Would block a plain open.
      expect(codeOf(() => read('etc/fifo'))).to.equal('EINVAL');
    });

    it('refuses more than the limit', () => {
      expect(read('etc/passwd', 100_000)?.length).to.equal(100_000);
      expect(codeOf(() => read('etc/passwd', 99_999))).to.equal('EFBIG');
      expect(codeOf(() => read('etc/passwd', -1))).to.equal('TypeError');
    });
  });

  it('works in a worker thread, beside the main one', async () => {
    const addon = require.resolve('../../../build/Release/addon.node');
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      const n = require(workerData.addon);
      parentPort.postMessage([n.tryLock(workerData.path, true), typeof n.launch]);`;
    const held = native().tryLock(at('worker'), true);
    const worker = new Worker(script, { eval: true, workerData: { addon, path: at('worker') } });
    const answer = await new Promise((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    );
    expect(answer).to.deep.equal([-1, 'function']);
    closeSync(held);
    await worker.terminate();
  });
});
