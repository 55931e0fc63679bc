import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ImageRegistryOptions } from '../../lib/lifecycle/image-registry-options.js';
import { Engine } from '../../lib/index.js';
import { digestOf } from '../../lib/oci/digest.js';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import { expectError } from '../support/containers.js';
import {
  blobsOf,
  layoutEntries,
  makeBusyboxImage,
  makeImage,
  makeIndex,
  skopeo,
  writeTree,
  type TestImage,
} from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { MemorySource } from '../support/memory-source.js';
import { makeDirectory, removeDirectory, type Ended } from '../support/programs.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';
import { Box, idOf, layer } from '../support/store-box.js';
import { takeIndex } from '../support/take-index.js';
import { createUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

/** Changes one bit in the middle of a file. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** The file in which a registry keeps a blob. */
function stored({ storage }: RunningRegistry, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(storage, 'docker/registry/v2/blobs', algorithm, hex.slice(0, 2), hex, 'data');
}

describe('a damaged store', function () {
  this.timeout(60_000);
  requires('root');
  checkLeftovers();
  let box: Box;
  let engine: Engine;
  let image: TestImage;
  const blob = (digest: string): string => join(box.root, 'images/blobs', digest.replace(':', '/'));
  const kinds = async (): Promise<string[]> => (await engine.check()).map(({ kind }) => kind);

  beforeEach(async () => {
    box = new Box();
    await box.open();
    engine = await Engine.open({ root: box.root, runroot: box.runroot });
    image = await makeImage({ layers: [await layer('a', 'a'.repeat(5000)), await layer('b')] });
  });
  afterEach(async () => {
    await engine.close();
    await box.close();
  });

  describe('of an image that came from a registry', () => {
    requires('docker-registry', 'skopeo');
    const creds = { username: 'tester', password: 'secret' };
    let directory: string;
    let registry: RunningRegistry;
    let index: ReturnType<typeof makeIndex>;
    let access: ImageRegistryOptions;
    let name: string;

    before(async () => {
      registry = await startRegistry({ tls: true, users: [creds] });
      access = { certDir: registry.certDir ?? '', creds, retry: 0 };
      name = `${registry.host}/test/image:1`;
    });
    after(() => registry?.stop());
    beforeEach(async () => {
      directory = makeDirectory();
      index = makeIndex([image]);
      const entries = layoutEntries(
        [{ descriptor: index.descriptor, name: 'image' }],
        [...blobsOf(image), index.bytes],
      );
      writeTree(join(directory, 'layout'), entries);
      skopeo(
        ...['copy', '-q', '--all', '--dest-cert-dir', registry.certDir ?? ''],
        ...['--dest-creds', `${creds.username}:${creds.password}`],
        ...[`oci:${join(directory, 'layout')}:image`, `docker://${name}`],
      );
      await engine.images.pull(name, access);
    });
    afterEach(() => removeDirectory(directory));

    it('gets from there again whatever blob is missing or another', async () => {
      const all = new Map([...blobsOf(image), index.bytes].map((bytes) => [digestOf(bytes), bytes]));
      expect(all).to.have.length(5);
      for (const damage of [flip, (path: string): void => rmSync(path)]) {
        for (const [digest, bytes] of all) {
          damage(blob(digest));
          const report = await engine.repair(access);
          expect(report.found.map(({ id }) => id)).to.deep.equal([digest]);
          expect(report.repairs.map(({ mended }) => mended)).to.deep.equal([true]);
          expect(report.left).to.deep.equal([]);
          expect(readFileSync(blob(digest)).equals(bytes)).to.equal(true);
        }
        for (const digest of all.keys()) damage(blob(digest));
        expect((await engine.repair(access)).repairs).to.have.length(5);
        expect(await engine.check({ trees: true })).to.deep.equal([]);
      }
    });

    it('stays as it is while the registry cannot be reached', async () => {
      const digest = image.layers[0]?.descriptor.digest ?? '';
      flip(blob(digest));
      const damaged = readFileSync(blob(digest));
      const { certDir = '' } = access;
      const report = await engine.repair({ certDir, retry: 0 });
      expect(report.repairs.map(({ mended }) => mended)).to.deep.equal([false]);
      expect(report.left.map(({ kind, images }) => [kind, images])).to.deep.equal([['blob-missing', [name]]]);
      const kept = /what was there is in (.*)$/.exec(report.repairs[0]?.how ?? '')?.[1] ?? '';
      expect(readFileSync(kept).equals(damaged)).to.equal(true);
      expect((await engine.images.list()).map(({ names }) => names)).to.deep.equal([[name]]);
      expect((await engine.repair(access)).left).to.deep.equal([]);
      await expectError('ERR_INVALID_OPTION', engine.repair({ tlsVerify: 'no' } as object));
    });

    it('is not mended by what has another digest', async () => {
      const [one] = image.layers;
      const digest = one?.descriptor.digest ?? '';
      flip(stored(registry, digest));
      try {
        rmSync(blob(digest));
        const report = await engine.repair(access);
        expect(report.repairs.map(({ mended }) => mended)).to.deep.equal([false]);
        expect(report.repairs[0]?.how).to.include(digest);
        expect(existsSync(blob(digest))).to.equal(false);
      } finally {
        rmSync(join(registry.storage, 'docker'), { recursive: true });
      }
    });

    describe('and is in another one too', () => {
      let other: RunningRegistry;
      let digest: string;
      before(async () => void (other = await startRegistry()));
      after(() => other?.stop());
      beforeEach(() => {
        skopeo(
          ...['copy', '-q', '--all', '--dest-tls-verify=false', `oci:${join(directory, 'layout')}:image`],
          `docker://${other.host}/test/image:1`,
        );
        digest = image.layers[0]?.descriptor.digest ?? '';
        flip(stored(other, digest));
        rmSync(blob(digest));
      });
      afterEach(() => rmSync(join(other.storage, 'docker'), { recursive: true }));

      it('is mended from the second name where the first gives other bytes', async () => {
        await (await engine.images.get(name)).tag(`${other.host}/test/image:1`);
        const registries = { registries: [{ location: other.host, insecure: true }] };
        const report = await engine.repair({ ...access, registries });
        expect(report.found[0]?.images).to.deep.equal([`${other.host}/test/image:1`, name]);
        expect(report.repairs.map(({ mended }) => mended)).to.deep.equal([true]);
        expect(report.left).to.deep.equal([]);
        expect(await engine.check()).to.deep.equal([]);
      });

      it('is mended from the registry itself where a mirror gives other bytes', async () => {
        const mirrors = [{ location: other.host, insecure: true }];
        const registries = { registries: [{ location: registry.host, mirrors }] };
        expect((await engine.repair({ ...access, registries })).left).to.deep.equal([]);
        expect(await other.wholeLog()).to.include(digest);
      });

      it('tells what each place said when none can help', async () => {
        await (await engine.images.get(name)).tag(`${other.host}/test/image:1`);
        const { certDir = '' } = access;
        const registries = { registries: [{ location: other.host, insecure: true }] };
        const report = await engine.repair({ certDir, registries, retry: 0 });
        const how = report.repairs[0]?.how ?? '';
        expect(how).to.match(/is not to be had from anywhere; docker:.*; docker:/);
        expect(how).to.include(`docker://${other.host}/test/image:1: `).and.include(`docker://${name}: `);
        expect(existsSync(blob(digest))).to.equal(false);
      });
    });

    it('asks each registry that the image has a name of', async () => {
      // One that nobody listens at, and one of the same registry that has no such repository.
      const others = ['localhost:1/aaa/none:1', `${registry.host}/aaa/none:1`];
      for (const other of others) await (await engine.images.get(name)).tag(other);
      rmSync(blob(image.layers[1]?.descriptor.digest ?? ''));
      const report = await engine.repair(access);
      expect(report.found[0]?.images).to.deep.equal([...others, name].sort());
      expect(report.left).to.deep.equal([]);
    });

    it('knows the registry of an index by the name of that', async () => {
      await (await engine.images.get(name)).remove();
      await takeIndex(box.store, [image], name);
      for (const one of [image.layers[0]?.descriptor.digest ?? '', index.descriptor.digest])
        rmSync(blob(one));
      expect((await engine.repair(access)).left).to.deep.equal([]);
    });
  });

  describe('with what nothing can mend', () => {
    requires('busybox');
    let bad: TestImage;
    let good: TestImage;
    beforeEach(async () => {
      [bad, good] = [await makeBusyboxImage({ config: { Cmd: ['sh'] } }), image];
      await box.take(MemorySource.of(bad), ['localhost/bad:1', 'localhost/bad:2']);
      await box.take(MemorySource.of(good), ['localhost/good:1']);
    });

    it('keeps it without force; with force it goes, with the containers made of it', async () => {
      const running = await engine.containers.run('bad:1', { command: ['/bin/sleep', '1000'] });
      const other = await engine.containers.create('good:1', { command: ['/a'] });
      const place = await (await engine.images.get('bad:1')).mount();
      rmSync(blob(bad.layers[0]?.descriptor.digest ?? ''));
      const first = await engine.repair();
      expect(first.left.map(({ kind }) => kind)).to.deep.equal(['blob-missing']);
      expect(first.removedImages).to.deep.equal([]);
      expect(await engine.images.list()).to.have.length(2);
      const second = await engine.repair({ force: true });
      expect(second.removedImages).to.deep.equal([idOf(bad)]);
      expect(second.removedContainers).to.deep.equal([running.id]);
      expect(second.left).to.deep.equal([]);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.to.include(place);
      expect((await engine.images.list()).map(({ id }) => id)).to.deep.equal([idOf(good)]);
      expect((await engine.containers.list({ all: true })).map(({ id }) => id)).to.deep.equal([other.id]);
      expect(await engine.check({ trees: true })).to.deep.equal([]);
      expect(box.list('layers')).to.have.length(2);
      await other.remove();
    });

    it('removes a container that has lost its files, and nothing else', async () => {
      const lost = await engine.containers.create('bad:1');
      const other = await engine.containers.create('bad:1');
      rmSync(join(box.root, 'containers', lost.id, 'upper'), { recursive: true });
      expect(await kinds()).to.deep.equal(['container-damaged']);
      expect((await engine.repair()).repairs.map(({ mended }) => mended)).to.deep.equal([false]);
      const report = await engine.repair({ force: true });
      expect(report).to.deep.include({ removedImages: [], removedContainers: [lost.id], left: [] });
      expect((await engine.containers.list({ all: true })).map(({ id }) => id)).to.deep.equal([other.id]);
      expect(await engine.images.list()).to.have.length(2);
      await other.remove();
    });

    it('removes a manifest list with an image that came with it, and one that has lost its index', async () => {
      const foreign = await makeImage({
        layers: [await layer('c')],
        platform: { os: 'linux', architecture: 's390x' },
      });
      await takeIndex(box.store, [good, foreign], 'localhost/list:1');
      const [, list] = await engine.images.list();
      rmSync(blob(foreign.layers[0]?.descriptor.digest ?? ''));
      const report = await engine.repair({ force: true });
      expect(report.found.map(({ images }) => images)).to.deep.equal([['localhost/list:1']]);
      expect(report.removedImages).to.deep.equal([idOf(foreign)]);
      expect(report.removedLists).to.have.length(1);
      expect(report.left, String(list?.id)).to.deep.equal([]);

      const attachment = { mediaType: 'text/plain', ...{ digest: digestOf(Buffer.from('x')), size: 1 } };
      await box.store.content.ingestBytes(Buffer.from('x'), attachment.mediaType, attachment.digest);
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [] }),
      );
      const raw = { bytes, mediaType: MEDIA.ociIndex, digest: digestOf(bytes) };
      const id = await box.store.saveList({
        ...{ raw, blobs: [attachment], images: [], names: ['localhost/list:2'] },
      });
      rmSync(blob(attachment.digest));
      const told: unknown[] = [];
      const listen = (message: unknown): void => void told.push(message);
      subscribe('vaina:image', listen);
      const other = await engine.repair({ force: true }).finally(() => unsubscribe('vaina:image', listen));
      expect(told).to.deep.equal([{ verb: 'remove', id }]);
      expect(other.found.map(({ kind, images }) => [kind, images])).to.deep.equal([
        ['blob-missing', ['localhost/list:2']],
      ]);
      expect(other).to.deep.include({ removedImages: [], removedLists: [id], left: [] });
      expect((await engine.images.list({ all: true })).map((one) => one.id).sort()).to.deep.equal(
        [idOf(bad), idOf(good)].sort(),
      );
    });
  });
});

describe('a damaged store of an ordinary user', function () {
  this.timeout(60_000);
  requires('root', 'useradd', 'setpriv', 'newuidmap', 'docker-registry', 'skopeo');
  let registry: RunningRegistry;
  let directory: string;
  let name: string;
  const users: TestUser[] = [];
  /** Each with a store of his own; both are at it at once. */
  let mended: Record<'with' | 'without', Promise<Ended>> | undefined;

  before(async () => {
    registry = await startRegistry();
    directory = makeDirectory();
    const image = await makeBusyboxImage();
    const entries = layoutEntries([{ descriptor: image.manifest.descriptor, name: 'image' }], blobsOf(image));
    writeTree(join(directory, 'layout'), entries);
    name = `${registry.host}/test/busybox:1`;
    const to = ['--dest-tls-verify=false', `oci:${join(directory, 'layout')}:image`, `docker://${name}`];
    skopeo('copy', '-q', ...to);
    const mend = (user: TestUser): Promise<Ended> => {
      users.push(user);
      return runAsUser(user, 'test/support/children/rootless', ['mend', JSON.stringify({ pull: name })]);
    };
    mended = {
      with: mend(createUser('vainacheck')),
      without: mend(createUser('vainanoids', { subids: false })),
    };
    for (const each of Object.values(mended)) each.catch(() => undefined);
  });
  after(async () => {
    await Promise.allSettled(Object.values(mended ?? {}));
    for (const user of users) removeUser(user.name);
    await registry?.stop();
    if (directory) removeDirectory(directory);
  });

  for (const subids of [true, false]) {
    it(`is found and mended ${subids ? 'with' : 'without'} subordinate ids`, async () => {
      const ended = await (subids ? mended?.with : mended?.without);
      expect(ended?.exitCode, ended?.stderr).to.equal(0);
      expect(JSON.parse(ended?.stdout ?? '')).to.deep.equal({
        ...{ unharmed: [], blob: ['blob-digest'], tree: ['layer-changed'], owner: ['layer-changed'] },
        ...{ left: [[], [], []], trees: [], forced: 1, images: [] },
      });
    });
  }
});
