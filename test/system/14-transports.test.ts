import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { digestOf } from '../../lib/oci/digest.js';
import type { ImageConfig, Manifest } from '../../lib/oci/types.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { deleteImage } from '../../lib/transports/delete-image.js';
import { inspectImage } from '../../lib/transports/inspect-image.js';
import { listTags } from '../../lib/transports/list-tags.js';
import { syncImages } from '../../lib/transports/sync-images.js';
import {
  blobsOf,
  layoutEntries,
  makeImage,
  skopeo,
  tarOf,
  writeTree,
  type TestImage,
} from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { failure } from '../support/memory-source.js';
import { Podman } from '../support/podman.js';
import { until } from '../support/programs.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';

const PLAIN = { insecurePolicy: true, source: { tlsVerify: false }, destination: { tlsVerify: false } };

interface Told {
  Layers: string[];
  LayersData?: unknown;
}

/** An image of two layers with what archives may have: links, empty files, long names, whiteouts. */
async function twoLayers(): Promise<TestImage> {
  const lower = await tarOf([
    { name: 'etc/', type: 'directory' },
    { name: 'etc/config', content: 'a = 1\n'.repeat(5000) },
    { name: 'etc/link', type: 'symlink', linkname: '../etc/config' },
    { name: 'etc/hard', type: 'link', linkname: 'etc/config' },
    { name: `etc/${'long'.repeat(40)}`, content: 'long' },
    { name: 'empty', content: '' },
  ]);
  const upper = await tarOf([
    { name: 'etc/.wh.config', content: '' },
    { name: 'etc/übung', content: 'ü' },
  ]);
  return makeImage({ layers: [lower, upper] });
}

describe('transports beside the peers', () => {
  requires('root', 'docker-registry', 'skopeo', 'podman');
  let directory: string;
  let registry: RunningRegistry;
  let image: TestImage;
  let layout: string;
  const at = (name: string): string => `docker://${registry.host}/${name}`;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-transports-'));
    registry = await startRegistry();
    image = await twoLayers();
    const path = join(directory, 'layout');
    writeTree(path, layoutEntries([{ descriptor: image.manifest.descriptor, name: 'app' }], blobsOf(image)));
    layout = `oci:${path}:app`;
    for (const tag of ['1', '2']) await copyImage(layout, at(`test/app:${tag}`), PLAIN);
  });
  after(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('inspect and list-tags tell what skopeo tells, and fetch no layer', async () => {
    const asked = (await registry.wholeLog()).length;
    const own = await inspectImage(at('test/app:1'), { tlsVerify: false });
    expect((await registry.wholeLog()).slice(asked)).to.not.include(image.layers[0]?.descriptor.digest);
    const peer = JSON.parse(skopeo('inspect', '--tls-verify=false', at('test/app:1'))) as Told;
    const { LayersData, ...shared } = own;
    expect(LayersData.map(({ Digest }) => Digest)).to.deep.equal(own.Layers);
    delete peer.LayersData;
    expect(JSON.stringify(shared)).to.equal(JSON.stringify(peer));
    const options = { tlsVerify: false };
    const config = await inspectImage(at('test/app:1'), { ...options, config: true });
    expect(JSON.stringify(config, undefined, 4)).to.equal(
      skopeo('inspect', '--config', '--tls-verify=false', at('test/app:1')).trim(),
    );
    const raw = await inspectImage(at('test/app:1'), { ...options, raw: true });
    expect(raw.toString()).to.equal(skopeo('inspect', '--raw', '--tls-verify=false', at('test/app:1')));
    const tags = await listTags(at('test/app'), options);
    const { Repository, Tags } = JSON.parse(skopeo('list-tags', '--tls-verify=false', at('test/app'))) as {
      Repository: string;
      Tags: string[];
    };
    expect(tags).to.deep.equal({ repository: Repository, tags: Tags });
  });

  it('copy writes a directory byte for byte as skopeo does', async () => {
    const [own, peer] = [join(directory, 'own'), join(directory, 'peer')];
    const { digest, manifest } = await copyImage(at('test/app:1'), `dir:${own}`, PLAIN);
    skopeo('copy', '--src-tls-verify=false', at('test/app:1'), `dir:${peer}`);
    execFileSync('diff', ['-r', own, peer]);
    expect(digest).to.equal(digestOf(readFileSync(join(own, 'manifest.json'))));
    expect(manifest.equals(readFileSync(join(own, 'manifest.json')))).to.equal(true);
  });

  it('an archive compressed by xz is listed', async () => {
    const path = join(directory, 'two.tar');
    skopeo('copy', layout, `docker-archive:${path}:localhost/app:1`, '--additional-tag', 'localhost/app:2');
    execFileSync('xz', [path]);
    const tags = ['localhost/app:1', 'localhost/app:2'];
    expect(await listTags(`docker-archive:${path}.xz`)).to.deep.equal({ tags });
  });

  it('sync copies a repository to a directory and from there to a registry, as skopeo names them', async () => {
    const place = join(directory, 'synced');
    const from = { transport: 'docker', place: `${registry.host}/test/app` } as const;
    const dry = await syncImages(from, { transport: 'dir', place }, { ...PLAIN, dryRun: true });
    const done = await syncImages(
      from,
      { transport: 'dir', place },
      { ...PLAIN, onWarning: () => undefined },
    );
    expect(done.images.map(({ destination }) => destination)).to.have.members([
      `dir:${place}/app:1`,
      `dir:${place}/app:2`,
    ]);
    expect(dry.images.map(({ destination }) => destination)).to.deep.equal(
      done.images.map(({ destination }) => destination),
    );
    const again = syncImages(from, { transport: 'dir', place }, PLAIN);
    expect((await failure(again)).code).to.equal('ERR_NAME_IN_USE');
    const to = { transport: 'docker', place: `${registry.host}/mirror` } as const;
    await syncImages({ transport: 'dir', place }, to, { ...PLAIN, scoped: true, appendSuffix: '-x' });
    expect((await listTags(at('mirror/app'), { tlsVerify: false })).tags).to.have.members(['1-x', '2-x']);
  });

  it('delete takes a manifest from a registry, and an image from a layout with its blobs', async () => {
    await copyImage(layout, at('test/gone:1'), { ...PLAIN, format: 'v2s2' });
    await deleteImage(at('test/gone:1'), { tlsVerify: false });
    const gone = inspectImage(at('test/gone:1'), { tlsVerify: false, tags: false });
    expect((await failure(gone)).code).to.equal('ERR_NO_SUCH_IMAGE');
    const path = join(directory, 'both');
    await copyImage(layout, `oci:${path}:a`, PLAIN);
    await copyImage(layout, `oci:${path}:b`, PLAIN);
    await deleteImage(`oci:${path}:a`);
    expect((await inspectImage(`oci:${path}:b`)).Layers).to.have.length(2);
    await deleteImage(`oci:${path}:b`);
    expect(execFileSync('find', [join(path, 'blobs'), '-type', 'f'], { encoding: 'utf8' })).to.equal('');
    expect((await failure(deleteImage(`oci:${path}:b`))).code).to.equal('ERR_NO_SUCH_IMAGE');
  });

  describe("podman's store and its daemon", () => {
    let podman: Podman;
    let daemon: ChildProcess;
    let socket: string;
    const stored = (name: string): string =>
      `containers-storage:[overlay@${podman.root}+${podman.runroot}]${name}`;

    before(async () => {
      podman = new Podman(directory);
      const path = join(directory, 'podman.tar');
      skopeo('copy', layout, `docker-archive:${path}:localhost/app:1`);
      podman.output('load', '-i', path);
      socket = join(directory, 'podman.sock');
      daemon = spawn('podman', podman.arguments('system', 'service', '--time', '0', `unix://${socket}`), {
        stdio: 'ignore',
      });
      await until('the socket of podman', () => existsSync(socket));
    });
    after(async () => {
      const ended = new Promise((done) => daemon.once('exit', done));
      daemon.kill();
      await ended;
      podman.dispose();
    });

    /** The plain layers of an image in a directory, which must be what its configuration says. */
    function checkLayers(path: string): Manifest {
      const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as Manifest;
      const hex = (digest: string): string => join(path, digest.slice('sha256:'.length));
      const config = JSON.parse(readFileSync(hex(manifest.config.digest), 'utf8')) as ImageConfig;
      const plain = manifest.layers.map(({ digest }) => {
        const bytes = readFileSync(hex(digest));
        return digestOf(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
      });
      expect(plain).to.deep.equal(config.rootfs.diff_ids);
      expect(plain).to.deep.equal(image.layers.map(({ diffId }) => diffId));
      return manifest;
    }

    it('is read from its files, to the layers that were put in', async () => {
      const path = join(directory, 'from-storage');
      await copyImage(stored('localhost/app:1'), `dir:${path}`, { ...PLAIN, decompress: true });
      const manifest = checkLayers(path);
      expect(manifest.layers.map(({ digest }) => digest)).to.deep.equal(
        image.layers.map(({ diffId }) => diffId),
      );
      const told = await inspectImage(stored('localhost/app:1'));
      const name = stored('localhost/app:1').replace(']', ':overlay.skip_mount_home=true]');
      const peer = JSON.parse(skopeo('inspect', name)) as Told;
      expect(told.Layers).to.deep.equal(peer.Layers);
      expect(told).to.deep.include({ Digest: (peer as unknown as { Digest: string }).Digest });
      expect((await failure(copyImage(layout, stored('x'), PLAIN))).code).to.equal('ERR_UNSUPPORTED');
    });

    it('gives an image by its socket, and takes one', async () => {
      const end = { daemonHost: `unix://${socket}` };
      const path = join(directory, 'from-daemon');
      const source = { ...PLAIN, source: end };
      await copyImage('docker-daemon:localhost/app:1', `dir:${path}`, source);
      checkLayers(path);
      await copyImage(layout, 'docker-daemon:localhost/sent:2', { insecurePolicy: true, destination: end });
      const id = podman.output('images', '--quiet', '--no-trunc', 'localhost/sent:2').trim();
      expect(id).to.equal(podman.output('images', '--quiet', '--no-trunc', 'localhost/app:1').trim());
      const missing = copyImage('docker-daemon:localhost/none:1', `dir:${path}-x`, source);
      expect((await failure(missing)).code).to.be.oneOf(['ERR_NO_SUCH_IMAGE', 'ERR_REGISTRY']);
      const nobody = { ...PLAIN, source: { daemonHost: 'unix:///nonexistent/socket' } };
      const unreachable = copyImage('docker-daemon:localhost/app:1', `dir:${path}-y`, nobody);
      expect((await failure(unreachable)).code).to.equal('ERR_REGISTRY_UNREACHABLE');
    });
  });

  checkLeftovers();
});
