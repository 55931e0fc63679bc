import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import type { Descriptor, Index, Manifest } from '../../lib/oci/types.js';
import { makeImage } from '../support/images.js';
import {
  Interrupted,
  momentsOfRun,
  numbersOf,
  seedOfRun,
  WORKS,
  type Moment,
} from '../support/interrupted.js';
import { checkLeftovers } from '../support/leftovers.js';
import { PowerDisk } from '../support/power-disk.js';
import { makeDirectory, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { idOf } from '../support/store-box.js';

const MOMENTS = momentsOfRun(4, 20);
const SURVIVORS = ['flushed', 'some', 'all'] as const;
const DISK_SIZE = 128 << 20;

/** Reads the store as any program that knows OCI's layouts: every blob that `index.json` leads to has its digest. */
function expectLayout(images: string, label: string): void {
  const read = ({ digest, size }: Descriptor): Buffer => {
    const bytes = readFileSync(join(images, 'blobs', digest.replace(':', '/')));
    expect(bytes.length, label).to.equal(size);
    expect(createHash('sha256').update(bytes).digest('hex'), label).to.equal(digest.slice('sha256:'.length));
    return bytes;
  };
  const index = JSON.parse(readFileSync(join(images, 'index.json'), 'utf8')) as Index;
  for (const descriptor of index.manifests) {
    const manifest = JSON.parse(read(descriptor).toString()) as Manifest;
    for (const blob of [manifest.config, ...manifest.layers]) read(blob);
  }
}

describe('a store whose machine loses its power', function () {
  this.timeout(600_000);
  requires('root', 'mount', 'fuse', 'mkfs.ext4');
  checkLeftovers();

  describe('opened again', () => {
    let directory: string;
    let disk: PowerDisk;
    let works: Interrupted;
    let kept: { name: string; id: string };

    before(async () => {
      directory = makeDirectory();
      disk = await PowerDisk.make(directory, DISK_SIZE);
      works = await Interrupted.make(directory, join(disk.mount, 'root'));
      const image = await makeImage();
      works.registry.add([image], 'kept');
      kept = { name: `${works.registry.host}/test/image:kept`, id: idOf(image) };
    });
    after(async () => {
      await works?.registry.stop();
      await disk?.remove();
      if (directory) removeDirectory(directory);
    });

    /** Another image is in the store, which no work but `prune` may touch. */
    const prepare = async (work: Moment['work']): Promise<void> => {
      await using engine = await Engine.open(works.places);
      await engine.images.pull(kept.name, { tlsVerify: false });
      const has = (await engine.images.list()).some(({ id }) => id === idOf(works.image));
      if (work === 'rmi' || work === 'prune') await engine.images.pull(works.name, { tlsVerify: false });
      else if (has) await (await engine.images.get(idOf(works.image))).remove();
    };

    /** Early or late, just after something was told, or just after the end. */
    const momentOf = (index: number, random: () => number): Moment => {
      const moment = works.moment(index, MOMENTS, random);
      const { work } = moment;
      const round = Math.floor(index / WORKS.length);
      return (round + index) % 3 === 2
        ? { work, line: works.linesOf(work) - 1, delay: random() * 3 }
        : moment;
    };

    it(`has every image that it lists, in ${MOMENTS} moments`, async () => {
      const random = numbersOf(seedOfRun());
      if (MOMENTS > WORKS.length) await works.measure(prepare);
      const sums = { ended: 0, unflushed: 0, lost: 0 };
      for (let index = 0; index < MOMENTS; index++) {
        const moment = momentOf(index, random);
        const { work, delay, line } = moment;
        const survivors = SURVIVORS[Math.floor(random() * SURVIVORS.length)] ?? 'flushed';
        const label = `moment ${index}: ${work}, ${delay.toFixed(1)} ms after line ${line}, ${survivors}`;
        await prepare(work);
        let isCut = false;
        const { told } = await works.run(work, moment, async () => {
          const { unflushed, lost } = await disk.cut(survivors, index);
          isCut = true;
          sums.unflushed += unflushed;
          sums.lost += lost;
        });
        expect(isCut, label).to.equal(true);
        const ended = told.endsWith('end\n');
        if (ended) sums.ended++;
        await disk.restore();

        const id = idOf(works.image);
        {
          await using engine = await Engine.open(works.places);
          const listed = new Set((await engine.images.list()).map((image) => image.id));
          for (const found of listed) expect(found, label).to.be.oneOf([kept.id, id]);
          if (work !== 'prune') expect(listed.has(kept.id), `${label}: the other image`).to.equal(true);
          // What was told to be done is done.
          if (ended)
            expect(listed.has(id), `${label}: the image`).to.equal(work === 'pull' || work === 'load');
          if (ended && work === 'prune') expect([...listed], label).to.deep.equal([]);
          expectLayout(join(works.places.root, 'images'), label);
          expect(await works.problems(engine), label).to.deep.equal([]);
        }
      }
      process.stdout.write(
        `      ${sums.ended} after the end; ${sums.unflushed} blocks not flushed, ${sums.lost} of them lost\n`,
      );
      // Without blocks in the cache of the disk nothing was put to the test; of a few moments none may find any.
      if (MOMENTS > WORKS.length) expect(sums.unflushed).to.be.greaterThan(0);
    });
  });
});
