import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { Engine, type Container } from '../../lib/index.js';
import { removeAll, SLOW, startNode, until, useEngine, type Scratch } from '../support/containers.js';
import { difference, expectNothingLeft, monitorPids, takeCensus } from '../support/leftovers.js';
import { requires } from '../support/requires.js';

const OWNED = 50;

interface Owner {
  child: ChildProcess;
  ids: string[];
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout as Readable });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])])) as [
    string,
  ];
  if (line === '') throw new Error('the child ended before it was ready');
  return line;
}

async function startOwner(box: Scratch, count: number, detach: boolean): Promise<Owner> {
  const task = { root: box.root, runroot: box.runroot, image: box.image, count, detach };
  const child = startNode('test/support/children/owner', [JSON.stringify(task)]);
  return { child, ids: JSON.parse(await firstLine(child)) as string[] };
}

async function killNode(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('kill -9', function () {
  this.timeout(120_000 * SLOW);
  requires('root');
  const box = useEngine();

  it(`of Node with ${OWNED} containers: within a second nothing of them is left`, async () => {
    const before = takeCensus(box);
    const owner = await startOwner(box, OWNED, false);
    expect(owner.ids).to.have.length(OWNED);
    const running = takeCensus(box);
    expect(running.runEntries).to.have.length(OWNED);
    // Three sleeps and a monitor for each container.
    expect(running.processes.length - before.processes.length).to.be.at.least(OWNED * 4);
    await killNode(owner.child);
    const { storeEntries: _, ...host } = before;
    await expectNothingLeft({ ...host, storeEntries: running.storeEntries }, box, 1000 * SLOW);

    // They are known as ended, by signal, and can be removed.
    const left = await box.engine.containers.list({ all: true });
    expect(left.map((container) => container.id).sort()).to.deep.equal([...owner.ids].sort());
    for (const container of left) expect(container.status).to.equal('exited');
    expect(await (await box.engine.containers.get(owner.ids[0] ?? '')).wait()).to.include({
      exitCode: 137,
      signal: 'SIGKILL',
    });
    await removeAll(box.engine);
    expect(difference(before, takeCensus(box))).to.deep.equal([]);
  });

  it(`of Node with ${OWNED} detached containers: they live on, for another process to manage`, async () => {
    const owner = await startOwner(box, OWNED, true);
    await killNode(owner.child);
    await new Promise((done) => setTimeout(done, 300));
    await using other = await Engine.open({ root: box.root, runroot: box.runroot });
    const listed = await other.containers.list();
    expect(listed.map((container) => container.id).sort()).to.deep.equal([...owner.ids].sort());
    for (const id of owner.ids) {
      const container = await other.containers.get(id);
      expect((await container.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    }
    await Promise.all(
      owner.ids.map(async (id) => {
        const container = await other.containers.get(id);
        await container.stop({ timeout: 0 });
        expect((await container.wait()).exitCode).to.equal(137);
        await container.remove();
      }),
    );
    expect(await other.containers.list({ all: true })).to.deep.equal([]);
    await expectNothingLeft(box.census, box, 1000 * SLOW);
  });

  it('of a monitor: its container is not running, its exit unknown, and it can be removed', async () => {
    const before = takeCensus(box);
    const known = new Set(monitorPids());
    const container = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', 'sleep 1000 & setsid sleep 1000 & exec sleep 1000'],
      detach: true,
    });
    const monitors = monitorPids().filter((pid) => !known.has(pid));
    expect(monitors).to.have.length(1);
    process.kill(monitors[0] ?? 0, 'SIGKILL');

    // The next one who looks, here another engine, tells and tidies up.
    await using other = await Engine.open({ root: box.root, runroot: box.runroot });
    const seen: Container = await other.containers.get(container.id);
    await until(
      'it is known as ended',
      async () => (await seen.inspect()).State.Status !== 'running',
      1000 * SLOW,
    );
    const { State } = await seen.inspect();
    expect(State.Status).to.be.oneOf(['exited', 'stopped']);
    expect(State.Running).to.equal(false);
    expect(State.Pid).to.equal(0);
    expect(await other.containers.list()).to.deep.equal([]);
    expect(await seen.wait()).to.include({ unknown: true });
    const { storeEntries: _, ...host } = before;
    await expectNothingLeft({ ...host, storeEntries: [container.id] }, box, 1000 * SLOW);
    await seen.remove();
    expect(await other.containers.exists(container.id)).to.equal(false);
  });

  it('of a monitor while it cleans up, the entry being gone: the next opener finishes', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const id = 'c'.repeat(64);
    const cgroups = takeCensus(box)
      .cgroups.filter((path) => path.endsWith(container.id))
      .map((path) => path.replace(container.id, id));
    await container.remove({ force: true, timeout: 0 });
    expect(cgroups).to.not.deep.equal([]);
    for (const path of cgroups) mkdirSync(path);
    mkdirSync(join(box.root, 'containers', id, 'upper'), { recursive: true });
    await using _other = await Engine.open({ root: box.root, runroot: box.runroot });
    await expectNothingLeft(box.census, box, 1000 * SLOW);
  });

  it('of a monitor whose Node still lives: wait settles with an unknown exit', async () => {
    const known = new Set(monitorPids());
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const waiting = container.wait();
    for (const pid of monitorPids().filter((one) => !known.has(one))) process.kill(pid, 'SIGKILL');
    expect(await waiting).to.include({ unknown: true });
    await container.remove();
  });

  it('of Node at any moment of create, start, exec, stop and remove: the next one finds an orderly store', async () => {
    for (let round = 0; round < 8; round++) {
      const child = startNode('test/support/children/churn', [
        JSON.stringify({ root: box.root, runroot: box.runroot, image: box.image }),
      ]);
      await firstLine(child);
      await new Promise((done) => setTimeout(done, 20 + round * 37));
      await killNode(child);
      const { storeEntries: _, ...host } = box.census;
      await expectNothingLeft({ ...host, storeEntries: takeCensus(box).storeEntries }, box, 1000 * SLOW);
      await using other = await Engine.open({ root: box.root, runroot: box.runroot });
      const left = await other.containers.list({ all: true });
      for (const { status } of left) expect(status).to.be.oneOf(['created', 'exited', 'stopped']);
      await removeAll(other);
      expect((await other.run(box.image, ['echo', 'fine'])).stdout).to.equal('fine\n');
      await expectNothingLeft(box.census, box, 1000 * SLOW);
    }
  });
});
