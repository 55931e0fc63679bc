import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { digestOf } from '../../lib/oci/digest.js';
import type { Plan, Step } from '../../lib/spec/steps.js';
import { VainaError } from '../../lib/errors.js';
import {
  capture,
  containerPlan,
  DIRECT,
  finish,
  finishAll,
  inDirectory,
  launch,
  launchBeside,
  PIPED,
  run,
  started,
  usePlace,
} from '../support/native-plans.js';
import { until } from '../support/programs.js';

const MEGABYTE = 1024 * 1024;

/** Runs a plan whose output one client takes, while another one that attached takes nothing. */
async function outlastStuckClient(
  plan: Plan,
): Promise<{ took: number; text: string; left: number; exitCode: number }> {
  const stdout = capture();
  const [stuck = -1, stuckEnd = -1] = native().pipes(1);
  const one = launchBeside(plan, [-1, stdout.fd, -1]);
  stdout.close();
  await started(one.container);
  await one.channel.attach({ stdout: stuckEnd });
  native().close(stuckEnd);
  const before = performance.now();
  const text = await stdout.text;
  const took = performance.now() - before;
  const left = readFileSync(stuck).length;
  native().close(stuck);
  const { exitCode } = await one.container.exited;
  await finish(one);
  return { took, text, left, exitCode };
}

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  /** Of the 100 MB that `/tmp/large` has. */
  let large: string;
  /** Takes ten seconds, in which the other tests run. */
  let stuck: ReturnType<typeof outlastStuckClient>;
  before(() => {
    const bytes = randomBytes(100 * MEGABYTE);
    large = digestOf(bytes);
    writeFileSync(join(place.root, 'tmp/large'), bytes);
    stuck = outlastStuckClient(sh([['stdio', 1]], 'sleep 0.3; seq 200000; echo end'));
    stuck.catch(() => undefined);
  });
  after(() => stuck?.catch(() => undefined));
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
        const one = launch(sh(policy, 'cat /tmp/large'), [-1, stdout.fd, -1]);
        stdout.close();
        await started(one.container);
        expect((await one.container.exited).exitCode).to.equal(0);
        await finish(one);
        const got = await stdout.bytes;
        expect(got.length).to.equal(100 * MEGABYTE);
        expect(digestOf(got)).to.equal(large);
      });

      it('gives the standard input to its end', async () => {
        const stdout = capture();
        const [read = -1, write = -1] = native().pipes(1);
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
    const [read = -1, write = -1] = native().pipes(1);
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
    const [read = -1, write = -1] = native().pipes(1);
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

  it('serves several attached clients, each whole', async () => {
    const policy: Step[] = [['stdio', 1], ['keep-stdin']];
    const one = launch(sh(policy, 'read start; seq 100000; read stop; echo "$stop" >&2'));
    await started(one.container);
    const clients = [capture(), capture(), capture()];
    const errors = capture();
    const [read = -1, write = -1] = native().pipes(1);
    await one.channel.attach({ stdin: read, stderr: errors.fd });
    for (const { fd } of clients) await one.channel.attach({ stdout: fd });
    native().close(read);
    errors.close();
    for (const client of clients) client.close();
    writeSync(write, 'start\n');
    native().close(write);
    await new Promise((done) => setTimeout(done, 100));
    const [again = -1, source = -1] = native().pipes(1);
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

  describe('with a terminal', () => {
    it('is one, and a line-mode end of input is an end of file', async () => {
      const stdout = capture();
      const [read = -1, write = -1] = native().pipes(1);
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

  // After all the others, those of the suites above as well.
  describe('with a client that takes nothing', () => {
    it('cuts it off, and waits for the first one', async function () {
      this.timeout(30_000);
      const { took, text, left, exitCode } = await stuck;
      expect(took).to.be.within(9_000, 15_000);
      expect(text.endsWith('\n200000\nend\n')).to.equal(true);
      expect(left).to.be.within(1, MEGABYTE);
      expect(exitCode).to.equal(0);
    });
  });
});
