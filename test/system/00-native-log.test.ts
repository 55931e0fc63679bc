import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import type { Step } from '../../lib/spec/steps.js';
import { containerPlan, finish, finishAll, launch, run, started, usePlace } from '../support/native-plans.js';

describe('a monitor', function () {
  const place = usePlace();
  const sh = (policy: Step[], script: string) => containerPlan(place, policy, ['sh', '-c', script]);
  afterEach(finishAll);

  it('goes on without its reader', async () => {
    const [read = -1, write = -1] = native().pipes(1);
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
});
