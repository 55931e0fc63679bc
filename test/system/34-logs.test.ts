import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Container } from '../../lib/index.js';
import { expectError, until, useEngine, vaina } from '../support/containers.js';
import { requires } from '../support/requires.js';

interface Line {
  time: Date;
  stream: 'stdout' | 'stderr';
  text: string;
  partial: boolean;
}

async function collect(lines: AsyncIterable<Line>): Promise<Line[]> {
  const all: Line[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

describe('logs', () => {
  requires('root');
  const box = useEngine();

  async function finished(script: string, options: object = {}): Promise<Container> {
    const container = await box.engine.containers.create(box.image, {
      command: ['sh', '-c', script],
      ...options,
    });
    await container.start();
    await container.wait();
    return container;
  }

  it('keeps every line with its stream and time, also when nobody read the output', async () => {
    const before = Date.now();
    const container = await finished('echo one; echo two >&2; echo; echo three');
    const lines = await collect(container.logs());
    expect(lines.filter((line) => line.stream === 'stdout').map((line) => line.text)).to.deep.equal([
      'one',
      '',
      'three',
    ]);
    expect(lines.filter((line) => line.stream === 'stderr').map((line) => line.text)).to.deep.equal(['two']);
    for (const line of lines) {
      expect(line.partial).to.equal(false);
      expect(line.time.getTime()).to.be.within(before - 1000, Date.now() + 1000);
    }
    await container.remove();
  });

  it('marks a last line without newline', async () => {
    const container = await finished('echo whole; printf half');
    const lines = await collect(container.logs());
    expect(lines.map(({ text, partial }) => [text, partial])).to.deep.equal([
      ['whole', false],
      ['half', true],
    ]);
    await container.remove();
  });

  it('writes the CRI format', async () => {
    const container = await finished('echo one; echo two >&2; printf half');
    const { HostConfig } = await container.inspect();
    const text = readFileSync(HostConfig.LogConfig.Path, 'utf8');
    const lines = text
      .trimEnd()
      .split('\n')
      .sort((a, b) => (a.split(' ')[3] ?? '').localeCompare(b.split(' ')[3] ?? ''));
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) /;
    for (const line of lines) expect(line).to.match(time);
    expect(lines.map((line) => line.replace(time, ''))).to.deep.equal([
      'stdout P half',
      'stdout F one',
      'stderr F two',
    ]);
    await container.remove();
  });

  it('cuts a very long line into parts that make the whole', async () => {
    const container = await finished("head -c 100000 /dev/zero | tr '\\0' y; echo");
    const lines = await collect(container.logs());
    expect(lines.map((line) => line.text).join('')).to.equal('y'.repeat(100_000));
    expect(lines.at(-1)?.partial).to.equal(false);
    await container.remove();
  });

  it('gives the last lines, and those since and until a time', async () => {
    const container = await finished('for i in 1 2 3 4 5; do echo $i; sleep 0.05; done');
    const all = await collect(container.logs());
    const texts = async (options: object): Promise<string[]> =>
      (await collect(container.logs(options))).map((line) => line.text);
    expect(await texts({ tail: 2 })).to.deep.equal(['4', '5']);
    expect(await texts({ tail: 0 })).to.deep.equal([]);
    expect(await texts({ tail: 99 })).to.deep.equal(['1', '2', '3', '4', '5']);
    const third = all[2]?.time as Date;
    expect(await texts({ since: new Date(third.getTime() - 10) })).to.deep.equal(['3', '4', '5']);
    expect(await texts({ until: new Date(third.getTime() - 10) })).to.deep.equal(['1', '2']);
    expect(await texts({ stdout: false })).to.deep.equal([]);
    await container.remove();
  });

  it('follows a running container to its end, each line once', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', 'for i in $(seq 200); do echo line $i; [ $((i % 50)) = 0 ] && sleep 0.1; done'],
    });
    const lines = await collect(container.logs({ follow: true }));
    expect(lines.map((line) => line.text)).to.deep.equal(
      Array.from({ length: 200 }, (_, i) => `line ${i + 1}`),
    );
    await container.remove();
  });

  it('stops following when the reader stops', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sh', '-c', 'while :; do echo tick; sleep 0.02; done'],
    });
    let count = 0;
    for await (const line of container.logs({ follow: true })) {
      expect(line.text).to.equal('tick');
      if (++count === 5) break;
    }
    expect(count).to.equal(5);
    await container.remove({ force: true, timeout: 0 });
  });

  it('has the output of a container that is attached to as well', async () => {
    const container = await box.engine.containers.create(box.image, { command: ['echo', 'both'] });
    const process = await container.start({ stdio: ['ignore', 'pipe', 'pipe'] });
    let seen = '';
    process.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await process.wait();
    await until('the stream has it', () => seen === 'both\n');
    expect((await collect(container.logs())).map((line) => line.text)).to.deep.equal(['both']);
    await container.remove();
  });

  it('keeps none with logDriver none', async () => {
    const container = await finished('echo unseen', { logDriver: 'none' });
    await expectError('ERR_INVALID_STATE', () => container.logs());
    await container.remove();
  });

  it('stays below logMaxSize, and keeps the newest lines', async () => {
    const container = await finished('for i in $(seq 5000); do echo "this is line $i"; done', {
      logMaxSize: 65_536,
    });
    const { HostConfig } = await container.inspect();
    const path = HostConfig.LogConfig.Path;
    expect(readFileSync(path).length).to.be.at.most(65_536);
    expect(readFileSync(`${path}.1`).length).to.be.at.most(65_536);
    const lines = await collect(container.logs({ tail: 1 }));
    expect(lines.map((line) => line.text)).to.deep.equal(['this is line 5000']);
    await container.remove();
  });

  it('prints them from the command line, with times and the last lines', async () => {
    const container = await finished('echo one; echo two >&2');
    const plain = await vaina(box, ['logs', container.id]);
    expect(plain).to.include({ exitCode: 0, stdout: 'one\n', stderr: 'two\n' });
    const timed = await vaina(box, ['logs', '-t', '--tail', '1', container.id]);
    expect(timed.stdout + timed.stderr).to.match(/^\d{4}-\d\d-\d\dT\S+ two\n$/);
    await container.remove();
  });
});
