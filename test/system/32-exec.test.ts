import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Container } from '../../lib/index.js';
import { expectError, until, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('exec', () => {
  requires('root');
  const box = useEngine();
  let container: Container;

  before(async () => {
    container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      env: { FROM_CONTAINER: 'yes' },
      workdir: '/tmp',
    });
  });

  it('runs a command in the container and gives its streams and exit code', async () => {
    const result = await container.exec(['sh', '-c', 'echo out; echo err >&2; exit 5']);
    expect(result).to.include({ exitCode: 5, signal: null, stdout: 'out\n', stderr: 'err\n' });
  });

  it('waits for what others write to its streams after its end', async () => {
    const result = await container.exec(['sh', '-c', '(sleep 0.2; echo late) & echo now; exit 3']);
    expect(result).to.include({ exitCode: 3, stdout: 'now\nlate\n' });
  });

  it('refuses a wrong option of either kind before it runs anything', async () => {
    const argv = ['touch', '/tmp/ran'];
    await expectError('ERR_INVALID_OPTION', () => container.exec(argv, { maxBuffer: -1 }));
    await expectError('ERR_INVALID_OPTION', () => container.exec(argv, { workdirectory: '/' } as object));
    await expectError('ERR_INVALID_OPTION', () => container.exec(['touch', '/tmp/ran\0']));
    await expectError('ERR_INVALID_OPTION', () => container.exec(['true', 'x'.repeat(9 << 20)]));
    expect((await container.exec(['test', '-e', '/tmp/ran'])).exitCode).to.equal(1);
  });

  it('keeps no more of a short output than it may', async () => {
    await expectError('ERR_COMMAND_FAILED', () => container.exec(['echo', 'too long'], { maxBuffer: 8 }));
    expect((await container.exec(['echo', 'too long'], { maxBuffer: 9 })).stdout).to.equal('too long\n');
    const { stdout } = await container.exec(['echo', 'bytes'], { encoding: 'buffer' });
    expect(stdout).to.deep.equal(Buffer.from('bytes\n'));
  });

  it('sees the processes, the host name and the file system of the container', async () => {
    const { Config } = await container.inspect();
    const result = await container.exec(['sh', '-c', 'hostname; tr "\\0" " " </proc/1/cmdline; echo; pwd']);
    expect(result.stdout).to.equal(`${Config.Hostname}\nsleep 1000 \n/tmp\n`);
  });

  it('is in the namespaces and the cgroup of the container', async () => {
    const script =
      'for n in mnt pid ipc uts net cgroup user; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ]; echo $?; done';
    const result = await container.exec(['sh', '-c', script]);
    expect(result.stdout).to.equal('0\n'.repeat(7));
    const cgroups = await container.exec(['sh', '-c', 'diff /proc/self/cgroup /proc/1/cgroup && echo same']);
    expect(cgroups.stdout).to.equal('same\n');
  });

  it('has the credentials, the filter and the limits of the main process', async () => {
    const script = 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/$1/status';
    const main = await container.exec(['sh', '-c', script, 'sh', '1']);
    const own = await container.exec(['sh', '-c', script, 'sh', 'self']);
    expect(own.stdout).to.equal(main.stdout);
    expect(own.stdout)
      .to.match(/CapEff:\t00000000800405fb/)
      .and.match(/Seccomp:\t2/);
  });

  it('takes environment, working directory and user of its own, over the container’s', async () => {
    const result = await container.exec(
      ['sh', '-c', 'echo $FROM_IMAGE $FROM_CONTAINER $OWN $(pwd) $(id -u):$(id -g) $HOME'],
      {
        env: { OWN: 'own' },
        workdir: '/home/alice',
        user: 'alice',
      },
    );
    expect(result.stdout).to.equal('yes yes own /home/alice 1000:1000 /home/alice\n');
  });

  it('goes by the options and the users of this time, not of the one before', async () => {
    const run = async (argv: string[], options = {}): Promise<string> =>
      String((await container.exec(argv, options)).stdout);
    const script = ['sh', '-c', 'echo $OWN $(pwd)'];
    for (let i = 0; i < 2; i++) {
      expect(await run(script)).to.equal('/tmp\n');
      expect(await run(script, { env: { OWN: String(i) } })).to.equal(`${i} /tmp\n`);
      expect(await run(script, { workdir: '/' })).to.equal('/\n');
    }
    const entry = 'carol:x:1234:1234::/home/carol:/bin/sh';
    await container.exec(['sh', '-c', `echo ${entry} >> /etc/passwd`]);
    expect(await run(['id', '-u'], { user: 'carol' })).to.equal('1234\n');
    await container.exec(['sed', '-i', 's/1234/1235/', '/etc/passwd']);
    expect(await run(['id', '-u'], { user: 'carol' })).to.equal('1235\n');
  });

  it('ignores and blocks no signal', async () => {
    const { stdout } = await container.exec(['grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status']);
    expect(stdout).to.equal('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
  });

  it('has no capability as another user than root', async () => {
    const result = await container.exec(['grep', '-E', '^Cap(Inh|Prm|Eff|Amb)', '/proc/self/status'], {
      user: '1000',
    });
    expect(result.stdout).to.equal(
      ['Inh', 'Prm', 'Eff', 'Amb'].map((set) => `Cap${set}:\t${'0'.repeat(16)}\n`).join(''),
    );
  });

  it('passes any bytes both ways and ends at the end of its input', async () => {
    const bytes = randomBytes(4 * 1048576);
    const result = await container.exec(['cat'], {
      input: bytes,
      encoding: 'buffer',
      maxBuffer: bytes.length,
    });
    expect(createHash('sha256').update(result.stdout).digest('hex')).to.equal(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });

  it('refuses what is not there (127) and what cannot be executed (126)', async () => {
    await expectError('ERR_COMMAND_NOT_FOUND', container.exec(['no-such-command']));
    await expectError('ERR_COMMAND_NOT_EXECUTABLE', container.exec(['/etc/passwd']));
    await expectError('ERR_NO_SUCH_USER', container.exec(['true'], { user: 'nobody-here' }));
    await expectError('ERR_INVALID_OPTION', container.exec([]));
  });

  it('gives a terminal with a size, and resizes it', async () => {
    const process = await container.execStart(
      ['sh', '-c', 'stty size; trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done'],
      {
        tty: true,
        rows: 24,
        columns: 80,
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    );
    let output = '';
    process.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the shell is ready', () => output.includes('ready'));
    await process.resize(10, 20);
    expect((await process.wait()).exitCode).to.equal(0);
    // It is in the pipe by then; this program may not have read it.
    await until('all output is read', () => process.stdout?.destroyed === true);
    expect(output).to.equal('24 80\r\nready\r\n10 20\r\n');
  });

  it('sends a signal to the exec and not to the container', async () => {
    const process = await container.execStart(['sleep', '1000'], { stdio: ['ignore', 'ignore', 'ignore'] });
    await process.kill('SIGTERM');
    const status = await process.wait();
    expect(status).to.include({ exitCode: 143, signal: 'SIGTERM' });
    expect((await container.inspect()).State.Status).to.equal('running');
  });

  it('does not write the output of an exec to the container’s log', async () => {
    await container.exec(['echo', 'not for the log']);
    const lines: string[] = [];
    for await (const line of container.logs()) lines.push(line.text);
    expect(lines).to.deep.equal([]);
  });

  it('keeps 20 at once apart', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        container.exec(['sh', '-c', `cat; echo ${i}; exit ${i}`], { input: `in ${i} ` }),
      ),
    );
    results.forEach((result, i) => expect(result).to.include({ exitCode: i, stdout: `in ${i} ${i}\n` }));
  });

  it('ends with the container', async () => {
    const short = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const process = await short.execStart(['sleep', '1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    (process.stdout as Readable).resume();
    await short.kill('SIGKILL');
    expect(await process.wait()).to.include({ exitCode: 137, signal: 'SIGKILL' });
    await short.wait();
    await short.remove();
  });

  it('is refused when the container does not run', async () => {
    const created = await box.engine.containers.create(box.image, { command: ['true'] });
    await expectError('ERR_INVALID_STATE', created.exec(['true']));
    await created.start();
    await created.wait();
    await expectError('ERR_INVALID_STATE', created.exec(['true']));
    await created.remove();
  });
});
