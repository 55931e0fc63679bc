import { once } from 'node:events';
import { existsSync, openSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ControlChannel } from '../../lib/native/control.js';
import { native } from '../../lib/native/index.js';
import { parseExitRecord } from '../../lib/native/messages.js';
import { encodePlan } from '../../lib/spec/encode.js';
import type { Step } from '../../lib/spec/steps.js';
import { VainaError } from '../../lib/errors.js';
import {
  containerPlan,
  DIRECT,
  execPlan,
  finish,
  finishAll,
  inDirectory,
  launch,
  PIPED,
  started,
  usePlace,
} from '../support/native-plans.js';
import { REPO, SLOW, startNode, until } from '../support/programs.js';

const MEGABYTE = 1024 * 1024;

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  afterEach(finishAll);

  describe('of a container with a directory', () => {
    it('holds the lock, writes pid and record, and answers on ctl.sock', async () => {
      const runDir = place.runDir();
      const one = launch(sh(inDirectory(runDir), 'trap "exit 5" TERM; while :; do sleep 0.01; done'));
      const { pid } = await started(one.container);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(true);
      expect(native().tryLock(join(runDir, 'alive'), true)).to.equal(-1);
      expect(readFileSync(join(runDir, 'pid'), 'utf8')).to.equal(String(pid));
      expect(statSync(join(runDir, 'ctl.sock')).mode & 0o777).to.equal(0o600);
      expect(existsSync(join(runDir, 'exit'))).to.equal(false);
      const other = ControlChannel.connect(native(), runDir);
      const waited = other.wait(0);
      await new Promise((done) => setTimeout(done, 50));
      await other.stop(15, 5000);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(false);
      const record = parseExitRecord(readFileSync(join(runDir, 'exit')));
      expect(record).to.include({ exitCode: 5, signal: 0, oomKilled: false });
      expect(record.finishedAt > record.startedAt).to.equal(true);
      expect(await one.container.exited).to.deep.equal(record);
      expect(await waited).to.deep.equal(record);
      expect(readdirSync(runDir).sort()).to.deep.equal(['alive', 'exit', 'pid']);
      await finish(one);
      other.close();
      expect(() => ControlChannel.connect(native(), runDir))
        .to.throw()
        .with.property('code', 'ENOENT');
    });

    it('kills what does not stop in time', async () => {
      const one = launch(sh([['stop', 15, 100], ...PIPED], 'trap "" TERM; echo; while :; do sleep 1; done'));
      await started(one.container);
      await new Promise((done) => setTimeout(done, 50));
      const before = performance.now();
      await one.channel.stop();
      expect(performance.now() - before).to.be.within(95, 600);
      expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
      await finish(one);
    });

    it('refuses a directory that another monitor has, and leaves it alone', async () => {
      const runDir = place.runDir();
      const policy = inDirectory(runDir);
      const one = launch(sh(policy, 'sleep 1000'));
      await started(one.container);
      const two = launch([...sh(policy, 'true'), ['remove-run-dir']]);
      expect(await two.container.started).to.include({ kind: 'failed', step: 0, exitCode: 125 });
      await finish(two);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(true);
      ControlChannel.connect(native(), runDir).close();
      await one.channel.stop(9, 0);
      await finish(one);
    });

    it('removes the directory when the plan says so', async () => {
      const runDir = place.runDir();
      const one = launch([...sh(inDirectory(runDir), 'exit 4'), ['remove-run-dir']]);
      expect((await one.container.exited).exitCode).to.equal(4);
      expect(existsSync(runDir)).to.equal(false);
      await finish(one);
    });

    it('lives on with detach when its channel closes, and dies without', async () => {
      const [first, second] = [place.runDir(), place.runDir()];
      const lives = launch(sh([['run-dir', first], ['stdio', 1], ['detach']], 'sleep 1000'));
      const dies = launch(sh(inDirectory(second), 'sleep 1000'));
      await started(lives.container);
      await started(dies.container);
      lives.channel.close();
      dies.channel.close();
      await until('the owned one has ended', () => existsSync(join(second, 'exit')), 1000);
      expect(parseExitRecord(readFileSync(join(second, 'exit')))).to.include({ exitCode: 137 });
      const again = ControlChannel.connect(native(), first);
      const { session } = await again.exec(encodePlan(execPlan()), ['true'], [-1, -1, -1]);
      expect((await session.exited).exitCode).to.equal(0);
      await again.stop(9, 0);
      again.close();
      await finish(lives);
      await finish(dies);
    });
  });

  it('ends fifty containers when the process that owns them is killed', async function () {
    this.timeout(30_000);
    const runDirs = Array.from({ length: 50 }, () => place.runDir());
    const plans = runDirs.map((runDir) =>
      sh(inDirectory(runDir), 'sleep 1000 & setsid sleep 1000 & exec sleep 1000'),
    );
    const file = join(place.directory, 'plans.json');
    writeFileSync(file, JSON.stringify(plans));
    const owner = startNode('test/support/children/monitors', [file]);
    const [line] = (await once(owner.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    for (const pid of pids) expect(existsSync(`/proc/${pid}`), String(pid)).to.equal(true);
    const before = performance.now();
    owner.kill('SIGKILL');
    const gone = (runDir: string) =>
      existsSync(join(runDir, 'exit')) && !native().isLocked(join(runDir, 'alive'));
    await until('all have ended', () => runDirs.every(gone), 5000);
    expect(performance.now() - before).to.be.lessThan(1000 * SLOW);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`), String(pid)).to.equal(false);
    for (const runDir of runDirs) {
      expect(parseExitRecord(readFileSync(join(runDir, 'exit')))).to.include({ exitCode: 137, signal: 9 });
    }
  });

  it('takes its container with it when it is killed, and says so', async () => {
    const one = launch(sh(inDirectory(place.runDir()), 'sleep 1000 & exec sleep 1000'));
    const { pid } = await started(one.container);
    process.kill(one.pid, 'SIGKILL');
    const error: unknown = await one.container.exited.catch((reason: unknown) => reason);
    expect(VainaError.is(error, 'ERR_MONITOR_LOST')).to.equal(true);
    await until('the container has ended', () => !existsSync(`/proc/${pid}`), 2000);
    await finish(one);
    const late: unknown = await one.channel.stop().catch((reason: unknown) => reason);
    expect(VainaError.is(late, 'ERR_MONITOR_LOST')).to.equal(true);
  });

  for (const [name, steps] of [
    ['the built-in reaper', [['init'], ['exec', 'sleep', '1000']]],
    ['pause', [['pause']]],
  ] as [string, Step[]][]) {
    it(`leaves no descriptor of its own in ${name}`, async () => {
      const plan = containerPlan(place, inDirectory(place.runDir()), []).slice(0, -1);
      const one = launch([...plan, ...steps]);
      const { pid } = await started(one.container);
      await until(
        'they are closed',
        () => readdirSync(`/proc/${pid}/fd`).every((fd) => Number(fd) <= 2),
        1000,
      );
      process.kill(one.pid, 'SIGKILL');
      await finish(one);
    });
  }

  it('is small', async function () {
    // The build with sanitizers is not.
    if (statSync(join(REPO, 'build/Release/monitor')).size > MEGABYTE) this.skip();
    const log = join(place.runDir(), 'log');
    const one = launch(
      sh(
        [
          ['run-dir', place.runDir()],
          ['log', log, 0],
          ['stdio', 1],
        ],
        'seq 100; sleep 1000',
      ),
    );
    await started(one.container);
    await new Promise((done) => setTimeout(done, 100));
    const rollup = readFileSync(`/proc/${one.pid}/smaps_rollup`, 'utf8');
    const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1]);
    expect(kilobytes('Private_Clean') + kilobytes('Private_Dirty')).to.be.lessThan(250);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('is not dumpable, and its program cannot be written', async () => {
    const one = launch(sh(PIPED, 'sleep 1000'));
    await started(one.container);
    expect(readFileSync(`/proc/${one.pid}/comm`, 'utf8')).to.equal('vaina-monitor\n');
    expect(() => openSync(`/proc/${one.pid}/exe`, 'r+'))
      .to.throw()
      .with.property('code')
      .that.is.oneOf(['ETXTBSY', 'EPERM', 'EACCES']);
    expect(readFileSync(`/proc/${one.pid}/environ`).length).to.equal(0);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('collects no zombies', async () => {
    const one = launch(sh(DIRECT, 'true'));
    await one.container.exited;
    await finish(one);
    await until('the monitor was collected', () => !existsSync(`/proc/${one.pid}`), 1000);
  });
});
