import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { Interrupted, momentsOfRun, numbersOf, seedOfRun, type Moment } from '../support/interrupted.js';
import { checkLeftovers } from '../support/leftovers.js';
import { makeDirectory, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { idOf } from '../support/store-box.js';

const MOMENTS = momentsOfRun(6, 100);

describe('a store whose user is killed', function () {
  this.timeout(600_000);
  requires('root');
  checkLeftovers();
  let directory: string;
  let works: Interrupted;

  before(async () => {
    directory = makeDirectory();
    works = await Interrupted.make(directory, join(directory, 'root'));
  });
  after(async () => {
    await works?.registry.stop();
    if (directory) removeDirectory(directory);
  });

  const prepare = async (work: Moment['work']): Promise<void> => {
    await using engine = await Engine.open(works.places);
    if (work === 'rmi' || work === 'prune')
      return void (await engine.images.pull(works.name, { tlsVerify: false }));
    for (const { id } of await engine.images.list()) await (await engine.images.get(id)).remove();
  };

  it(`is whole when it is opened again, in ${MOMENTS} moments`, async () => {
    const random = numbersOf(seedOfRun());
    const { root } = works.places;
    await works.measure(prepare);
    let killed = 0;
    for (let index = 0; index < MOMENTS; index++) {
      const moment = works.moment(index, MOMENTS, random);
      const { work, delay, line } = moment;
      await prepare(work);
      const label = `moment ${index}: ${work}, ${delay.toFixed(1)} ms after line ${line}`;
      if ((await works.run(work, moment)).signal === 'SIGKILL') killed++;
      {
        await using engine = await Engine.open(works.places);
        const own = readdirSync(join(root, 'tmp')).filter((entry) => entry.endsWith('.lock'));
        expect(own, label).to.have.length.at.most(1);
        for (const { id } of await engine.images.list()) expect(id, label).to.equal(idOf(works.image));
        expect(await works.problems(engine), label).to.deep.equal([]);
      }
    }
    // Some come too late; most do not.
    expect(killed).to.be.at.least(MOMENTS / 3);
    await using engine = await Engine.open(works.places);
    await engine.images.prune({ all: true });
    expect(readdirSync(join(root, 'layers'))).to.deep.equal([]);
    expect(readdirSync(join(root, 'images/blobs/sha256'))).to.deep.equal([]);
  });
});
