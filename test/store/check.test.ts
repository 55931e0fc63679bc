import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Problem } from '../../lib/store/check/problem.js';
import { Database } from '../../lib/store/database.js';
import { makeImage, makeIndex, type TestImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { Box, idOf, layer } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

/** The files of a store that a test damages, and its database. */
interface Target {
  box: Box;
  one: TestImage;
  docker: TestImage;
  blob: (digest: string) => string;
  tree: (index: number) => string;
  sql: (text: string) => void;
}

type Fault = readonly [what: string, kinds: readonly Problem['kind'][], damage: (target: Target) => void];

const flip = (path: string): void => {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};

const BLOBS: readonly [string, (target: Target) => string][] = [
  ['a layer', ({ one, blob }) => blob(one.layers[0]?.descriptor.digest ?? '')],
  ['another layer', ({ one, blob }) => blob(one.layers[1]?.descriptor.digest ?? '')],
  ['a configuration', ({ one, blob }) => blob(one.config.descriptor.digest)],
  ['a manifest', ({ one, blob }) => blob(one.manifest.descriptor.digest)],
  ['a manifest of docker', ({ docker, blob }) => blob(docker.manifest.descriptor.digest)],
];

const FAULTS: readonly Fault[] = [
  ...BLOBS.flatMap(([what, path]): Fault[] => [
    [`${what} is gone`, ['blob-missing'], (target) => rmSync(path(target))],
    [`${what} is cut`, ['blob-size'], (target) => truncateSync(path(target), 3)],
    [`${what} is longer`, ['blob-size'], (target) => appendFileSync(path(target), 'x')],
    [`${what} has another bit`, ['blob-digest'], (target) => flip(path(target))],
    [`${what} is a directory`, ['blob-missing'], (target) => (rmSync(path(target)), mkdirSync(path(target)))],
  ]),
  ['a tree is gone', ['layer-missing'], ({ tree }) => rmSync(tree(0), { recursive: true })],
  ['a layer is gone', ['layer-missing'], ({ tree }) => rmSync(join(tree(1), '..'), { recursive: true })],
  ['a file is gone', ['layer-changed'], ({ tree }) => rmSync(join(tree(0), 'a'))],
  ['a file is too much', ['layer-changed'], ({ tree }) => writeFileSync(join(tree(0), 'new'), '')],
  ['a file is longer', ['layer-changed'], ({ tree }) => appendFileSync(join(tree(0), 'a'), 'x')],
  ['a file was written', ['layer-changed'], ({ tree }) => flip(join(tree(0), 'a'))],
  [
    'a mode is another',
    ['layer-changed'],
    ({ tree }) => void execFileSync('chmod', ['u+s', join(tree(0), 'a')]),
  ],
  [
    'an owner is another',
    ['layer-changed'],
    ({ tree }) => void execFileSync('chown', ['7:7', join(tree(0), 'd')]),
  ],
  ['a time is another', ['layer-changed'], ({ tree }) => utimesSync(join(tree(0), 'a'), 1, 1)],
  [
    'a link leads elsewhere',
    ['layer-changed'],
    ({ tree }) => void execFileSync('ln', ['-sfn', 'xyz', join(tree(0), 'l')]),
  ],
  [
    'a hard link is cut',
    ['layer-changed'],
    ({ tree }) => void execFileSync('sh', ['-c', 'cp -p h t && mv t h'], { cwd: tree(0) }),
  ],
  [
    'a file is a directory',
    ['layer-changed'],
    ({ tree }) => (rmSync(join(tree(0), 'a')), mkdirSync(join(tree(0), 'a'))),
  ],
  [
    'a file has other content of the same size and time',
    ['layer-differs'],
    ({ tree }) => {
      const path = join(tree(0), 'a');
      const { atime, mtime } = statSync(path);
      flip(path);
      utimesSync(path, atime, mtime);
    },
  ],
  ['index.json is gone', ['layout-damaged'], ({ box }) => rmSync(join(box.root, 'images/index.json'))],
  [
    'index.json is empty',
    ['layout-damaged'],
    ({ box }) => writeFileSync(join(box.root, 'images/index.json'), ''),
  ],
  ['oci-layout is gone', ['layout-damaged'], ({ box }) => rmSync(join(box.root, 'images/oci-layout'))],
  [
    'oci-layout is of another version',
    ['layout-damaged'],
    ({ box }) => writeFileSync(join(box.root, 'images/oci-layout'), '{}'),
  ],
  [
    'a blob that nothing needs',
    ['stray-blob'],
    ({ blob }) => writeFileSync(blob(`sha256:${'0'.repeat(64)}`), 'x'),
  ],
  [
    'a file that is no blob',
    ['stray-blob'],
    ({ box }) => writeFileSync(join(box.root, 'images/blobs/sha256/x'), 'x'),
  ],
  ['an algorithm that is none', ['stray-file'], ({ box }) => mkdirSync(join(box.root, 'images/blobs/md5'))],
  ['a file beside the layout', ['stray-file'], ({ box }) => writeFileSync(join(box.root, 'images/x'), 'x')],
  [
    'a layer that nothing needs',
    ['stray-layer'],
    ({ box }) => mkdirSync(join(box.root, 'layers', 'f'.repeat(64))),
  ],
  ['a file in a layer', ['stray-file'], ({ tree }) => writeFileSync(join(tree(0), '../x'), 'x')],
  [
    'a configuration of the catalogue',
    ['config-damaged'],
    ({ sql }) => sql(`UPDATE images SET config = '{}'`),
  ],
  [
    'a manifest of the catalogue',
    ['manifest-damaged'],
    ({ sql }) => sql(`UPDATE manifests SET content = '{}'`),
  ],
  ['a manifest of another size', ['manifest-damaged'], ({ sql }) => sql('UPDATE manifests SET size = 1')],
  [
    'a manifest of another layout',
    ['manifest-damaged'],
    ({ sql }) => sql(`UPDATE manifests SET layout_size = 1`),
  ],
  [
    'an image of another manifest',
    ['image-inconsistent'],
    ({ sql }) => sql(`UPDATE images SET digest = 'sha256:0'`),
  ],
  [
    'an image without manifests',
    ['image-inconsistent', 'name-damaged'],
    ({ sql }) => sql('DELETE FROM manifests'),
  ],
  [
    'an image without a layer',
    ['image-layers'],
    ({ sql }) => sql('DELETE FROM image_layers WHERE position = 1'),
  ],
  [
    'layers in another order',
    ['image-layers'],
    ({ sql }) => sql('UPDATE image_layers SET position = 7 WHERE position = 0'),
  ],
  [
    'a layer of another diffID',
    ['layer-inconsistent'],
    ({ sql }) => sql(`UPDATE layers SET diff_id = 'sha256:0' WHERE parent IS NULL`),
  ],
  [
    'a layer without the one below',
    ['layer-inconsistent'],
    ({ sql }) => sql('UPDATE layers SET parent = NULL'),
  ],
  [
    'a layer that has no row',
    ['catalogue-damaged'],
    ({ sql }) => sql('DELETE FROM layers WHERE parent IS NULL'),
  ],
  [
    'a blob that has no row',
    ['catalogue-damaged'],
    ({ sql }) => sql(`DELETE FROM blobs WHERE media_type LIKE '%config%'`),
  ],
  ['a blob that is not kept', ['manifest-damaged'], ({ sql }) => sql('DELETE FROM image_blobs')],
  [
    'a blob of another size in the catalogue',
    ['blob-size'],
    ({ sql }) => sql('UPDATE blobs SET size = size + 1'),
  ],
  [
    'a name of another manifest',
    ['name-damaged'],
    ({ sql }) => sql(`UPDATE image_names SET digest = 'sha256:0'`),
  ],
  [
    'a name that is none',
    ['name-damaged'],
    ({ sql }) => sql(`UPDATE image_names SET name = 'UPPER CASE' WHERE name LIKE '%one:1'`),
  ],
];

/** By day one fault of each kind; all of them with VAINA_LONG=1. */
function chosenFaults(): readonly Fault[] {
  if (process.env['VAINA_LONG'] === '1') return FAULTS;
  const seen = new Set<string>();
  return FAULTS.filter(([, kinds]) => !seen.has(kinds.join()) && seen.add(kinds.join()));
}

describe('store', function () {
  this.timeout(120_000);
  requires('root');
  let box: Box;
  let one: TestImage;
  let docker: TestImage;
  let master: string;
  let memory: string;
  const target = (): Target => ({
    ...{ box, one, docker },
    blob: (digest) => join(box.root, 'images/blobs', digest.replace(':', '/')),
    tree: (index) => box.store.layers.lowerDirectories(idOf(one)).toReversed()[index] ?? '',
    sql: (text) => {
      const database = Database.open(join(box.root, 'vaina.db'));
      database.exec('PRAGMA foreign_keys = OFF');
      database.exec(text);
      database.close();
    },
  });

  before(async () => {
    // Nothing here is about durability, and each fault has a store of its own.
    memory = mkdtempSync('/dev/shm/vaina-test-');
    box = new Box(join(memory, 'root'));
    await box.open();
    const first = tar(
      { name: 'a', content: 'a'.repeat(1000) },
      { name: 'd/', type: '5' },
      { name: 'd/x', content: 'x' },
      { name: 'l', type: '2', link: 'abc' },
      { name: 'g', content: 'linked' },
      { name: 'h', type: '1', link: 'g' },
    );
    one = await makeImage({ layers: [first, await layer('b')] });
    docker = await makeImage({ layers: [await layer('c')], docker: true });
    await box.take(new MemorySource([one], makeIndex([one])), ['docker.io/library/one:1', 'localhost/one:2']);
    await box.take(MemorySource.of(docker), ['localhost/two:latest']);
    await box.store.close();
    master = join(memory, 'master');
    execFileSync('cp', ['-a', box.root, master]);
  });
  beforeEach(async () => {
    rmSync(box.root, { recursive: true, force: true });
    execFileSync('cp', ['-a', master, box.root]);
    await box.open();
  });
  afterEach(() => box.store.close());
  after(async () => {
    await box.close();
    removeDirectory(memory);
  });

  it('has nothing to report of a store that was only used', async () => {
    expect(await box.store.check({ trees: true })).to.deep.equal([]);
    await box.store.images.tag(idOf(docker), 'localhost/three:latest');
    await box.store.deleteImage(idOf(docker));
    await box.take(MemorySource.of(docker), ['localhost/two:latest']);
    expect(await box.store.check({ trees: true })).to.deep.equal([]);
    expect(readdirSync(join(box.root, 'tmp'))).to.have.length.at.most(2);
  });

  const blobs = (image: TestImage): Map<string, Buffer> =>
    new Map<string, Buffer>([
      [image.config.descriptor.digest, image.config.bytes],
      [image.manifest.descriptor.digest, image.manifest.bytes],
      ...image.layers.map(({ descriptor, bytes }) => [descriptor.digest, bytes] as const),
    ]);

  it(`finds each of ${chosenFaults().length} faults, and mends it`, async () => {
    const missed: string[] = [];
    for (const [what, kinds, damage] of chosenFaults()) {
      await box.store.close();
      rmSync(box.root, { recursive: true, force: true });
      execFileSync('cp', ['-a', master, box.root]);
      await box.open();
      damage(target());
      await box.store.close();
      await box.open();
      const problems = await box.store.check({ trees: kinds.includes('layer-differs') });
      const found = new Set(problems.map(({ kind }) => kind));
      if (!kinds.every((kind) => found.has(kind)))
        missed.push(`${what}: ${JSON.stringify([...found])}, not ${kinds.join()}`);
      const all = new Map([...blobs(one), ...blobs(docker)]);
      const repairs = await box.store.repair(problems, {
        fetch: async ({ digest }, _names, keep) => {
          const bytes = all.get(digest);
          if (bytes) await keep(Readable.from([bytes]));
          return bytes !== undefined;
        },
      });
      const left = await box.store.check({ trees: true });
      if (left.length > 0)
        missed.push(
          `${what}: left ${left.map((problem) => problem.what).join('; ')} after ${JSON.stringify(repairs.map(({ how }) => how))}`,
        );
      const id = idOf(one);
      if (
        readFileSync(join(box.store.layers.lowerDirectories(id).at(-1) ?? '', 'a'), 'utf8') !==
        'a'.repeat(1000)
      )
        missed.push(`${what}: the tree is not what it was`);
    }
    expect(missed.join('\n')).to.equal('');
    expect(FAULTS.length).to.be.at.least(50);
  });

  it('says which images a fault affects, and leaves what it cannot mend', async () => {
    const digest = one.layers[0]?.descriptor.digest ?? '';
    rmSync(target().blob(digest));
    const problems = await box.store.check();
    expect(problems.map(({ kind, images }) => [kind, images])).to.deep.equal([
      ['blob-missing', ['docker.io/library/one:1', 'localhost/one:2']],
    ]);
    const [repair] = await box.store.repair(problems);
    expect(repair).to.deep.include({ mended: false });
    expect((await box.store.check()).map(({ kind }) => kind)).to.deep.equal(['blob-missing']);
  });

  it('reports stray blobs only from an age on', async () => {
    writeFileSync(target().blob(`sha256:${'0'.repeat(64)}`), 'x');
    expect(await box.store.check({ maxAge: 3_600_000 })).to.deep.equal([]);
    expect(await box.store.check({ quick: true })).to.have.length(1);
  });
});
