import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectError, SLOW, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

const PURE_V2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** The file of a limit, below the cgroup directory of the process `pid` of this host. */
function limitOf(pid: number, controller: string, v1: string, v2: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  for (const line of lines) {
    const [, controllers, path] = line.split(':');
    if (PURE_V2 && controllers === '') return readFileSync(`/sys/fs/cgroup${path}/${v2}`, 'utf8').trim();
    if (!PURE_V2 && controllers?.split(',').includes(controller)) {
      return readFileSync(`/sys/fs/cgroup/${controllers}${path}/${v1}`, 'utf8').trim();
    }
  }
  throw new Error(`no cgroup of ${controller}:\n${lines.join('\n')}`);
}

/** Microseconds of processor time that a busy loop of `seconds` got. */
const BUSY = (seconds: number): string[] => [
  'sh',
  '-c',
  `end=$(($(date +%s) + ${seconds})); while [ $(date +%s) -lt $end ]; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; done`,
];

describe('limits', function () {
  this.timeout(60_000 * SLOW);
  requires('root');
  const box = useEngine();

  it('kills what takes more memory than its limit, and says that it was that', async () => {
    // A shell variable that doubles: anonymous memory, in process 1 itself.
    const script = 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done';
    const result = await box.engine.run(box.image, ['sh', '-c', script], {
      memory: '32m',
      memorySwap: '32m',
    });
    expect(result.exitCode).to.equal(137);
    expect(result.signal).to.equal('SIGKILL');
    expect(result.oomKilled).to.equal(true);
    expect(result.peakMemory)
      .to.be.greaterThan(16 * 1048576)
      .and.lessThan(33 * 1048576);
  });

  it('says so as well when only a child was killed', async () => {
    const script = "sh -c 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'; echo survived $?";
    const result = await box.engine.run(box.image, ['sh', '-c', script], { memory: '32m' });
    expect(result.stdout).to.equal('survived 137\n');
    expect(result.exitCode).to.equal(0);
    expect(result.oomKilled).to.equal(true);
  });

  it('does not say so when the limit was not reached', async () => {
    const result = await box.engine.run(box.image, ['true'], { memory: '32m' });
    expect(result.oomKilled).to.equal(false);
  });

  it('stops a fork bomb at the limit on processes', async () => {
    const script = 'sh -c "for i in \\$(seq 100); do sleep 1000 & done"; exec sleep 1000';
    const container = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', script],
      pidsLimit: 20,
    });
    const { State } = await container.inspect();
    const limit = limitOf(State.Pid, 'pids', 'pids.max', 'pids.max');
    expect(limit).to.equal('20');
    await new Promise((done) => setTimeout(done, 500 * SLOW));
    const current = Number(limitOf(State.Pid, 'pids', 'pids.current', 'pids.current'));
    expect(current).to.be.greaterThan(1).and.at.most(20);
    await container.remove({ force: true, timeout: 0 });
  });

  it('limits processes to 2048 unless told otherwise', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const { State } = await container.inspect();
    expect(limitOf(State.Pid, 'pids', 'pids.max', 'pids.max')).to.equal('2048');
    await container.remove({ force: true, timeout: 0 });
  });

  it('gives a busy loop half a processor when told to', async function () {
    this.retries(2);
    const seconds = 2;
    const result = await box.engine.run(box.image, BUSY(seconds), { cpus: 0.5 });
    const free = await box.engine.run(box.image, BUSY(seconds), {});
    const share = (cpuTime: number, durationMs: number): number => cpuTime / 1000 / durationMs;
    expect(share(result.cpuTime, result.durationMs)).to.be.within(0.3, 0.6);
    expect(share(free.cpuTime, free.durationMs)).to.be.greaterThan(0.7);
  });

  it('writes every limit that was asked for', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      memory: '64m',
      memorySwap: '96m',
      memoryReservation: '48m',
      cpus: 0.25,
      cpuShares: 512,
      cpuset: '0',
    });
    const { State } = await container.inspect();
    const read = (controller: string, v1: string, v2: string): string =>
      limitOf(State.Pid, controller, v1, v2);
    expect(read('memory', 'memory.limit_in_bytes', 'memory.max')).to.equal(String(64 * 1048576));
    expect(read('memory', 'memory.soft_limit_in_bytes', 'memory.low')).to.equal(String(48 * 1048576));
    expect(read('cpuset', 'cpuset.cpus', 'cpuset.cpus')).to.equal('0');
    if (PURE_V2) {
      expect(read('cpu', '', 'cpu.max')).to.equal('25000 100000');
      expect(Number(read('cpu', '', 'cpu.weight'))).to.be.within(19, 60);
      expect(read('memory', '', 'memory.swap.max')).to.equal(String(32 * 1048576));
    } else {
      expect(read('cpu', 'cpu.cfs_quota_us', '')).to.equal('25000');
      expect(read('cpu', 'cpu.shares', '')).to.equal('512');
    }
    expect(readFileSync(`/proc/${State.Pid}/status`, 'utf8')).to.match(/Cpus_allowed_list:\t0\n/);
    await container.remove({ force: true, timeout: 0 });
  });

  it('holds an exec to the limits of its container', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      memory: '32m',
      memorySwap: '32m',
    });
    const result = await container.exec(['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done']);
    expect(result.exitCode).to.equal(137);
    await container.remove({ force: true, timeout: 0 });
    expect((await box.engine.containers.list({ all: true })).map((c) => c.id)).to.not.include(container.id);
  });

  it('refuses limits that contradict each other or make no sense', async () => {
    const refuse = (options: object): Promise<unknown> =>
      expectError('ERR_INVALID_OPTION', box.engine.run(box.image, ['true'], options));
    await refuse({ memory: '64m', memorySwap: '32m' });
    await refuse({ memory: '64 parsecs' });
    await refuse({ memory: -5 });
    await refuse({ cpus: -1 });
    await refuse({ cpus: NaN });
    await refuse({ cpuset: '0-' });
    await refuse({ cpuset: '0-4294967295' });
    await refuse({ pidsLimit: 1.5 });
    await refuse({ ulimits: ['nofile=2048:1024'] });
    await refuse({ ulimits: ['nosuch=1'] });
  });

  it('lets devices of the list through and no others', async () => {
    // The node exists; whether it may be opened is the cgroup's word.
    const script =
      'mknod /dev/kmsg-copy c 1 11 && head -c 1 /dev/kmsg-copy; echo open $?; head -c 1 /dev/zero | wc -c';
    const result = await box.engine.run(box.image, ['sh', '-c', script], { capAdd: ['MKNOD'] });
    expect(result.stderr).to.match(/Operation not permitted/);
    expect(result.stdout).to.equal('open 1\n1\n');
  });
});
