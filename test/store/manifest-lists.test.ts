import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { digestOf } from '../../lib/oci/digest.js';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import type { Descriptor, Index } from '../../lib/oci/types.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { expectError } from '../support/containers.js';
import {
  blobsOf,
  layoutEntries,
  makeImage,
  makeIndex,
  writeTree,
  type TestImage,
} from '../support/images.js';
import { failure, MemorySource } from '../support/memory-source.js';
import { Podman } from '../support/podman.js';
import { findRegistry, startRegistry } from '../support/registry.js';
import { missing, requires } from '../support/requires.js';
import { Box, idOf, layer, requireProgram } from '../support/store-box.js';
import { takeIndex } from '../support/take-index.js';

describe('manifest lists', function () {
  this.timeout(60_000);
  requires('root');
  let box: Box;
  let engine: Engine;
  let host: TestImage;
  let other: TestImage;
  beforeEach(async () => {
    box = new Box();
    await box.open();
    host = await makeImage({ layers: [await layer('a')] });
    other = await makeImage({
      layers: [await layer('b')],
      platform: { os: 'linux', architecture: 's390x' },
    });
    engine = await Engine.open({ root: box.root, runroot: box.runroot });
  });
  afterEach(async () => {
    await engine.close();
    await box.close();
  });

  /** An index with both images, as a copy of all images brings it. */
  const takeAll = (name: string): Promise<void> => takeIndex(box.store, [host, other], name);

  it('come with all their images, and go with them', async () => {
    requireProgram('skopeo');
    await takeAll('localhost/all:1');
    const list = await engine.manifests.get('all:1');
    expect(list.names).to.deep.equal(['localhost/all:1']);
    expect((await list.inspect()).manifests.map(({ digest }) => digest)).to.deep.equal([
      host.manifest.descriptor.digest,
      other.manifest.descriptor.digest,
    ]);
    // The name stands for the image that this host runs.
    expect((await engine.images.get('all:1')).id).to.equal(idOf(host));
    // What only came with it is no image of its own.
    expect((await engine.images.list()).map(({ id }) => id)).to.deep.equal([list.id]);
    expect(await engine.images.list({ all: true })).to.have.length(3);
    expect(await engine.images.prune()).to.deep.equal([]);
    expect(await engine.check({ trees: true })).to.deep.equal([]);
    execFileSync('skopeo', [
      ...['copy', '-q', '--all', `oci:${box.root}/images:localhost/all:1`, `oci:${box.directory}/copy:all`],
    ]);
    await expectError('ERR_IN_USE', (await engine.images.get(idOf(other))).remove());
    await takeAll('localhost/all:2');
    expect(await engine.manifests.list()).to.have.length(1);
    await (await engine.images.get(idOf(other))).tag('kept:1');
    await list.delete();
    expect((await engine.images.list()).map(({ names }) => names)).to.deep.equal([['localhost/kept:1']]);
    expect(await engine.manifests.exists('all:1')).to.equal(false);
    await (await engine.images.get('kept:1')).remove();
    box.expectEmpty();
  });

  it('are pushed to a registry, and their images come from it', async function () {
    if (findRegistry() === undefined) this.skip();
    requireProgram('skopeo');
    const registry = await startRegistry({ tls: true });
    try {
      const options = { destination: { certDir: registry.certDir ?? '' } };
      await box.take(MemorySource.of(host), ['localhost/host:1']);
      const list = await engine.manifests.create('list', ['host:1']);
      await list.add(MemorySource.of(other));
      const to = `${registry.host}/pushed/list:1`;
      // A list alone is nothing that a registry keeps.
      await expectError('ERR_REGISTRY', list.push(to, { ...options, all: false }));
      const { digest, manifests } = await list.push(to, options);
      expect(digest).to.equal(list.digest);
      expect(manifests).to.have.length(2);
      await list.push(to, { ...options, all: false });
      const skopeo = (...argv: string[]): string =>
        execFileSync('skopeo', [...argv, '--cert-dir', registry.certDir ?? '', `docker://${to}`], {
          encoding: 'utf8',
        });
      expect(JSON.parse(skopeo('inspect', '--raw'))).to.deep.equal(await list.inspect());
      expect(JSON.parse(skopeo('--override-arch', 's390x', 'inspect'))).to.include({ Architecture: 's390x' });
      const v2s2 = await list.push(to, { ...options, format: 'v2s2' });
      expect(JSON.parse(skopeo('inspect', '--raw'))).to.include({ mediaType: MEDIA.dockerList });
      expect(v2s2.mediaType).to.equal(MEDIA.dockerList);
      await expectError('ERR_INVALID_OPTION', list.push(to, { ...options, ...{ multiArch: 'system' } }));
      await list.push(to, options);
      await list.delete();
      const access = { certDir: registry.certDir ?? '' };
      const pulled = await engine.images.pull(to, { ...access, platform: 'linux/s390x' });
      expect(pulled.id).to.equal(idOf(other));
      const again = await engine.manifests.create('again', [`docker://${to}`], { ...access, all: true });
      expect((await again.inspect()).manifests.map((entry) => entry.digest)).to.deep.equal(
        [host, other].map(({ manifest }) => manifest.descriptor.digest),
      );
      expect(manifests).to.have.members((await again.inspect()).manifests.map((entry) => entry.digest));
      expect((await engine.images.get('again')).id).to.equal(idOf(host));
      await expectError('ERR_REGISTRY_UNREACHABLE', again.add(`docker://${to}`));
    } finally {
      await registry.stop();
    }
  });

  it('have the images of a registry in the order of their index, as podman has them', async function () {
    if (findRegistry() === undefined || missing('podman') !== undefined) this.skip();
    const registry = await startRegistry();
    const podman = new Podman(box.directory);
    try {
      const images = await Promise.all(
        ['s390x', 'arm64', 'riscv64', 'amd64'].map(async (architecture) =>
          makeImage({ layers: [await layer(architecture)], platform: { os: 'linux', architecture } }),
        ),
      );
      const index = makeIndex(images);
      const directory = `${box.directory}/order`;
      const entry = { descriptor: index.descriptor, name: 'all' };
      writeTree(directory, layoutEntries([entry], [...images.flatMap(blobsOf), index.bytes]));
      const to = `docker://${registry.host}/order:1`;
      const access = { tlsVerify: false, registries: false } as const;
      await copyImage(`oci:${directory}:all`, to, {
        ...{ all: true, insecurePolicy: true, destination: access },
      });
      const list = await engine.manifests.create('order', [to], { ...access, all: true });
      const own = (await list.inspect()).manifests;
      expect(own.map(({ digest }) => digest)).to.deep.equal(
        images.map(({ manifest }) => manifest.descriptor.digest),
      );
      podman.output('manifest', 'create', 'order');
      podman.output('manifest', 'add', '--all', '--tls-verify=false', 'order', to);
      const peer = JSON.parse(podman.output('manifest', 'inspect', 'order')) as Index;
      const told = (all: readonly Descriptor[]): unknown[] =>
        all.map(({ digest, platform }) => [digest, platform]);
      expect(told(own)).to.deep.equal(told(peer.manifests));
    } finally {
      podman.dispose();
      await registry.stop();
    }
  });

  it('take what the trust policy lets in, and tell of what happens to images', async () => {
    const told: string[] = [];
    const listen = (message: unknown): void => {
      const { verb, name } = message as { verb: string; name?: string };
      told.push(name === undefined ? verb : `${verb} ${name}`);
    };
    subscribe('vaina:image', listen);
    const registry = await startRegistry();
    const strict = await Engine.open({
      ...{ root: box.root, runroot: box.runroot, trustPolicy: { default: [{ type: 'reject' }] } },
    });
    try {
      const access = { tlsVerify: false, registries: false } as const;
      await box.take(MemorySource.of(host), ['localhost/host:1']);
      const image = await engine.images.get('host:1');
      const to = `${registry.host}/host:1`;
      await image.push(to, access);
      const list = await strict.manifests.create('strict');
      const added = await failure(list.add(`docker://${to}`, access));
      const pulled = await failure(strict.images.pull(to, access));
      expect([added.code, pulled.code]).to.deep.equal(['ERR_POLICY_REJECTED', 'ERR_POLICY_REJECTED']);
      await list.delete();
      await engine.images.pull(to, access);
      await image.tag('more:1');
      await image.untag('more:1');
      await engine.images.save(image, `${box.directory}/saved.tar`);
      await engine.images.load(`${box.directory}/saved.tar`);
      await engine.images.import(Readable.from([await layer('imported')]), { reference: 'imported:1' });
      await (await engine.images.get('imported:1')).remove();
      const own = await engine.manifests.create('own:1', ['host:1']);
      await own.push(`${registry.host}/own:1`, { destination: { tlsVerify: false, registries: false } });
      await own.tag('own:2');
      await own.untag('own:2');
      await own.untag();
      await own.delete();
      await image.remove();
      expect(told).to.deep.equal([
        `push docker://${to}`,
        `pull-error docker://${to}`,
        'remove',
        `pull docker://${to}`,
        'tag localhost/more:1',
        'untag localhost/more:1',
        'save localhost/host:1',
        'loadfromarchive localhost/host:1',
        'import localhost/imported:1',
        'remove',
        `push docker://${registry.host}/own:1`,
        'tag localhost/own:2',
        'untag localhost/own:2',
        'untag localhost/own:1',
        'remove',
        'remove',
      ]);
    } finally {
      unsubscribe('vaina:image', listen);
      await strict.close();
      await registry.stop();
    }
  });

  it('stay indexes when they change, also where their text does not say what they are', async () => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }));
    const raw = { bytes, mediaType: MEDIA.ociIndex, digest: digestOf(bytes) };
    const id = await box.store.saveList({ raw, blobs: [], images: [], names: ['localhost/bare:1'] });
    const list = await engine.manifests.get('bare:1');
    await list.annotate(undefined, { annotations: { a: 'b' } });
    expect(box.store.lists.get(id)?.mediaType).to.equal(MEDIA.ociIndex);
    expect(await engine.check()).to.deep.equal([]);
    await list.delete();
    box.expectEmpty();
  });

  it('are made, changed and removed', async () => {
    await box.take(MemorySource.of(host), ['localhost/host:1']);
    const list = await engine.manifests.create('list', ['host:1'], { annotations: { a: 'b' } });
    await expectError('ERR_NAME_IN_USE', engine.manifests.create('list'));
    await expectError('ERR_NAME_IN_USE', engine.manifests.create('host:1'));
    const { id } = list;
    expect((await engine.manifests.create('list', [], { amend: true })).id).to.equal(id);
    const [digest = ''] = await list.add(MemorySource.of(other), { variant: 'v1', annotations: { c: 'd' } });
    const index = await list.inspect();
    expect(index.annotations).to.deep.equal({ a: 'b' });
    expect(index.manifests[1]).to.deep.equal({
      mediaType: MEDIA.ociManifest,
      digest: other.manifest.descriptor.digest,
      size: other.manifest.bytes.length,
      platform: { os: 'linux', architecture: 's390x', variant: 'v1' },
      annotations: { c: 'd' },
    });
    await list.annotate(digest, { osVersion: '10', osFeatures: ['x'], features: ['sse4'] });
    await list.annotate(undefined, { annotations: { e: 'f' } });
    const changed = await list.inspect();
    expect(changed.annotations).to.deep.equal({ a: 'b', e: 'f' });
    expect(changed.manifests[1]?.platform).to.deep.include({
      ...{ 'os.version': '10', 'os.features': ['x'], features: ['sse4'] },
    });
    expect((await list.source().manifest()).digest).to.equal(list.digest);
    await list.tag('other');
    await list.tag('third');
    await list.untag('third');
    await expectError('ERR_NO_SUCH_IMAGE', list.untag('host:1'));
    expect(list.names).to.deep.equal(['localhost/list:latest', 'localhost/other:latest']);
    expect(await engine.check()).to.deep.equal([]);
    await list.remove(digest);
    expect((await list.inspect()).manifests).to.have.length(1);
    // What came with the list has gone with its entry.
    expect((await engine.images.list({ manifest: false })).map(({ id: image }) => image)).to.deep.equal([
      idOf(host),
    ]);
    const [shown] = await engine.images.list({ manifest: true });
    expect(shown).to.deep.include({ id, manifestList: true, names: list.names });
    await expectError('ERR_NO_SUCH_IMAGE', list.remove(digest));
    await list.delete();
    await (await engine.images.get('host:1')).remove();
    box.expectEmpty();
  });
});
