import { readSync } from 'node:fs';
import { expect } from 'chai';
import { ControlChannel } from '../../lib/native/control.js';
import { native } from '../../lib/native/index.js';
import { encodeMessage, MESSAGE } from '../../lib/native/messages.js';
import type { Step } from '../../lib/spec/steps.js';
import {
  containerPlan,
  DIRECT,
  exec,
  finish,
  finishAll,
  inDirectory,
  launch,
  type Launched,
  started,
  usePlace,
} from '../support/native-plans.js';
import { until } from '../support/programs.js';

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  afterEach(finishAll);

  it('answers too many descriptors with an error', async () => {
    const runDir = place.runDir();
    const one = launch(sh(inDirectory(runDir), 'sleep 1000'));
    await started(one.container);
    const fd = native().connect(runDir);
    native().send(fd, encodeMessage(MESSAGE.exec, 7, Buffer.alloc(4)), [fd, fd, fd, fd, fd]);
    const reply = Buffer.alloc(100);
    await until('it answers', () => readSome(fd, reply) > 0);
    expect(reply.readUInt16LE(4)).to.equal(MESSAGE.error);
    expect(reply.readUInt32LE(8)).to.equal(7);
    native().close(fd);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('tells the step that failed, its error and what it was about', async () => {
    const plan = containerPlan(place, DIRECT, ['true']).flatMap((step): Step[] =>
      step[0] === 'pivot-root' ? [['bind', '/nonexistent/source', '/x', 0, 0, ''], step] : [step],
    );
    const one = launch(plan);
    const failed = await one.container.started;
    expect(failed).to.include({ kind: 'failed', errno: 2, exitCode: 125 });
    expect(plan[(failed as { step: number }).step]?.[0]).to.equal('bind');
    expect((failed as { text: string }).text).to.include('/nonexistent/source');
    await finish(one);
  });

  for (const [command, exitCode] of [
    ['nothing-here', 127],
    ['/bin', 126],
  ] as const) {
    it(`answers ${exitCode} for the command ${command}`, async () => {
      const one = launch(containerPlan(place, DIRECT, [command]));
      expect(await one.container.started).to.include({ kind: 'failed', exitCode });
      await finish(one);
    });
  }

  it('refuses a plan that is none', async () => {
    const { pid, channel } = ControlChannel.launch(native(), Buffer.from('VPLNgarbage'), [-1, -1, -1]);
    const container = channel.container as Launched['container'];
    expect(await container.started).to.include({ kind: 'failed', step: undefined, exitCode: 125 });
    await finish({ pid, channel, container });
  });

  it('says nothing to strangers of its socket', async () => {
    const runDir = place.runDir();
    const one = launch(
      sh(
        [
          ['run-dir', runDir],
          ['stdio', 1],
        ],
        'sleep 1000',
      ),
    );
    await started(one.container);
    const fd = native().connect(runDir);
    // No message of the protocol: the monitor closes, and goes on.
    native().send(fd, Buffer.alloc(64, 0xff), []);
    await until('it hangs up', () => {
      try {
        return readSome(fd) === 0;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      }
    });
    native().close(fd);
    const session = await exec(one, ['true']);
    expect((await session.exited).exitCode).to.equal(0);
    await one.channel.stop(9, 0);
    await finish(one);
  });
});

function readSome(fd: number, into = Buffer.alloc(16)): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1;
    throw error;
  }
}
