import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Container } from '../../lib/index.js';
import { nodeArguments, REPO, runProgram, until, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

/** The directory of the cgroup that the process `pid` is in. */
function cgroupOf(pid: number): string {
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
  return `/sys/fs/cgroup${path}`;
}

describe('cgroup v2 as root', () => {
  requires('lab', 'root', 'cgroup2');
  const box = useEngine();
  let container: Container;
  let directory: string;

  before(async () => {
    container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      memory: '64m',
      memorySwap: '64m',
      memoryReservation: '32m',
      cpus: 0.5,
      cpuset: '0',
      pidsLimit: 50,
      devices: ['/dev/vda:/dev/disk:r'],
    });
    directory = cgroupOf((await container.inspect()).State.Pid);
  });

  const read = (file: string): string => readFileSync(`${directory}/${file}`, 'utf8').trim();

  it('puts a container into a cgroup of its own, from its first instruction on', async () => {
    expect(directory).to.contain(container.id);
    const plan = await container.plan();
    expect(plan.filter((step) => step[0] === 'cgroup-enter')).to.have.length(1);
    const first = await box.engine.run(box.image, ['cat', '/proc/self/cgroup']);
    // Seen from its own cgroup namespace, which was made in the cgroup: had it been moved later, this would say so.
    expect(first.stdout).to.equal('0::/\n');
  });

  it('writes every limit', () => {
    expect(read('memory.max')).to.equal(String(64 * 1048576));
    expect(read('memory.swap.max')).to.equal('0');
    expect(read('memory.low')).to.equal(String(32 * 1048576));
    expect(read('cpu.max')).to.equal('50000 100000');
    expect(read('cpuset.cpus')).to.equal('0');
    expect(read('pids.max')).to.equal('50');
  });

  it('shows the container its own cgroup and nothing else, to read only', async () => {
    const result = await container.exec([
      'sh',
      '-c',
      'cat /sys/fs/cgroup/memory.max; grep " /sys/fs/cgroup " /proc/self/mountinfo; mkdir /sys/fs/cgroup/x; ls /sys/fs/cgroup | grep -c slice',
    ]);
    const [limit, mount] = String(result.stdout).split('\n');
    expect(limit).to.equal(String(64 * 1048576));
    expect(mount).to.match(/ \/sys\/fs\/cgroup ro,nosuid,nodev,noexec[^\n]* - cgroup2 /);
    expect(result.stderr).to.match(/Read-only file system/);
    expect(result.stdout).to.match(/\n0\n$/);
  });

  it('puts an exec into the same cgroup', async () => {
    const process = await container.execStart(['sleep', '1000']);
    expect(cgroupOf(process.pid)).to.equal(directory);
    await process.kill('SIGKILL');
    await process.wait();
  });

  it('lets the kernel’s filter program refuse devices that are not listed', async () => {
    // The node of the list may be read, not written; one that is made from inside may not be opened at all.
    const script =
      'head -c 4 /dev/disk | wc -c; (echo x >/dev/disk) 2>&1 | grep -c "not permitted"; head -c 1 /dev/urandom | wc -c';
    expect((await container.exec(['sh', '-c', script])).stdout).to.equal('4\n1\n1\n');
    const made = await box.engine.run(box.image, ['sh', '-c', 'mknod /d b 254 0 && head -c 1 /d'], {
      capAdd: ['MKNOD'],
    });
    expect(made.stderr).to.match(/not permitted/);
    const open = await box.engine.run(box.image, ['sh', '-c', 'mknod /d b 254 0 && head -c 1 /d | wc -c'], {
      privileged: true,
    });
    expect(open.stdout).to.equal('1\n');
  });

  it('kills by the memory limit, says so, and counts the peak', async () => {
    const result = await box.engine.run(
      box.image,
      ['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'],
      { memory: '32m', memorySwap: '32m' },
    );
    expect(result).to.include({ exitCode: 137, oomKilled: true });
    expect(result.peakMemory).to.be.within(16 * 1048576, 33 * 1048576);
    expect(result.cpuTime).to.be.greaterThan(0);
  });

  it('keeps a detached container when the service that started it is over', async () => {
    const task = {
      root: box.root,
      runroot: box.runroot,
      image: box.image,
      count: 1,
      detach: true,
      leave: true,
    };
    const service = await runProgram('systemd-run', [
      ...['--quiet', '--wait', '--pipe', `--working-directory=${REPO}`],
      process.execPath,
      ...nodeArguments('test/support/children/owner'),
      JSON.stringify(task),
    ]);
    expect(service.exitCode, service.stderr).to.equal(0);
    const [id = ''] = JSON.parse(service.stdout) as string[];
    const detached = await box.engine.containers.get(id);
    expect((await detached.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    await detached.remove({ force: true, timeout: 0 });
  });

  it('works where the cgroup at the top has processes: in a cgroup namespace, as in a container', async () => {
    const run = ['run', '--rm', '--memory', '64m', box.image, 'cat', '/sys/fs/cgroup/memory.max'];
    const ended = await runProgram('systemd-run', [
      ...['--quiet', '--wait', '--pipe', '-p', 'Delegate=yes', 'unshare', '--cgroup', '--mount'],
      ...['sh', '-c', 'mount -t cgroup2 none /sys/fs/cgroup && "$@" && cat /proc/self/cgroup', 'sh'],
      ...[process.execPath, ...nodeArguments('lib/cli/main')],
      ...['--root', box.root, '--runroot', box.runroot, ...run],
    ]);
    expect(ended.stdout, ended.stderr).to.equal(`${64 * 1048576}\n0::/vaina-host\n`);
  });

  it('removes the cgroup with the container', async () => {
    await container.remove({ force: true, timeout: 0 });
    await until('the cgroup is gone', () => !existsSync(directory), 10_000);
  });

  it('tells what it found', async () => {
    expect(JSON.stringify(await box.engine.info())).to.match(/v2|"2"|:2[,}]/);
    expect(JSON.stringify(await box.engine.doctor())).to.match(/memory/);
  });
});
