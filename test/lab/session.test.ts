import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { expect } from 'chai';
import { nodeArguments, REPO, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('an ordinary user whose session delegates cgroups', () => {
  requires('lab', 'user', 'cgroup2');
  const box = useEngine();

  it('runs as root of his own namespace', async () => {
    const result = await box.engine.run(box.image, [
      'sh',
      '-c',
      'id -u; cat /proc/self/uid_map; touch /x; stat -c %u /x',
    ]);
    const [uid, ...rest] = String(result.stdout).trim().split('\n');
    expect(uid).to.equal('0');
    expect(rest.map((line) => line.trim().split(/\s+/).join(' '))).to.deep.equal([
      `0 ${process.getuid?.()} 1`,
      '1 100000 65536',
      '0',
    ]);
  });

  it('has limits on memory, processes and processor time', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      memory: '64m',
      pidsLimit: 33,
      cpus: 0.5,
    });
    const { State } = await container.inspect();
    const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8'))?.[1] ?? '';
    expect(path)
      .to.match(/\/user@\d+\.service\//)
      .and.contain(container.id);
    const read = (file: string): string => readFileSync(`/sys/fs/cgroup${path}/${file}`, 'utf8').trim();
    expect(read('memory.max')).to.equal(String(64 * 1048576));
    expect(read('pids.max')).to.equal('33');
    expect(read('cpu.max')).to.equal('50000 100000');
    const exec = await container.exec(['cat', '/proc/self/cgroup']);
    expect(exec.stdout).to.equal('0::/\n');
    await container.remove({ force: true, timeout: 0 });
  });

  it('is told of an out-of-memory kill', async () => {
    const result = await box.engine.run(
      box.image,
      ['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'],
      { memory: '32m', memorySwap: '32m' },
    );
    expect(result).to.include({ exitCode: 137, oomKilled: true });
  });

  it('stops a fork bomb', async () => {
    const result = await box.engine.run(
      box.image,
      ['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo all'],
      { pidsLimit: 4 },
    );
    expect(result.stderr).to.match(/fork|Resource temporarily unavailable/);
    expect(result.exitCode).to.not.equal(0);
  });

  it('keeps a detached container when the service that started it is over', async () => {
    const task = { root: box.root, runroot: box.runroot, image: box.image, count: 1, detach: true };
    const unit = [
      '--user',
      '--quiet',
      '--wait',
      '--pipe',
      `--working-directory=${REPO}`,
      '-p',
      'Delegate=yes',
    ];
    const child = spawn(
      'systemd-run',
      [
        ...unit,
        process.execPath,
        ...nodeArguments('test/support/children/owner'),
        JSON.stringify({ ...task, leave: true }),
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    await once(child, 'exit');
    const [id = ''] = JSON.parse(line) as string[];
    const container = await box.engine.containers.get(id);
    expect((await container.inspect()).State.Status).to.equal('running');
    expect((await container.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    await container.stop({ timeout: 0 });
    expect((await container.wait()).exitCode).to.equal(137);
    await container.remove();
  });
});
