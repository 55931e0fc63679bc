import { writeSync } from 'node:fs';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { encodePlan } from '../../lib/spec/encode.js';
import type { Step } from '../../lib/spec/steps.js';
import { VainaError } from '../../lib/errors.js';
import {
  capture,
  containerPlan,
  DIRECT,
  exec,
  execPlan,
  finish,
  finishAll,
  launch,
  type Launched,
  PIPED,
  started,
  usePlace,
} from '../support/native-plans.js';
import { until } from '../support/programs.js';

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  afterEach(finishAll);

  describe('that serves execs', () => {
    let one: Launched;
    beforeEach(async () => {
      one = launch(sh(PIPED, 'sleep 1000'));
      await started(one.container);
    });
    afterEach(async () => {
      await one.channel.stop(9, 0);
      await finish(one);
    });

    async function output(argv: string[], policy: readonly Step[] = []) {
      const stdout = capture();
      const stderr = capture();
      const session = await exec(one, argv, [-1, stdout.fd, stderr.fd], { policy });
      stdout.close();
      stderr.close();
      const answer = await session.started;
      if (answer.kind === 'failed') return { failed: answer };
      const { exitCode } = await session.exited;
      return { exitCode, stdout: await stdout.text, stderr: await stderr.text };
    }

    for (const [name, policy] of [
      ['direct', DIRECT],
      ['piped', PIPED],
    ] as const) {
      it(`runs a process in the container, ${name}`, async () => {
        const result = await output(['sh', '-c', 'echo out; echo err >&2; exit 9'], policy);
        expect(result).to.deep.equal({ exitCode: 9, stdout: 'out\n', stderr: 'err\n' });
        // busybox gives itself this name after its exec.
        await until(
          'process 1 is that of the container',
          async () => (await output(['cat', '/proc/1/comm'], policy)).stdout === 'sleep\n',
        );
      });
    }

    it('ends an exec whose children keep its pipes', async () => {
      const before = performance.now();
      const stdout = capture();
      const script = 'sleep 1000 & echo done';
      const session = await exec(one, ['sh', '-c', script], [-1, stdout.fd, -1], { policy: PIPED });
      stdout.close();
      expect((await session.exited).exitCode).to.equal(0);
      expect(await stdout.text).to.equal('done\n');
      expect(performance.now() - before).to.be.lessThan(1000);
    });

    it('tells of a brief one when it has ended, or after a while', async () => {
      const stdout = capture();
      const ended = await exec(one, ['echo', 'done'], [-1, stdout.fd, -1], { brief: true });
      stdout.close();
      await started(ended);
      expect((await ended.exited).exitCode).to.equal(0);
      expect(await stdout.text).to.equal('done\n');
      const goesOn = await exec(one, ['sleep', '1000'], [-1, -1, -1], { brief: true });
      const { target } = await started(goesOn);
      expect(goesOn.record).to.equal(undefined);
      await one.channel.signal(target, 9);
      expect(await goesOn.exited)
        .to.equal(goesOn.record)
        .and.to.include({ exitCode: 137 });
      const missing = await exec(one, ['nothing-here'], [-1, -1, -1], { brief: true });
      expect(await missing.started).to.include({ kind: 'failed', exitCode: 127 });
    });

    it('tells 127 and 126 apart', async () => {
      expect((await output(['nothing-here'])).failed).to.include({ exitCode: 127 });
      expect((await output(['/etc/passwd'])).failed).to.include({ exitCode: 126 });
    });

    it('runs many at once, and signals and waits for one of them', async () => {
      const codes = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => (await output(['sh', '-c', `exit ${i}`])).exitCode),
      );
      expect(codes).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
      const session = await exec(one, ['sleep', '1000']);
      const { target } = await started(session);
      const waited = one.channel.wait(target);
      await one.channel.signal(target, 15);
      expect(await session.exited).to.include({ exitCode: 143, signal: 15 });
      expect(await waited).to.deep.equal(await session.exited);
      const error: unknown = await one.channel.wait(target).catch((reason: unknown) => reason);
      expect(VainaError.is(error, 'ERR_NO_SUCH_EXEC')).to.equal(true);
    });

    it('refuses steps that are not for an exec', async () => {
      expect((await output(['true'], [['run-dir', place.runDir()]])).failed).to.include({
        step: 0,
        errno: 22,
      });
      const plan = encodePlan([...execPlan(), ['remove-tree', '/nonexistent']]);
      const { session } = await one.channel.exec(plan, ['true'], [-1, -1, -1]);
      expect(await session.started).to.include({ kind: 'failed', errno: 74 });
    });

    it('takes a command of any length', async () => {
      const long = 'x'.repeat(100_000);
      expect(await output(['sh', '-c', 'echo ${#1} ${#2}', 'sh', long, long])).to.include({
        stdout: '100000 100000\n',
      });
      // Nothing is left of it that the next one could meet.
      expect(await output(['echo', 'short'])).to.include({ stdout: 'short\n' });
    });

    it('gives a terminal of the size, and changes it', async () => {
      const stdout = capture();
      const [read = -1, write = -1] = native().pipes(1);
      const script = 'stty size; read line; stty size; echo "got $line"';
      const size = { rows: 24, columns: 80 };
      const session = await exec(one, ['sh', '-c', script], [read, stdout.fd, -1], { size });
      native().close(read);
      stdout.close();
      const { target } = await started(session);
      await new Promise((done) => setTimeout(done, 100));
      await one.channel.resize(target, 50, 132);
      writeSync(write, 'word\n');
      expect((await session.exited).exitCode).to.equal(0);
      native().close(write);
      expect(await stdout.text).to.equal('24 80\r\nword\r\n50 132\r\ngot word\r\n');
    });
  });

  it('ends execs with their container', async () => {
    const one = launch(sh(PIPED, 'sleep 1000'));
    await started(one.container);
    const session = await exec(one, ['sleep', '1000']);
    await started(session);
    await one.channel.signal(0, 9);
    expect(await session.exited).to.include({ exitCode: 137, signal: 9 });
    expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
    await finish(one);
  });
});
