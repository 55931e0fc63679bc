import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { expectError, until, useEngine, vaina } from '../support/containers.js';
import { requires } from '../support/requires.js';

const MEGABYTES = 100;

describe('run: exit codes', () => {
  requires('root');
  const box = useEngine();

  for (const code of [0, 1, 7, 125, 126, 127, 255]) {
    it(`gives the exit code ${code} of the command as it is`, async () => {
      const result = await box.engine.run(box.image, ['sh', '-c', `exit ${code}`]);
      expect(result.exitCode).to.equal(code);
      expect(result.signal).to.equal(null);
      expect(result.oomKilled).to.equal(false);
      expect(result.timedOut).to.equal(false);
    });
  }

  it('gives 128 + N and the name of the signal that ended it', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    await container.kill('SIGKILL');
    const status = await container.wait();
    expect(status).to.include({ exitCode: 137, signal: 'SIGKILL', oomKilled: false });
    expect(status.finishedAt.getTime()).to.be.at.least(status.startedAt.getTime());
    await container.remove();
  });

  it('gives 137 for a child shell that is killed, as the shell says', async () => {
    const result = await box.engine.run(box.image, ['sh', '-c', "sh -c 'kill -9 $$'; exit $?"]);
    expect(result.exitCode).to.equal(137);
  });

  it('refuses a command that is not there, with a code of its own', async () => {
    const error = await expectError('ERR_COMMAND_NOT_FOUND', box.engine.run(box.image, ['no-such-command']));
    expect(error.message).to.contain('no-such-command');
    await expectError('ERR_COMMAND_NOT_FOUND', box.engine.run(box.image, ['/no/such/path']));
  });

  it('refuses a command that cannot be executed, with a code of its own', async () => {
    await expectError('ERR_COMMAND_NOT_EXECUTABLE', box.engine.run(box.image, ['/etc/passwd']));
    await expectError('ERR_COMMAND_NOT_EXECUTABLE', box.engine.run(box.image, ['/etc']));
  });

  it('says the same by the exit status of the command line: 0, 7, 125, 126, 127, 137', async () => {
    const run = (...args: string[]): Promise<{ exitCode: number | null; stderr: string }> =>
      vaina(box, ['run', '--rm', ...args]);
    const ended = await Promise.all([
      run(box.image, 'true'),
      run(box.image, 'sh', '-c', 'exit 7'),
      run('--no-such-flag', box.image, 'true'),
      run('--pull=never', 'localhost/no-such-image', 'true'),
      run(box.image, '/etc/passwd'),
      run(box.image, 'no-such-command'),
      run(box.image, 'sh', '-c', "sh -c 'kill -9 $$'; exit $?"),
    ]);
    expect(ended.map(({ exitCode }) => exitCode)).to.deep.equal([0, 7, 125, 125, 126, 127, 137]);
    const missing = ended[5];
    expect(missing?.stderr)
      .to.match(/^Error: /)
      .and.contain('no-such-command');
  });

  it('leaves no container of a one-shot run behind, whether it ended well or not', async () => {
    await box.engine.run(box.image, ['false']);
    await box.engine.run(box.image, ['no-such-command']).catch(() => undefined);
    expect(await box.engine.containers.list({ all: true })).to.deep.equal([]);
  });
});

describe('run: standard streams', function () {
  this.timeout(120_000);
  requires('root');
  const box = useEngine();

  it('keeps stdout and stderr apart', async () => {
    const result = await box.engine.run(box.image, ['sh', '-c', 'echo out; echo err >&2; echo out2']);
    expect(result.stdout).to.equal('out\nout2\n');
    expect(result.stderr).to.equal('err\n');
  });

  it('keeps a last line without newline', async () => {
    const result = await box.engine.run(box.image, ['printf', 'one\\ntwo']);
    expect(result.stdout).to.equal('one\ntwo');
  });

  it(`delivers ${MEGABYTES} MB with no byte lost`, async () => {
    const line = `${'x'.repeat(1023)}\n`;
    const expected = createHash('sha256');
    for (let i = 0; i < MEGABYTES; i++) expected.update(line.repeat(1024));
    const script = `yes $(head -c 1023 /dev/zero | tr '\\0' x) | head -c ${MEGABYTES * 1048576}`;
    const container = await box.engine.containers.create(box.image, {
      command: ['sh', '-c', script],
      logDriver: 'none',
    });
    const process = await container.start({ stdio: ['ignore', 'pipe', 'ignore'] });
    const actual = createHash('sha256');
    let bytes = 0;
    for await (const chunk of process.stdout as Readable) {
      actual.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    expect((await process.wait()).exitCode).to.equal(0);
    expect(bytes).to.equal(MEGABYTES * 1048576);
    expect(actual.digest('hex')).to.equal(expected.digest('hex'));
    await container.remove();
  });

  it('collects 100 MB in the result of a one-shot run, and refuses what passes maxBuffer', async () => {
    const options = { encoding: 'buffer', maxBuffer: 200 * 1048576, logDriver: 'none' } as const;
    const script = `head -c ${MEGABYTES * 1048576} /dev/zero`;
    const result = await box.engine.run(box.image, ['sh', '-c', script], options);
    expect(result.stdout).to.have.length(MEGABYTES * 1048576);
    const small = box.engine.run(box.image, ['sh', '-c', script], { ...options, maxBuffer: 1048576 });
    await expectError('ERR_COMMAND_FAILED', small);
  });

  it('passes any bytes through stdin and stdout as they are', async () => {
    const bytes = randomBytes(5 * 1048576);
    const result = await box.engine.run(box.image, ['cat'], {
      input: bytes,
      encoding: 'buffer',
      maxBuffer: bytes.length,
    });
    expect(createHash('sha256').update(result.stdout).digest('hex')).to.equal(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });

  it('takes input from a stream and passes on its end', async () => {
    const pieces = Readable.from(['one ', 'two ', 'three']);
    const result = await box.engine.run(box.image, ['sh', '-c', 'cat; echo " end"'], { input: pieces });
    expect(result.stdout).to.equal('one two three end\n');
  });

  it('gives a command without input an stdin that is at its end', async () => {
    const result = await box.engine.run(box.image, ['wc', '-c'], { timeoutMs: 10_000 });
    expect(String(result.stdout).trim()).to.equal('0');
  });

  it('goes on when the command does not read its input', async () => {
    const result = await box.engine.run(box.image, ['true'], { input: 'x'.repeat(1048576) });
    expect(result.exitCode).to.equal(0);
  });

  it('takes descriptors of this process for the streams', async () => {
    const { openSync, closeSync, readFileSync } = await import('node:fs');
    const path = `${box.directory}/stdout`;
    const descriptor = openSync(path, 'w');
    const container = await box.engine.containers.create(box.image, { command: ['echo', 'to a file'] });
    await container.start({ stdio: ['ignore', descriptor, descriptor] });
    closeSync(descriptor);
    await container.wait();
    expect(readFileSync(path, 'utf8')).to.equal('to a file\n');
    await container.remove();
  });

  it('ends a run that takes longer than timeoutMs, and says so', async () => {
    const before = performance.now();
    const result = await box.engine.run(box.image, ['sleep', '1000'], { timeoutMs: 300 });
    expect(result).to.include({ timedOut: true, exitCode: 137 });
    expect(performance.now() - before).to.be.lessThan(15_000);
  });

  it('ends a run whose signal is aborted, and leaves nothing', async () => {
    const abort = new AbortController();
    const run = box.engine.run(box.image, ['sleep', '1000'], { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await run.then(
      () => expect.fail('the run was not aborted'),
      (error: Error) => expect(error).to.be.instanceOf(Error),
    );
    expect(await box.engine.containers.list({ all: true })).to.deep.equal([]);
  });

  it('reports how long it took and what it used', async () => {
    const result = await box.engine.run(box.image, [
      'sh',
      '-c',
      'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done',
    ]);
    expect(result.durationMs).to.be.greaterThan(0).and.lessThan(60_000);
    expect(result.cpuTime).to.be.greaterThan(0);
    expect(result.peakMemory).to.be.greaterThan(0);
  });
});

describe('run: terminals', () => {
  requires('root');
  const box = useEngine();

  it('gives a terminal of the asked size, passes on a resize, and ends lines as terminals do', async () => {
    const script = 'tty; trap "stty size; exit 3" WINCH; echo ready; while :; do sleep 0.05; done';
    const container = await box.engine.containers.create(box.image, {
      command: ['sh', '-c', script],
      tty: true,
      stdin: true,
    });
    const process = await container.start({ stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    process.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the shell is ready', () => output.includes('ready'));
    expect(output).to.match(/^\/dev\/(console|pts\/0)\r\n/);
    await process.resize(33, 101);
    expect((await process.wait()).exitCode).to.equal(3);
    expect(output).to.match(/33 101\r\n/);
    await container.remove();
  });

  it('echoes and edits what is typed, and ends at ^D', async () => {
    const container = await box.engine.containers.create(box.image, {
      command: ['cat'],
      tty: true,
      stdin: true,
    });
    const process = await container.start({ stdio: ['pipe', 'pipe', 'ignore'] });
    const output = text(process.stdout as Readable);
    process.stdin?.write('hello\n');
    await new Promise((done) => setTimeout(done, 100));
    process.stdin?.write('\x04');
    expect((await process.wait()).exitCode).to.equal(0);
    expect(await output).to.equal('hello\r\nhello\r\n');
    await container.remove();
  });

  it('sends the signal of ^C to the foreground', async () => {
    const container = await box.engine.containers.create(box.image, {
      command: ['sh', '-c', 'trap "exit 9" INT; echo ready; while :; do sleep 0.05; done'],
      tty: true,
      stdin: true,
    });
    const process = await container.start({ stdio: ['pipe', 'pipe', 'ignore'] });
    await once(process.stdout as Readable, 'data');
    process.stdin?.write('\x03');
    expect((await process.wait()).exitCode).to.equal(9);
    await container.remove();
  });

  it('has no terminal unless asked', async () => {
    const result = await box.engine.run(box.image, ['tty']);
    expect(result.exitCode).to.equal(1);
    expect(result.stdout).to.equal('not a tty\n');
  });
});
