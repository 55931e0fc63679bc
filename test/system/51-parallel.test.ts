import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { SLOW, startNode, useEngine } from '../support/containers.js';
import { expectNothingLeft } from '../support/leftovers.js';
import { requires } from '../support/requires.js';

const AT_ONCE = 200;
const PROCESSES = 4;
const EACH = 50;

describe('many at once', function () {
  this.timeout(120_000 * SLOW);
  requires('root');
  const box = useEngine();

  it(`${AT_ONCE} containers of one process: no error, the right output each, nothing left`, async () => {
    await box.engine.run(box.image, ['true']);
    const descriptors = readdirSync('/proc/self/fd').length;
    const results = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) =>
        box.engine.run(box.image, ['sh', '-c', `echo ${i}; echo e${i} >&2; exit ${i % 100}`]),
      ),
    );
    results.forEach((result, i) =>
      expect(result).to.include({ exitCode: i % 100, stdout: `${i}\n`, stderr: `e${i}\n` }),
    );
    expect(await box.engine.containers.list({ all: true })).to.deep.equal([]);
    await expectNothingLeft(box.census, box);
    expect(readdirSync('/proc/self/fd').length, 'open descriptors').to.be.at.most(descriptors);
  });

  it(`${AT_ONCE} that run at the same time can be listed, stopped and removed at once`, async () => {
    const containers = await Promise.all(
      Array.from({ length: AT_ONCE }, () =>
        box.engine.containers.run(box.image, { command: ['sleep', '1000'], logDriver: 'none' }),
      ),
    );
    expect(await box.engine.containers.list()).to.have.length(AT_ONCE);
    await Promise.all(containers.map((container) => container.stop({ timeout: 0 })));
    await Promise.all(containers.map((container) => container.remove()));
    await expectNothingLeft(box.census, box);
  });

  it(`${PROCESSES} processes with ${EACH} each on one store: no error, nothing left`, async () => {
    const outputs = await Promise.all(
      Array.from({ length: PROCESSES }, async (_, i) => {
        const task = {
          root: box.root,
          runroot: box.runroot,
          image: box.image,
          count: EACH,
          name: `process${i}`,
        };
        const child = startNode('test/support/children/burst', [JSON.stringify(task)]);
        return text(child.stdout as Readable);
      }),
    );
    outputs.forEach((output, i) => {
      const results = JSON.parse(output) as string[];
      expect(results).to.deep.equal(Array.from({ length: EACH }, (_, k) => `${k} process${i} ${k}\n`));
    });
    expect(await box.engine.containers.list({ all: true })).to.deep.equal([]);
    await expectNothingLeft(box.census, box);
  });
});
