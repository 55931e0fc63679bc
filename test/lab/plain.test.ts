import { expect } from 'chai';
import { expectError, nodeArguments, runProgram, useEngine, type Ended } from '../support/containers.js';
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

  /** The command line where the hint says that it has limits. */
  function inScope(args: readonly string[]): Promise<Ended> {
    const store = ['--root', box.root, '--runroot', box.runroot];
    const scope = ['--user', '--scope', '--quiet', process.execPath, ...nodeArguments('lib/cli/main')];
    return runProgram('systemd-run', [...scope, ...store, ...args]);
  }

  it('has limits when he does what the error says', async () => {
    const ended = await inScope(
      ['run', '--rm', '--memory', '64m', '--pids-limit', '20', box.image].concat([
        'sh',
        '-c',
        'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max',
      ]),
    );
    expect(ended.stdout, ended.stderr).to.equal(`${64 * 1048576}\n20\n`);
  });

  it('is refused the start here of a container that was made with limits there', async () => {
    const made = await inScope(['create', '--memory', '64m', box.image, 'true']);
    expect(made.exitCode, made.stderr).to.equal(0);
    const container = await box.engine.containers.get(made.stdout.trim());
    await expectError('ERR_CGROUP_NOT_DELEGATED', container.start());
    expect((await container.inspect()).State.Status).to.equal('created');
    await container.remove();
  });

  it('can use here what was detached there', async () => {
    const made = await inScope(['run', '-d', '--memory', '64m', box.image, 'sleep', '1000']);
    expect(made.exitCode, made.stderr).to.equal(0);
    const container = await box.engine.containers.get(made.stdout.trim());
    const exec = await container.exec(['cat', '/proc/self/cgroup', '/sys/fs/cgroup/memory.max']);
    expect(exec.stdout).to.equal(`0::/\n${64 * 1048576}\n`);
    await container.remove({ force: true, timeout: 0 });
  });

  it('is told so by doctor', async () => {
    expect(JSON.stringify(await box.engine.doctor())).to.match(/deleg/i);
  });
});
