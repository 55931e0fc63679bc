import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ControlChannel, type Started } from '../../lib/native/control.js';
import { native } from '../../lib/native/index.js';
import { encodeMessage, MESSAGE, parseExitRecord } from '../../lib/native/messages.js';
import { encodePlan } from '../../lib/spec/encode.js';
import type { Step } from '../../lib/spec/steps.js';
import { VainaError } from '../../lib/errors.js';
import { REPO, SLOW, startNode, until } from '../support/programs.js';
import {
  capture,
  containerPlan,
  execPlan,
  finish,
  finishAll,
  launch,
  type Launched,
  run,
  usePlace,
} from './native-plans.js';

const DIRECT: Step[] = [['stdio', 0]];
const PIPED: Step[] = [['stdio', 1]];
const MEGABYTE = 1024 * 1024;

const inDirectory = (runDir: string): Step[] => [
  ['run-dir', runDir],
  ['exit-record', join(runDir, 'exit')],
  ...PIPED,
];

async function started(one: { started: Promise<{ kind: string }> }): Promise<Started> {
  const answer = await one.started;
  expect(
    answer.kind,
    JSON.stringify(answer, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ).to.equal('started');
  return answer as Started;
}

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  afterEach(finishAll);

  for (const [name, policy] of [
    ['direct', DIRECT],
    ['piped', PIPED],
  ] as const) {
    describe(`with ${name} standard streams`, () => {
      it('gives output, error output and exit status apart', async () => {
        const result = await run(sh(policy, 'echo out; echo err >&2; printf tail; exit 7'));
        expect(result).to.deep.equal({ stdout: 'out\ntail', stderr: 'err\n', exitCode: 7, signal: 0 });
      });

      it('tells the signal that ended the container', async () => {
        // The first process of a pid namespace ignores what it does not handle, so it is sent from outside.
        const one = launch(sh(policy, 'sleep 1000'));
        await started(one.container);
        await one.channel.signal(0, 9);
        expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
        await finish(one);
      });

      it('passes 100 MB without a change', async function () {
        this.timeout(60_000);
        const stdout = capture();
        const script = 'seq 13000000 | tee /tmp/copy';
        const one = launch(sh(policy, script), [-1, stdout.fd, -1]);
        stdout.close();
        await started(one.container);
        expect((await one.container.exited).exitCode).to.equal(0);
        await finish(one);
        const got = createHash('sha256')
          .update(await stdout.bytes)
          .digest('hex');
        const sum = createHash('sha256');
        for await (const chunk of createReadStream(join(place.root, 'tmp/copy'))) sum.update(chunk as Buffer);
        expect(statSync(join(place.root, 'tmp/copy')).size).to.be.greaterThan(100 * MEGABYTE);
        expect(got).to.equal(sum.digest('hex'));
      });

      it('gives the standard input to its end', async () => {
        const stdout = capture();
        const [read, write] = native().pipe();
        const one = launch(sh(policy, 'wc -c; echo done'), [read, stdout.fd, -1]);
        native().close(read);
        stdout.close();
        const { Socket } = await import('node:net');
        new Socket({ fd: write, readable: false, writable: true }).end(Buffer.alloc(3 * MEGABYTE, 'y'));
        expect((await one.container.exited).exitCode).to.equal(0);
        expect(await stdout.text).to.equal(`${3 * MEGABYTE}\ndone\n`);
        await finish(one);
      });

      it('leaves the container no other descriptor and no monitor of its own', async () => {
        const { stdout } = await run(sh(policy, 'ls /proc/self/fd; ls -d /proc/[0-9]*'));
        expect(stdout.split('\n').slice(0, 4)).to.deep.equal(['0', '1', '2', '3']);
        expect(stdout).to.match(/^3\n\/proc\/1$/m);
      });
    });
  }

  it('gives the output back although its reader is slow', async () => {
    const [read, write] = native().pipe();
    const one = launch(sh(PIPED, `head -c ${MEGABYTE} /dev/zero`), [-1, write, -1]);
    native().close(write);
    await started(one.container);
    await new Promise((done) => setTimeout(done, 300));
    const bytes = readFileSync(read);
    native().close(read);
    expect(bytes.length).to.equal(MEGABYTE);
    expect((await one.container.exited).exitCode).to.equal(0);
    await finish(one);
  });

  it('does not wait for a reader when its owner is gone', async () => {
    const [read, write] = native().pipe();
    const runDir = place.runDir();
    const one = launch(sh(inDirectory(runDir), 'yes'), [-1, write, -1]);
    native().close(write);
    await started(one.container);
    await new Promise((done) => setTimeout(done, 100));
    one.channel.close();
    await until('it has ended', () => existsSync(join(runDir, 'exit')), 1000);
    native().close(read);
    await finish(one);
  });

  it('cuts off an attached client that takes nothing, and waits for its first', async function () {
    this.timeout(30_000);
    const [read, write] = native().pipe();
    const [stuck, stuckEnd] = native().pipe();
    const one = launch(sh([['stdio', 1]], 'sleep 0.3; seq 200000; echo end'), [-1, write, -1]);
    native().close(write);
    await started(one.container);
    await one.channel.attach({ stdout: stuckEnd });
    native().close(stuckEnd);
    const { Socket } = await import('node:net');
    const client = new Socket({ fd: read, readable: true, writable: false });
    const chunks: Buffer[] = [];
    const before = performance.now();
    for await (const chunk of client) chunks.push(chunk as Buffer);
    expect(performance.now() - before).to.be.within(9_000, 15_000);
    expect(Buffer.concat(chunks).toString().endsWith('\n200000\nend\n')).to.equal(true);
    expect(readFileSync(stuck).length).to.be.within(1, MEGABYTE);
    native().close(stuck);
    expect((await one.container.exited).exitCode).to.equal(0);
    await finish(one);
  });

  for (const [name, steps] of [
    ['the built-in reaper', [['init'], ['exec', 'sleep', '1000']]],
    ['pause', [['pause']]],
  ] as [string, Step[]][]) {
    it(`leaves no descriptor of its own in ${name}`, async () => {
      const plan = containerPlan(place, inDirectory(place.runDir()), []).slice(0, -1);
      const one = launch([...plan, ...steps]);
      const { pid } = await started(one.container);
      await until(
        'they are closed',
        () => readdirSync(`/proc/${pid}/fd`).every((fd) => Number(fd) <= 2),
        1000,
      );
      process.kill(one.pid, 'SIGKILL');
      await finish(one);
    });
  }

  it('goes on without its reader', async () => {
    const [read, write] = native().pipe();
    const log = join(place.runDir(), 'log');
    const one = launch(
      sh(
        [
          ['log', log, 0],
          ['stdio', 1],
        ],
        'sleep 0.1; seq 50000; exit 3',
      ),
      [-1, write, -1],
    );
    native().close(write);
    await started(one.container);
    native().close(read);
    expect((await one.container.exited).exitCode).to.equal(3);
    expect(readFileSync(log, 'utf8').trimEnd().split('\n').at(-1)).to.match(/ stdout F 50000$/);
    await finish(one);
  });

  describe('with a log', () => {
    it('writes lines and parts of lines in the CRI format', async () => {
      const log = join(place.runDir(), 'log');
      const script =
        'printf "a\\nb\\nno end"; sleep 0.1; printf "; more\\n"; echo err >&2; sleep 0.1; head -c 20000 /dev/zero | tr "\\0" x; sleep 0.1; printf tail';
      const result = await run(
        sh(
          [
            ['log', log, 0],
            ['stdio', 1],
          ],
          script,
        ),
      );
      const lines = readFileSync(log, 'utf8').split('\n');
      expect(lines.pop()).to.equal('');
      const parsed = lines.map((line) => {
        const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00) (stdout|stderr) ([FP]) (.*)$/.exec(
          line,
        );
        expect(match, line.slice(0, 60)).to.not.equal(null);
        const [, time = '', stream = '', tag = '', text = ''] = match ?? [];
        expect(Math.abs(Date.parse(time) - Date.now())).to.be.lessThan(60_000);
        return { stream, tag, text };
      });
      expect(parsed.slice(0, 5)).to.deep.equal([
        { stream: 'stdout', tag: 'F', text: 'a' },
        { stream: 'stdout', tag: 'F', text: 'b' },
        { stream: 'stdout', tag: 'P', text: 'no end' },
        { stream: 'stdout', tag: 'F', text: '; more' },
        { stream: 'stderr', tag: 'F', text: 'err' },
      ]);
      expect(parsed.at(-1)).to.deep.equal({ stream: 'stdout', tag: 'P', text: 'tail' });
      for (const { tag, text } of parsed.slice(5)) {
        expect(tag).to.equal('P');
        expect(text.length).to.be.at.most(8192);
      }
      const joined = parsed.map(({ stream, tag, text }) =>
        stream === 'stdout' ? text + (tag === 'F' ? '\n' : '') : '',
      );
      expect(joined.join('')).to.equal(result.stdout);
    });

    it('moves it away when it has its size', async () => {
      const log = join(place.runDir(), 'log');
      await run(
        sh(
          [
            ['log', log, 10_000],
            ['stdio', 1],
          ],
          'seq 1000',
        ),
      );
      expect(statSync(log).size).to.be.within(1, 10_000);
      expect(statSync(`${log}.1`).size).to.be.within(9_000, 10_000);
      expect(readFileSync(log, 'utf8')).to.match(/ stdout F 1000\n$/);
      const first = / (\d+)$/m.exec(readFileSync(log, 'utf8'))?.[1];
      const last = / (\d+)\n$/.exec(readFileSync(`${log}.1`, 'utf8'))?.[1];
      expect(Number(first)).to.equal(Number(last) + 1);
    });
  });

  describe('of a container with a directory', () => {
    it('holds the lock, writes pid and record, and answers on ctl.sock', async () => {
      const runDir = place.runDir();
      const one = launch(sh(inDirectory(runDir), 'trap "exit 5" TERM; while :; do sleep 0.01; done'));
      const { pid } = await started(one.container);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(true);
      expect(native().tryLock(join(runDir, 'alive'), true)).to.equal(-1);
      expect(readFileSync(join(runDir, 'pid'), 'utf8')).to.equal(String(pid));
      expect(statSync(join(runDir, 'ctl.sock')).mode & 0o777).to.equal(0o600);
      expect(existsSync(join(runDir, 'exit'))).to.equal(false);
      const other = ControlChannel.connect(native(), runDir);
      const waited = other.wait(0);
      await new Promise((done) => setTimeout(done, 50));
      await other.stop(15, 5000);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(false);
      const record = parseExitRecord(readFileSync(join(runDir, 'exit')));
      expect(record).to.include({ exitCode: 5, signal: 0, oomKilled: false });
      expect(record.finishedAt > record.startedAt).to.equal(true);
      expect(await one.container.exited).to.deep.equal(record);
      expect(await waited).to.deep.equal(record);
      expect(readdirSync(runDir).sort()).to.deep.equal(['alive', 'exit', 'pid']);
      await finish(one);
      other.close();
      expect(() => ControlChannel.connect(native(), runDir))
        .to.throw()
        .with.property('code', 'ENOENT');
    });

    it('kills what does not stop in time', async () => {
      const one = launch(sh([['stop', 15, 100], ...PIPED], 'trap "" TERM; echo; while :; do sleep 1; done'));
      await started(one.container);
      await new Promise((done) => setTimeout(done, 50));
      const before = performance.now();
      await one.channel.stop();
      expect(performance.now() - before).to.be.within(95, 600);
      expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
      await finish(one);
    });

    it('refuses a directory that another monitor has, and leaves it alone', async () => {
      const runDir = place.runDir();
      const policy = inDirectory(runDir);
      const one = launch(sh(policy, 'sleep 1000'));
      await started(one.container);
      const two = launch([...sh(policy, 'true'), ['remove-run-dir']]);
      expect(await two.container.started).to.include({ kind: 'failed', step: 0, exitCode: 125 });
      await finish(two);
      expect(native().isLocked(join(runDir, 'alive'))).to.equal(true);
      ControlChannel.connect(native(), runDir).close();
      await one.channel.stop(9, 0);
      await finish(one);
    });

    it('removes the directory when the plan says so', async () => {
      const runDir = place.runDir();
      const one = launch([...sh(inDirectory(runDir), 'exit 4'), ['remove-run-dir']]);
      expect((await one.container.exited).exitCode).to.equal(4);
      expect(existsSync(runDir)).to.equal(false);
      await finish(one);
    });

    it('lives on with detach when its channel closes, and dies without', async () => {
      const [first, second] = [place.runDir(), place.runDir()];
      const lives = launch(sh([['run-dir', first], ['stdio', 1], ['detach']], 'sleep 1000'));
      const dies = launch(sh(inDirectory(second), 'sleep 1000'));
      await started(lives.container);
      await started(dies.container);
      lives.channel.close();
      dies.channel.close();
      await until('the owned one has ended', () => existsSync(join(second, 'exit')), 1000);
      expect(parseExitRecord(readFileSync(join(second, 'exit')))).to.include({ exitCode: 137 });
      const again = ControlChannel.connect(native(), first);
      const session = again.exec(encodePlan(execPlan(['true'])), [-1, -1, -1]);
      expect((await session.exited).exitCode).to.equal(0);
      await again.stop(9, 0);
      again.close();
      await finish(lives);
      await finish(dies);
    });
  });

  it('ends fifty containers when the process that owns them is killed', async function () {
    this.timeout(30_000);
    const runDirs = Array.from({ length: 50 }, () => place.runDir());
    const plans = runDirs.map((runDir) =>
      sh(inDirectory(runDir), 'sleep 1000 & setsid sleep 1000 & exec sleep 1000'),
    );
    const file = join(place.directory, 'plans.json');
    writeFileSync(file, JSON.stringify(plans));
    const owner = startNode('test/support/children/monitors', [file]);
    const [line] = (await once(owner.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    for (const pid of pids) expect(existsSync(`/proc/${pid}`), String(pid)).to.equal(true);
    const before = performance.now();
    owner.kill('SIGKILL');
    const gone = (runDir: string) =>
      existsSync(join(runDir, 'exit')) && !native().isLocked(join(runDir, 'alive'));
    await until('all have ended', () => runDirs.every(gone), 5000);
    expect(performance.now() - before).to.be.lessThan(1000 * SLOW);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`), String(pid)).to.equal(false);
    for (const runDir of runDirs) {
      expect(parseExitRecord(readFileSync(join(runDir, 'exit')))).to.include({ exitCode: 137, signal: 9 });
    }
  });

  it('takes its container with it when it is killed, and says so', async () => {
    const one = launch(sh(inDirectory(place.runDir()), 'sleep 1000 & exec sleep 1000'));
    const { pid } = await started(one.container);
    process.kill(one.pid, 'SIGKILL');
    const error: unknown = await one.container.exited.catch((reason: unknown) => reason);
    expect(VainaError.is(error, 'ERR_MONITOR_LOST')).to.equal(true);
    await until('the container has ended', () => !existsSync(`/proc/${pid}`), 2000);
    await finish(one);
    const late: unknown = await one.channel.stop().catch((reason: unknown) => reason);
    expect(VainaError.is(late, 'ERR_MONITOR_LOST')).to.equal(true);
  });

  it('answers too many descriptors with an error', async () => {
    const runDir = place.runDir();
    const one = launch(sh(inDirectory(runDir), 'sleep 1000'));
    await started(one.container);
    const fd = native().connect(runDir);
    native().send(fd, encodeMessage(MESSAGE.exec, 7, Buffer.alloc(4)), [fd, fd, fd, fd, fd]);
    const reply = Buffer.alloc(100);
    await until('it answers', () => readSome(fd, reply) > 0);
    expect(reply.readUInt16LE(4)).to.equal(MESSAGE.error);
    expect(reply.readUInt32LE(8)).to.equal(7);
    native().close(fd);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('tells the step that failed, its error and what it was about', async () => {
    const plan = containerPlan(place, DIRECT, ['true']).flatMap((step): Step[] =>
      step[0] === 'pivot-root' ? [['bind', '/nonexistent/source', '/x', 0, 0, ''], step] : [step],
    );
    const one = launch(plan);
    const failed = await one.container.started;
    expect(failed).to.include({ kind: 'failed', errno: 2, exitCode: 125 });
    expect(plan[(failed as { step: number }).step]?.[0]).to.equal('bind');
    expect((failed as { text: string }).text).to.include('/nonexistent/source');
    await finish(one);
  });

  for (const [command, exitCode] of [
    ['nothing-here', 127],
    ['/bin', 126],
  ] as const) {
    it(`answers ${exitCode} for the command ${command}`, async () => {
      const one = launch(containerPlan(place, DIRECT, [command]));
      expect(await one.container.started).to.include({ kind: 'failed', exitCode });
      await finish(one);
    });
  }

  it('refuses a plan that is none', async () => {
    const { pid, channel } = ControlChannel.launch(native(), Buffer.from('VPLNgarbage'), [-1, -1, -1]);
    const container = channel.container as Launched['container'];
    expect(await container.started).to.include({ kind: 'failed', step: undefined, exitCode: 125 });
    await finish({ pid, channel, container });
  });

  describe('that serves execs', () => {
    let one: Launched;
    beforeEach(async () => {
      one = launch(sh(PIPED, 'sleep 1000'));
      await started(one.container);
    });
    afterEach(async () => {
      await one.channel.stop(9, 0);
      await finish(one);
    });

    async function exec(argv: string[], policy: Step[] = []) {
      const stdout = capture();
      const stderr = capture();
      const session = one.channel.exec(encodePlan(execPlan(argv, policy)), [-1, stdout.fd, stderr.fd]);
      stdout.close();
      stderr.close();
      const answer = await session.started;
      if (answer.kind === 'failed') return { failed: answer };
      const { exitCode } = await session.exited;
      return { exitCode, stdout: await stdout.text, stderr: await stderr.text };
    }

    for (const [name, policy] of [
      ['direct', DIRECT],
      ['piped', PIPED],
    ] as const) {
      it(`runs a process in the container, ${name}`, async () => {
        const result = await exec(['sh', '-c', 'echo out; echo err >&2; exit 9'], policy);
        expect(result).to.deep.equal({ exitCode: 9, stdout: 'out\n', stderr: 'err\n' });
        expect((await exec(['cat', '/proc/1/comm'], policy)).stdout).to.equal('sleep\n');
      });
    }

    it('ends an exec whose children keep its pipes', async () => {
      const before = performance.now();
      const stdout = capture();
      const plan = encodePlan(execPlan(['sh', '-c', 'sleep 1000 & echo done'], PIPED));
      const session = one.channel.exec(plan, [-1, stdout.fd, -1]);
      stdout.close();
      expect((await session.exited).exitCode).to.equal(0);
      expect(await stdout.text).to.equal('done\n');
      expect(performance.now() - before).to.be.lessThan(1000);
    });

    it('tells 127 and 126 apart', async () => {
      expect((await exec(['nothing-here'])).failed).to.include({ exitCode: 127 });
      expect((await exec(['/etc/passwd'])).failed).to.include({ exitCode: 126 });
    });

    it('runs many at once, and signals and waits for one of them', async () => {
      const codes = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => (await exec(['sh', '-c', `exit ${i}`])).exitCode),
      );
      expect(codes).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
      const session = one.channel.exec(encodePlan(execPlan(['sleep', '1000'])), [-1, -1, -1]);
      const { target } = await started(session);
      const waited = one.channel.wait(target);
      await one.channel.signal(target, 15);
      expect(await session.exited).to.include({ exitCode: 143, signal: 15 });
      expect(await waited).to.deep.equal(await session.exited);
      const error: unknown = await one.channel.wait(target).catch((reason: unknown) => reason);
      expect(VainaError.is(error, 'ERR_NO_SUCH_EXEC')).to.equal(true);
    });

    it('refuses steps that are not for an exec', async () => {
      expect((await exec(['true'], [['run-dir', place.runDir()]])).failed).to.include({ step: 0, errno: 22 });
      const plan = encodePlan([...execPlan(['true']), ['remove-tree', '/nonexistent']]);
      expect(await one.channel.exec(plan, [-1, -1, -1]).started).to.include({ kind: 'failed', errno: 22 });
    });

    it('gives a terminal of the size, and changes it', async () => {
      const stdout = capture();
      const [read, write] = native().pipe();
      const script = 'stty size; read line; stty size; echo "got $line"';
      const plan = encodePlan(execPlan(['sh', '-c', script]));
      const session = one.channel.exec(plan, [read, stdout.fd, -1], { rows: 24, columns: 80 });
      native().close(read);
      stdout.close();
      const { target } = await started(session);
      await new Promise((done) => setTimeout(done, 100));
      await one.channel.resize(target, 50, 132);
      writeSync(write, 'word\n');
      expect((await session.exited).exitCode).to.equal(0);
      native().close(write);
      expect(await stdout.text).to.equal('24 80\r\nword\r\n50 132\r\ngot word\r\n');
    });
  });

  it('ends execs with their container', async () => {
    const one = launch(sh(PIPED, 'sleep 1000'));
    await started(one.container);
    const session = one.channel.exec(encodePlan(execPlan(['sleep', '1000'])), [-1, -1, -1]);
    await started(session);
    await one.channel.signal(0, 9);
    expect(await session.exited).to.include({ exitCode: 137, signal: 9 });
    expect(await one.container.exited).to.include({ exitCode: 137, signal: 9 });
    await finish(one);
  });

  describe('with a terminal', () => {
    it('is one, and a line-mode end of input is an end of file', async () => {
      const stdout = capture();
      const [read, write] = native().pipe();
      const one = launch(
        sh(
          [
            ['stdio', 1],
            ['tty', 30, 90],
          ],
          'tty; stty size; cat; echo end',
        ),
        [read, stdout.fd, -1],
      );
      native().close(read);
      stdout.close();
      writeSync(write, 'line\n');
      native().close(write);
      expect((await one.container.exited).exitCode).to.equal(0);
      // The terminal echoes what is typed when it comes, which may be before anything was written.
      const text = await stdout.text;
      expect(text.replace('line\r\n', '')).to.equal('/dev/pts/0\r\n30 90\r\nline\r\nend\r\n');
      await finish(one);
    });

    it('loses nothing of a lot of output', async () => {
      const result = await run(
        sh(
          [
            ['stdio', 1],
            ['tty', 0, 0],
          ],
          'seq 100000',
        ),
      );
      expect(result.stdout.split('\r\n').length).to.equal(100_001);
      expect(result.stdout.endsWith('99999\r\n100000\r\n')).to.equal(true);
    });
  });

  it('serves several attached clients, each whole', async () => {
    const policy: Step[] = [['stdio', 1], ['keep-stdin']];
    const one = launch(sh(policy, 'read start; seq 100000; read stop; echo "$stop" >&2'));
    await started(one.container);
    const clients = [capture(), capture(), capture()];
    const errors = capture();
    const [read, write] = native().pipe();
    await one.channel.attach({ stdin: read, stderr: errors.fd });
    for (const { fd } of clients) await one.channel.attach({ stdout: fd });
    native().close(read);
    errors.close();
    for (const client of clients) client.close();
    writeSync(write, 'start\n');
    native().close(write);
    await new Promise((done) => setTimeout(done, 100));
    const [again, source] = native().pipe();
    await one.channel.attach({ stdin: again });
    native().close(again);
    writeSync(source, 'stop\n');
    expect((await one.container.exited).exitCode).to.equal(0);
    native().close(source);
    const expected = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('');
    for (const client of clients) expect((await client.text) === expected).to.equal(true);
    expect(await errors.text).to.equal('stop\n');
    await finish(one);
  });

  it('refuses to attach where nothing passes through it', async () => {
    const one = launch(sh(DIRECT, 'sleep 1000'));
    await started(one.container);
    const stdout = capture();
    const error: unknown = await one.channel.attach({ stdout: stdout.fd }).catch((reason: unknown) => reason);
    stdout.close();
    expect(VainaError.is(error, 'ERR_INVALID_STATE')).to.equal(true);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('is small', async function () {
    // The build with sanitizers is not.
    if (statSync(join(REPO, 'build/Release/monitor')).size > MEGABYTE) this.skip();
    const log = join(place.runDir(), 'log');
    const one = launch(
      sh(
        [
          ['run-dir', place.runDir()],
          ['log', log, 0],
          ['stdio', 1],
        ],
        'seq 100; sleep 1000',
      ),
    );
    await started(one.container);
    await new Promise((done) => setTimeout(done, 100));
    const rollup = readFileSync(`/proc/${one.pid}/smaps_rollup`, 'utf8');
    const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1]);
    expect(kilobytes('Private_Clean') + kilobytes('Private_Dirty')).to.be.lessThan(250);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('is not dumpable, and its program cannot be written', async () => {
    const one = launch(sh(PIPED, 'sleep 1000'));
    await started(one.container);
    expect(readFileSync(`/proc/${one.pid}/comm`, 'utf8')).to.equal('vaina-monitor\n');
    expect(() => openSync(`/proc/${one.pid}/exe`, 'r+'))
      .to.throw()
      .with.property('code')
      .that.is.oneOf(['ETXTBSY', 'EPERM', 'EACCES']);
    expect(readFileSync(`/proc/${one.pid}/environ`).length).to.equal(0);
    await one.channel.stop(9, 0);
    await finish(one);
  });

  it('collects no zombies', async () => {
    const one = launch(sh(DIRECT, 'true'));
    await one.container.exited;
    await finish(one);
    await until('the monitor was collected', () => !existsSync(`/proc/${one.pid}`), 1000);
  });

  it('says nothing to strangers of its socket', async () => {
    const runDir = place.runDir();
    const one = launch(
      sh(
        [
          ['run-dir', runDir],
          ['stdio', 1],
        ],
        'sleep 1000',
      ),
    );
    await started(one.container);
    const fd = native().connect(runDir);
    // No message of the protocol: the monitor closes, and goes on.
    native().send(fd, Buffer.alloc(64, 0xff), []);
    await until('it hangs up', () => {
      try {
        return readSome(fd) === 0;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      }
    });
    native().close(fd);
    const session = one.channel.exec(encodePlan(execPlan(['true'])), [-1, -1, -1]);
    expect((await session.exited).exitCode).to.equal(0);
    await one.channel.stop(9, 0);
    await finish(one);
  });
});

function readSome(fd: number, into = Buffer.alloc(16)): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1;
    throw error;
  }
}
