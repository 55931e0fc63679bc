import { expect } from 'chai';
import { expectError, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('an ordinary user to whom no cgroup is delegated', () => {
  requires('lab', 'user', 'cgroup2');
  const box = useEngine();

  it('runs containers', async () => {
    const result = await box.engine.run(box.image, ['sh', '-c', 'id -u; exit 7']);
    expect(result).to.include({ exitCode: 7, stdout: '0\n' });
  });

  it('is refused every limit by one typed error that says what would help, and nothing is left', async () => {
    for (const options of [{ memory: '64m' }, { cpus: 0.5 }, { pidsLimit: 10 }, { cpuset: '0' }]) {
      const error = await expectError(
        'ERR_CGROUP_NOT_DELEGATED',
        box.engine.run(box.image, ['true'], options),
      );
      expect(error.hint).to.match(/systemd|deleg/i);
    }
    expect(await box.engine.containers.list({ all: true })).to.deep.equal([]);
  });

  it('is told so by doctor', async () => {
    expect(JSON.stringify(await box.engine.doctor())).to.match(/deleg/i);
  });
});
