import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { expect } from 'chai';
import { nodeArguments, REPO, runProgram, until, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

/** The cgroup that the process is in, from the top of the mount. */
function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

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
    const path = cgroupOf(State.Pid);
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

  it('loses no other container: it ends with the service', async () => {
    const task = { root: box.root, runroot: box.runroot, image: box.image, count: 1, detach: false };
    const service = spawn(
      'systemd-run',
      [
        ...['--user', '--quiet', '--wait', '--pipe', '--unit=vaina-owner', `--working-directory=${REPO}`],
        process.execPath,
        ...nodeArguments('test/support/children/owner'),
        JSON.stringify(task),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(createInterface({ input: service.stdout }), 'line')) as [string];
    const [id = ''] = JSON.parse(line) as string[];
    const { State } = await (await box.engine.containers.get(id)).inspect();
    const directory = cgroupOf(State.Pid);
    expect(directory).to.match(/\/user@\d+\.service\/vaina\/[0-9a-f]{64}$/);
    const ended = once(service, 'exit');
    await runProgram('systemctl', ['--user', 'kill', '--signal=KILL', 'vaina-owner']);
    await ended;
    await until('the container has ended', () => !existsSync(`/proc/${State.Pid}`), 20_000);
    await (await box.engine.containers.get(id)).remove({ force: true });
    await until('its cgroup is gone', () => !existsSync(`/sys/fs/cgroup${directory}`), 20_000);
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
    const { State } = await container.inspect();
    expect(State.Status).to.equal('running');
    expect(cgroupOf(parentOf(State.Pid))).to.match(/\/user@\d+\.service\/vaina\/monitors$/);
    expect((await container.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    await container.stop({ timeout: 0 });
    expect((await container.wait()).exitCode).to.equal(137);
    await container.remove();
  });
});
