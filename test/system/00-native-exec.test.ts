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

    async function exec(argv: string[], policy: Step[] = []) {
      const stdout = capture();
      const stderr = capture();
      const session = one.channel.exec(encodePlan(execPlan(argv, policy)), [-1, stdout.fd, stderr.fd]);
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
        const result = await exec(['sh', '-c', 'echo out; echo err >&2; exit 9'], policy);
        expect(result).to.deep.equal({ exitCode: 9, stdout: 'out\n', stderr: 'err\n' });
        // busybox gives itself this name after its exec.
        await until(
          'process 1 is that of the container',
          async () => (await exec(['cat', '/proc/1/comm'], policy)).stdout === 'sleep\n',
        );
      });
    }

    it('ends an exec whose children keep its pipes', async () => {
      const before = performance.now();
      const stdout = capture();
      const plan = encodePlan(execPlan(['sh', '-c', 'sleep 1000 & echo done'], PIPED));
      const session = one.channel.exec(plan, [-1, stdout.fd, -1]);
      stdout.close();
      expect((await session.exited).exitCode).to.equal(0);
      expect(await stdout.text).to.equal('done\n');
      expect(performance.now() - before).to.be.lessThan(1000);
    });

    it('tells 127 and 126 apart', async () => {
      expect((await exec(['nothing-here'])).failed).to.include({ exitCode: 127 });
      expect((await exec(['/etc/passwd'])).failed).to.include({ exitCode: 126 });
    });

    it('runs many at once, and signals and waits for one of them', async () => {
      const codes = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => (await exec(['sh', '-c', `exit ${i}`])).exitCode),
      );
      expect(codes).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
      const session = one.channel.exec(encodePlan(execPlan(['sleep', '1000'])), [-1, -1, -1]);
      const { target } = await started(session);
      const waited = one.channel.wait(target);
      await one.channel.signal(target, 15);
      expect(await session.exited).to.include({ exitCode: 143, signal: 15 });
      expect(await waited).to.deep.equal(await session.exited);
      const error: unknown = await one.channel.wait(target).catch((reason: unknown) => reason);
      expect(VainaError.is(error, 'ERR_NO_SUCH_EXEC')).to.equal(true);
    });

    it('refuses steps that are not for an exec', async () => {
      expect((await exec(['true'], [['run-dir', place.runDir()]])).failed).to.include({ step: 0, errno: 22 });
      const plan = encodePlan([...execPlan(['true']), ['remove-tree', '/nonexistent']]);
      expect(await one.channel.exec(plan, [-1, -1, -1]).started).to.include({ kind: 'failed', errno: 22 });
    });

    it('gives a terminal of the size, and changes it', async () => {
      const stdout = capture();
      const [read, write] = native().pipe();
      const script = 'stty size; read line; stty size; echo "got $line"';
      const plan = encodePlan(execPlan(['sh', '-c', script]));
      const session = one.channel.exec(plan, [read, stdout.fd, -1], { rows: 24, columns: 80 });
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
    const session = one.channel.exec(encodePlan(execPlan(['sleep', '1000'])), [-1, -1, -1]);
    await started(session);
    await one.channel.signal(0, 9);
    expect(await session.exited).to.include({ exitCode: 137, signal: 9 });
    expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
    await finish(one);
  });
});
