import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { expectError, SLOW, until, useEngine, vaina } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('lifecycle', function () {
  this.timeout(30_000 * SLOW);
  requires('root');
  const box = useEngine();
  const status = async (id: string): Promise<string> =>
    (await (await box.engine.containers.get(id)).inspect()).State.Status;

  it('goes from created to running to exited, and can start again', async () => {
    const container = await box.engine.containers.create(box.image, {
      command: ['sh', '-c', 'echo x >>/count; exit $(wc -l </count)'],
    });
    expect(await status(container.id)).to.equal('created');
    await container.start();
    expect((await container.wait()).exitCode).to.equal(1);
    expect(await status(container.id)).to.equal('exited');
    await container.start();
    expect((await container.wait()).exitCode).to.equal(2);
    await container.remove();
    await expectError('ERR_NO_SUCH_CONTAINER', container.inspect());
    await expectError('ERR_NO_SUCH_CONTAINER', box.engine.containers.get(container.id));
  });

  it('lets wait be called before start', async () => {
    const container = await box.engine.containers.create(box.image, { command: ['sh', '-c', 'exit 4'] });
    const waiting = container.wait();
    await container.start();
    expect((await waiting).exitCode).to.equal(4);
    expect((await container.wait()).exitCode).to.equal(4);
    await container.remove();
  });

  it('stops with the stop signal, and with SIGKILL when that is not enough', async () => {
    const script = 'trap "exit 21" TERM; trap "exit 22" USR1; while :; do sleep 0.02; done';
    const polite = await box.engine.containers.run(box.image, { command: ['sh', '-c', script] });
    await new Promise((done) => setTimeout(done, 100 * SLOW));
    await polite.stop();
    expect((await polite.wait()).exitCode).to.equal(21);
    expect(await status(polite.id)).to.equal('exited');

    const other = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', script],
      stopSignal: 'SIGUSR1',
    });
    await new Promise((done) => setTimeout(done, 100 * SLOW));
    await other.stop();
    expect((await other.wait()).exitCode).to.equal(22);

    // Process 1 without a handler does not see SIGTERM at all.
    const deaf = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const before = performance.now();
    await deaf.stop({ timeout: 1 });
    expect(performance.now() - before).to.be.within(900, 5000 * SLOW);
    expect((await deaf.wait()).exitCode).to.equal(137);
    for (const container of [polite, other, deaf]) await container.remove();
  });

  it('takes a stop of what has stopped, and refuses a kill of it', async () => {
    const container = await box.engine.containers.create(box.image, { command: ['true'] });
    await container.start();
    await container.wait();
    await container.stop();
    await expectError('ERR_INVALID_STATE', container.kill());
    await container.remove();
  });

  it('kills with any signal, by name with or without SIG, or by number', async () => {
    const script =
      'trap "echo hup" HUP; trap "echo usr1" USR1; trap "exit 33" INT; echo ready; while :; do sleep 0.02; done';
    const container = await box.engine.containers.run(box.image, { command: ['sh', '-c', script] });
    const logged = async (): Promise<string[]> => {
      const lines: string[] = [];
      for await (const line of container.logs()) lines.push(line.text);
      return lines;
    };
    await until('ready', async () => (await logged()).includes('ready'));
    await container.kill('HUP');
    await until('hup', async () => (await logged()).includes('hup'));
    await container.kill('SIGUSR1');
    await until('usr1', async () => (await logged()).includes('usr1'));
    await expectError('ERR_INVALID_OPTION', container.kill('SIGNONSENSE'));
    await expectError('ERR_INVALID_OPTION', container.kill(4000));
    await container.kill(2);
    expect((await container.wait()).exitCode).to.equal(33);
    await container.remove();
  });

  it('removes a running container only by force', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    await expectError('ERR_INVALID_STATE', container.remove());
    expect(await status(container.id)).to.equal('running');
    await container.remove({ force: true, timeout: 0 });
    expect(await box.engine.containers.exists(container.id)).to.equal(false);
  });

  it('refuses a second start of a running container', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    await expectError('ERR_INVALID_STATE', container.start());
    await container.remove({ force: true, timeout: 0 });
  });

  it('finds containers by id, by a beginning of the id, and by name', async () => {
    const container = await box.engine.containers.create(box.image, { name: 'by-name', command: ['true'] });
    expect(container.id).to.match(/^[0-9a-f]{64}$/);
    for (const key of [container.id, container.id.slice(0, 12), 'by-name']) {
      expect((await box.engine.containers.get(key)).id).to.equal(container.id);
    }
    await expectError(
      'ERR_NAME_IN_USE',
      box.engine.containers.create(box.image, { name: 'by-name', command: ['true'] }),
    );
    await container.remove();
    const again = await box.engine.containers.create(box.image, { name: 'by-name', command: ['true'] });
    await again.remove();
  });

  it('makes up names when none is given', async () => {
    const containers = await Promise.all(
      [1, 2, 3].map(() => box.engine.containers.create(box.image, { command: ['true'] })),
    );
    expect(new Set(containers.map((container) => container.name)).size).to.equal(3);
    for (const container of containers) {
      expect(container.name).to.match(/^[a-z]+_[a-z0-9]+$/);
      await container.remove();
    }
  });

  it('lists the running ones, all of them, and by filter', async () => {
    const first = await box.engine.containers.create(box.image, {
      name: 'first',
      command: ['sh', '-c', 'exit 6'],
      labels: { a: '1' },
    });
    await first.start();
    await first.wait();
    const second = await box.engine.containers.run(box.image, {
      name: 'second',
      command: ['sleep', '1000'],
      labels: { a: '2' },
    });
    const names = async (filter?: object): Promise<string[]> =>
      (await box.engine.containers.list(filter)).map((container) => container.name).sort();
    expect(await names()).to.deep.equal(['second']);
    expect(await names({ all: true })).to.deep.equal(['first', 'second']);
    expect(await names({ all: true, label: ['a=1'] })).to.deep.equal(['first']);
    expect(await names({ all: true, label: ['a'] })).to.deep.equal(['first', 'second']);
    expect(await names({ all: true, status: ['exited'] })).to.deep.equal(['first']);
    expect(await names({ all: true, exited: [6] })).to.deep.equal(['first']);
    expect(await names({ all: true, name: ['fir'] })).to.deep.equal(['first']);
    expect(await names({ all: true, since: ['first'] })).to.deep.equal(['second']);
    expect(await names({ all: true, before: ['second'] })).to.deep.equal(['first']);
    expect(await names({ all: true, ancestor: [box.image] })).to.deep.equal(['first', 'second']);
    await expectError('ERR_INVALID_OPTION', box.engine.containers.list({ nonsense: ['x'] } as object));
    await first.remove();
    await second.remove({ force: true, timeout: 0 });
  });

  it('removes a container with autoRemove when it ends', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', 'exit 3'],
      autoRemove: true,
    });
    expect((await container.wait()).exitCode).to.equal(3);
    await until('it is gone', async () => !(await box.engine.containers.exists(container.id)), 2000 * SLOW);
  });

  it('removes at the end of a block', async () => {
    let id: string;
    {
      await using container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
      id = container.id;
    }
    expect(await box.engine.containers.exists(id)).to.equal(false);
  });

  it('shows what it will do before it does it, and how long it took after', async () => {
    const container = await box.engine.containers.create(box.image, { command: ['true'], hostname: 'shown' });
    const plan = await container.plan();
    const names = plan.map((step) => step[0]);
    expect(names).to.include.members(['clone', 'overlay', 'pivot-root', 'seccomp', 'exec']);
    expect(plan.find((step) => step[0] === 'hostname')).to.deep.equal(['hostname', 'shown']);
    expect(plan.find((step) => step[0] === 'exec')).to.deep.equal(['exec', 'true']);
    await container.start();
    await container.wait();
    const timings = Object.values(container.timings ?? {}).filter((value) => typeof value === 'number');
    expect(timings).to.not.be.empty;
    for (const value of timings) expect(value).to.be.at.least(0);
    await container.remove();
  });

  it('inspects with podman’s field names', async () => {
    const container = await box.engine.containers.run(box.image, {
      name: 'inspected',
      command: ['sleep', '1000'],
      env: { A: 'b' },
      labels: { l: 'v' },
      memory: '64m',
      workdir: '/tmp',
      user: 'alice',
    });
    const inspect = await container.inspect();
    expect(inspect).to.include({ Id: container.id, Name: 'inspected', ImageName: box.image });
    expect(inspect.State).to.include({ Status: 'running', Running: true, ExitCode: 0, OOMKilled: false });
    expect(inspect.State.Pid).to.be.greaterThan(1);
    expect(inspect.Config).to.deep.include({
      Cmd: ['sleep', '1000'],
      WorkingDir: '/tmp',
      User: 'alice',
      Labels: { l: 'v' },
    });
    expect(inspect.Config.Env).to.include.members(['A=b', 'FROM_IMAGE=yes']);
    expect(inspect.HostConfig.Memory).to.equal(64 * 1048576);
    await container.remove({ force: true, timeout: 0 });
  });

  it('lets two engines on one store see the same', async () => {
    await using other = await Engine.open({ root: box.root, runroot: box.runroot });
    const container = await box.engine.containers.run(box.image, {
      name: 'shared',
      command: ['sleep', '1000'],
    });
    const seen = await other.containers.get('shared');
    expect((await seen.exec(['echo', 'hello'])).stdout).to.equal('hello\n');
    const waiting = container.wait();
    await seen.stop({ timeout: 0 });
    expect((await waiting).exitCode).to.equal(137);
    await seen.remove();
    await expectError('ERR_NO_SUCH_CONTAINER', container.inspect());
  });

  it('keeps a detached container, and no other one, when the engine that started it is closed', async () => {
    const other = await Engine.open({ root: box.root, runroot: box.runroot });
    const options = { command: ['sleep', '1000'] };
    const kept = await other.containers.run(box.image, { ...options, detach: true });
    const ended = await other.containers.run(box.image, options);
    const waiting = expectError('ERR_CLOSED', kept.wait());
    await other.close();
    await waiting;
    expect(await status(ended.id)).to.equal('exited');
    // Longer than it takes to kill what is left of a lost container.
    await new Promise((done) => setTimeout(done, 300 * SLOW));
    const seen = await box.engine.containers.get(kept.id);
    expect(await status(kept.id)).to.equal('running');
    expect((await seen.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    await seen.remove({ force: true, timeout: 0 });
    await box.engine.containers.get(ended.id).then((one) => one.remove());
  });

  it('refuses work after close', async () => {
    const other = await Engine.open({ root: box.root, runroot: box.runroot });
    await other.close();
    await other.close();
    await expectError('ERR_CLOSED', other.containers.list());
    await expectError('ERR_CLOSED', other.run(box.image, ['true']));
  });

  it('does as much from the command line: create, start, ps, stop, rm', async () => {
    const created = await vaina(box, ['create', '--name', 'cli', box.image, 'sleep', '1000']);
    expect(created.stderr).to.equal('');
    expect(created.stdout).to.match(/^[0-9a-f]{64}\n$/);
    expect((await vaina(box, ['start', 'cli'])).stdout).to.equal('cli\n');
    expect((await vaina(box, ['ps', '--format', '{{.Names}} {{.Image}}'])).stdout).to.equal(
      `cli ${box.image}\n`,
    );
    expect((await vaina(box, ['exec', 'cli', 'echo', 'in it'])).stdout).to.equal('in it\n');
    expect((await vaina(box, ['stop', '-t', '0', 'cli'])).stdout).to.equal('cli\n');
    expect((await vaina(box, ['rm', 'cli'])).stdout).to.equal('cli\n');
    expect((await vaina(box, ['inspect', 'cli'])).exitCode).to.equal(125);
  });
});
