import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { digestOf, hexOf } from '../../../lib/oci/digest.js';
import { chainIds } from '../../../lib/store/chain.js';
import { writeCommit } from '../../../lib/store/commit.js';
import { Database } from '../../../lib/store/database.js';
import { Images } from '../../../lib/store/images.js';
import { migrate } from '../../../lib/store/schema.js';
import { makeImage, makeIndex, type TestImage } from '../../support/images.js';

describe('store/images', () => {
  let directory: string;
  let database: Database;
  let images: Images;
  let changes: number;
  let image: TestImage;
  before(async () => {
    image = await makeImage({ config: { Labels: { a: 'b' } } });
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
    database = Database.open(join(directory, 'vaina.db'));
    migrate(database, directory);
    changes = 0;
    images = new Images(database, async () => void changes++);
  });
  afterEach(() => {
    database.close();
    rmSync(directory, { recursive: true });
  });

  const idOf = (one: TestImage): string => hexOf(one.config.descriptor.digest);
  const add = (one: TestImage, names: readonly string[], index?: { bytes: Buffer }): string => {
    const { config, manifest, layers } = one;
    const diffIds = layers.map(({ diffId }) => diffId);
    const raw = (
      bytes: Buffer,
      mediaType: string,
    ): { bytes: Buffer; mediaType: string; digest: ReturnType<typeof digestOf> } => ({
      bytes,
      mediaType,
      digest: digestOf(bytes),
    });
    writeCommit(database, {
      id: idOf(one),
      raw: raw(manifest.bytes, manifest.descriptor.mediaType),
      config,
      ...(index ? { origin: digestOf(index.bytes) } : {}),
      blobs: [config.descriptor, manifest.descriptor, ...layers.map(({ descriptor }) => descriptor)],
      layers: chainIds(diffIds).map((chainId, i) => ({ chainId, diffId: diffIds[i] as never, size: 100 })),
      names,
      layout: raw(manifest.bytes, manifest.descriptor.mediaType),
      userFiles: { passwd: 'root:x:0:0::/:/bin/sh\n' },
    });
    return idOf(one);
  };
  const code = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (VainaError.is(error)) return error.code;
      throw error;
    }
    return 'none';
  };

  it('gives back what was committed', () => {
    const id = add(image, ['docker.io/library/a:1', 'localhost/b:latest']);
    const row = images.get(id);
    expect(row?.digest).to.equal(image.manifest.descriptor.digest);
    expect(row?.names).to.deep.equal(['docker.io/library/a:1', 'localhost/b:latest']);
    expect(row?.config).to.deep.equal(image.config.parsed);
    expect(row?.manifest.layers).to.have.length(1);
    expect(row?.size).to.equal(100 + image.config.bytes.length);
    expect(row?.repoDigests).to.deep.equal([
      `docker.io/library/a@${row?.digest}`,
      `localhost/b@${row?.digest}`,
    ]);
    expect(images.userFiles(id)).to.deep.equal({ passwd: 'root:x:0:0::/:/bin/sh\n' });
    expect(images.layersOf(id)).to.deep.equal(chainIds(image.layers.map(({ diffId }) => diffId)));
    expect(images.list()).to.have.length(1);
    expect(images.list()[0]?.names).to.deep.equal(row?.names);
  });

  it('finds by short and full names, local ones first', async () => {
    const other = await makeImage({ config: { Labels: { other: 'yes' } } });
    add(image, ['docker.io/library/a:latest', 'docker.io/library/busybox:1.36', 'quay.io/x/y:latest']);
    const id = add(other, ['localhost/a:latest']);
    expect(images.find('a')).to.deep.include({ name: 'localhost/a:latest' });
    expect(images.find('a').image.id).to.equal(id);
    expect(images.find('docker.io/a').name).to.equal('docker.io/library/a:latest');
    expect(images.find('library/a').name).to.equal('docker.io/library/a:latest');
    expect(images.find('busybox:1.36').name).to.equal('docker.io/library/busybox:1.36');
    expect(images.find('quay.io/x/y').name).to.equal('quay.io/x/y:latest');
    for (const name of ['busybox', 'y', 'x/y', 'a:2', 'quay.io/a', 'UPPER', '%', '', 'a b', 'a@sha256:00']) {
      expect(
        code(() => images.find(name)),
        name,
      ).to.equal('ERR_NO_SUCH_IMAGE');
    }
  });

  it('finds by digest, of the manifest or the index, in the right repository only', () => {
    const index = makeIndex([image]);
    const id = add(image, ['docker.io/library/a:1'], index);
    const { digest } = image.manifest.descriptor;
    expect(images.find(`a@${digest}`).image.id).to.equal(id);
    expect(images.find(`a:other@${digest}`).image.id).to.equal(id);
    expect(images.find(`a@${index.descriptor.digest}`).image.id).to.equal(id);
    expect(code(() => images.find(`b@${digest}`))).to.equal('ERR_NO_SUCH_IMAGE');
    expect(images.get(id)?.indexDigest).to.equal(index.descriptor.digest);
  });

  it('finds by id, whole, marked, or its start', async () => {
    const id = add(image, ['localhost/x:latest']);
    expect(images.find(id).image.id).to.equal(id);
    expect(images.find(`sha256:${id}`).image.id).to.equal(id);
    expect(images.find(id.slice(0, 12)).image.id).to.equal(id);
    expect(images.find(id.slice(0, 12)).name).to.equal(undefined);
    const made = await Promise.all(
      Array.from({ length: 40 }, (_, i) => makeImage({ config: { Labels: { i: String(i) } } })),
    );
    for (const one of made) add(one, []);
    const twice = '0123456789abcdef'
      .split('')
      .find((digit) => made.filter((one) => idOf(one).startsWith(digit)).length > 1);
    expect(code(() => images.find(twice ?? ''))).to.equal('ERR_AMBIGUOUS_ID');
  });

  it('moves a name when another image gets it', async () => {
    const other = await makeImage({ config: { Labels: { other: 'yes' } } });
    const first = add(image, ['localhost/a:latest']);
    const second = add(other, ['localhost/a:latest']);
    expect(images.find('a').image.id).to.equal(second);
    expect(images.get(first)?.names).to.deep.equal([]);
    await images.tag(first, 'localhost/a:latest');
    expect(images.find('a').image.id).to.equal(first);
    expect(await images.untag('localhost/a:latest')).to.equal(true);
    expect(await images.untag('localhost/a:latest')).to.equal(false);
    expect(code(() => images.find('a'))).to.equal('ERR_NO_SUCH_IMAGE');
    expect(changes).to.equal(2);
    const failure: unknown = await images
      .tag('f'.repeat(64), 'localhost/b:1')
      .catch((error: unknown) => error);
    expect(VainaError.is(failure, 'ERR_NO_SUCH_IMAGE')).to.equal(true);
  });
});
