import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('an ordinary user in a system service with Delegate=yes', () => {
  requires('lab', 'user', 'cgroup2');
  const box = useEngine();

  const cgroupOf = (pid: number | 'self'): string =>
    /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';

  it('has limits in the service’s own cgroup, out of whose way the program goes', async () => {
    const service = /^(\/system\.slice\/[^/]+\.service)$/.exec(cgroupOf('self'))?.[1] ?? '';
    expect(service).to.not.equal('');
    const container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      memory: '64m',
      pidsLimit: 33,
      cpus: 0.5,
      cpuset: '0',
      detach: true,
    });
    const path = cgroupOf((await container.inspect()).State.Pid);
    expect(path).to.equal(`${service}/vaina/${container.id}`);
    expect(cgroupOf('self')).to.equal(`${service}/vaina-host`);
    const read = (file: string): string => readFileSync(`/sys/fs/cgroup${path}/${file}`, 'utf8').trim();
    expect(read('memory.max')).to.equal(String(64 * 1048576));
    expect(read('pids.max')).to.equal('33');
    expect(read('cpu.max')).to.equal('50000 100000');
    expect(read('cpuset.cpus')).to.equal('0');
    expect((await container.exec(['cat', '/sys/fs/cgroup/pids.max'])).stdout).to.equal('33\n');
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
});
