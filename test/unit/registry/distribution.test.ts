import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openArchive } from '../../../lib/oci/archive.js';
import { hexOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Descriptor } from '../../../lib/oci/types.js';
import type { RegistryOptions } from '../../../lib/registry/options.js';
import { registrySource } from '../../../lib/registry/source.js';
import { findArchived } from '../../support/archived.js';
import {
  blobsOf,
  dockerArchiveEntries,
  layoutEntries,
  makeBusyboxImage,
  makeImage,
  makeIndex,
  skopeo,
  tarOf,
  writeTree,
  type TestImage,
} from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { copyOne, type OneImage } from '../../support/one-image.js';
import { failure } from '../../support/memory-source.js';
import { registryBlob, startRegistry, type RunningRegistry } from '../../support/registry.js';
import { requires } from '../../support/requires.js';

/** The environment of a user without files of his own. */
const env = { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
const user = { username: 'tester', password: 'pass:word with spaces' };

describe('a real registry', () => {
  requires('docker-registry', 'skopeo');
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-system-registry-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function pull(
    name: string,
    options: RegistryOptions = {},
    sink = new MemorySink(),
  ): Promise<OneImage> {
    const source = registrySource(name, { env, retryDelay: 10, ...options });
    return copyOne(source, sink).finally(() => source.close());
  }

  /** A layout of images on disk, under one name. */
  function layout(
    name: string,
    images: readonly TestImage[],
    top: { bytes: Buffer; descriptor: Descriptor },
  ): string {
    const path = join(directory, name);
    const blobs = [...images.flatMap(blobsOf), top.bytes];
    writeTree(path, layoutEntries([{ descriptor: top.descriptor, name: 'image' }], blobs));
    return `oci:${path}:image`;
  }

  describe('over plain HTTP', () => {
    let registry: RunningRegistry;
    let busybox: TestImage;
    let docker: TestImage;
    const plain = { tlsVerify: false };
    before(async function () {
      this.timeout(60_000);
      registry = await startRegistry();
      busybox = await makeBusyboxImage();
      docker = await makeBusyboxImage({ docker: true, config: { User: '1000' } });
      push(layout('busybox', [busybox], busybox.manifest), 'busybox:latest');
      push(layout('zstd', ...(await one({ compress: 'zstd' }))), 'zstd:latest');
      const archive = join(directory, 'docker.tar');
      const entries = dockerArchiveEntries([{ image: docker, tags: ['docker:latest'] }]);
      writeFileSync(archive, await tarOf(entries));
      skopeo(
        'copy',
        '--format',
        'v2s2',
        '--dest-tls-verify=false',
        `docker-archive:${archive}`,
        `docker://${registry.host}/docker`,
      );
    });
    after(() => registry?.stop());

    async function one(
      options: Parameters<typeof makeImage>[0],
    ): Promise<[TestImage[], TestImage['manifest']]> {
      const image = await makeImage(options);
      return [[image], image.manifest];
    }

    function push(from: string, to: string, ...options: string[]): void {
      skopeo('copy', '--dest-tls-verify=false', ...options, from, `docker://${registry.host}/${to}`);
    }

    it('gives the image that skopeo pushed, to the byte', async () => {
      const sink = new MemorySink();
      const image = await pull(`${registry.host}/busybox`, plain, sink);
      expect(image.manifest.bytes).to.deep.equal(busybox.manifest.bytes);
      expect(image.config.bytes).to.deep.equal(busybox.config.bytes);
      for (const { descriptor, bytes } of busybox.layers) {
        expect(sink.blobs.get(descriptor.digest)?.equals(bytes)).to.equal(true);
        expect(registryBlob(registry, descriptor.digest).equals(bytes)).to.equal(true);
      }
      const said = JSON.parse(
        skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/busybox`),
      ) as { Digest: string };
      expect(image.manifest.digest).to.equal(said.Digest);
    });

    it("reads Docker's format and layers in zstd", async () => {
      const image = await pull(`${registry.host}/docker`, plain);
      expect(image.manifest.mediaType).to.equal(MEDIA.dockerManifest);
      expect(image.config.parsed.config?.User).to.equal('1000');
      expect((await pull(`${registry.host}/zstd`, plain)).layers[0]?.mediaType).to.equal(MEDIA.ociLayerZstd);
    });

    it('chooses among four platforms', async () => {
      const platforms = [
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
        { os: 'linux', architecture: 'arm', variant: 'v7' },
        { os: 'linux', architecture: 's390x' },
      ];
      const images = await Promise.all(platforms.map((platform) => makeImage({ platform })));
      const index = makeIndex(images);
      push(layout('multi', images, index), 'multi:v1', '--all');
      for (const [i, platform] of platforms.entries()) {
        const source = registrySource(`${registry.host}/multi:v1`, { env, ...plain });
        const image = await copyOne(source, new MemorySink(), { platform }).finally(() => source.close());
        expect(image.manifest.digest).to.equal(images[i]?.manifest.descriptor.digest);
        expect(image.index?.bytes).to.deep.equal(index.bytes);
      }
      const source = registrySource(`${registry.host}/multi:v1`, { env, ...plain });
      const none = failure(
        copyOne(source, new MemorySink(), { platform: { os: 'linux', architecture: 'mips' } }),
      );
      expect((await none).code).to.equal('ERR_NO_MATCHING_PLATFORM');
      await source.close();
      const whole = await pull(`${registry.host}/multi@${index.descriptor.digest}`, plain);
      expect(whole.index?.digest).to.equal(index.descriptor.digest);
    });

    it('says what is missing', async () => {
      for (const name of ['busybox:nosuch', 'nosuch', `busybox@sha256:${'0'.repeat(64)}`]) {
        const error = await failure(pull(`${registry.host}/${name}`, plain));
        expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
        expect(error.message).to.match(/manifest unknown|name unknown/);
      }
    });

    it('is not used without TLS unless that was asked for', async () => {
      const before = (await registry.wholeLog()).length;
      expect((await failure(pull(`${registry.host}/busybox`))).code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect((await registry.wholeLog()).slice(before)).not.to.include('GET /v2/busybox');
    });

    it('refuses a blob that the registry has damaged on disk', async () => {
      const image = await makeImage({
        config: { User: 'damaged' },
        layers: [await tarOf([{ name: 'd', content: 'damaged' }])],
      });
      push(layout('damaged', [image], image.manifest), 'damaged:latest');
      const { digest } = image.layers[0]?.descriptor as Descriptor;
      const hex = hexOf(digest);
      const path = join(registry.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
      const bytes = registryBlob(registry, digest);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      const sink = new MemorySink();
      expect((await failure(pull(`${registry.host}/damaged`, plain, sink))).code).to.equal(
        'ERR_DIGEST_MISMATCH',
      );
      expect(sink.blobs.size).to.equal(0);
    });
  });

  describe('over TLS', () => {
    let registry: RunningRegistry;
    before(async function () {
      this.timeout(30_000);
      registry = await startRegistry({ tls: true });
      const image = await makeImage();
      const from = layout('tls', [image], image.manifest);
      skopeo('copy', '--dest-cert-dir', registry.certDir ?? '', from, `docker://${registry.host}/a/b/c:1`);
    });
    after(() => registry?.stop());

    it('is trusted by its authority only', async () => {
      await pull(`${registry.host}/a/b/c:1`, { certDir: registry.certDir ?? '' });
      await pull(`${registry.host}/a/b/c:1`, { tlsVerify: false });
      expect((await failure(pull(`${registry.host}/a/b/c:1`))).code).to.equal('ERR_REGISTRY_UNREACHABLE');
    });
  });

  describe('with users', () => {
    let registry: RunningRegistry;
    before(async function () {
      this.timeout(30_000);
      registry = await startRegistry({ tls: true, users: [user] });
      const image = await makeImage();
      const from = layout('users', [image], image.manifest);
      const creds = `${user.username}:${user.password}`;
      skopeo(
        'copy',
        '--dest-cert-dir',
        registry.certDir ?? '',
        '--dest-creds',
        creds,
        from,
        `docker://${registry.host}/private:1`,
      );
    });
    after(() => registry?.stop());

    it('lets in who has the password, from the options or from the file of podman login', async () => {
      const certDir = registry.certDir ?? '';
      const name = `${registry.host}/private:1`;
      await pull(name, { certDir, credentials: user });
      const authFile = join(directory, 'auth.json');
      skopeo(
        'login',
        '--authfile',
        authFile,
        '--cert-dir',
        certDir,
        '-u',
        user.username,
        '-p',
        user.password,
        registry.host,
      );
      await pull(name, { certDir, authFile });
      const refused = await failure(pull(name, { certDir }));
      expect(refused.code).to.equal('ERR_UNAUTHORIZED');
      expect(refused.message).to.include('wants credentials');
      const wrong = await failure(pull(name, { certDir, credentials: { ...user, password: 'wrong' } }));
      expect(wrong.code).to.equal('ERR_UNAUTHORIZED');
    });
  });

  describe('archives that the peers write', () => {
    let from: string;
    let image: TestImage;
    before(async () => {
      image = await makeBusyboxImage();
      from = layout('peers', [image], image.manifest);
    });

    for (const [transport, names] of [
      ['docker-archive', ['docker.io/library/app:1']],
      ['oci-archive', ['localhost/app:1']],
      ['oci', ['localhost/app:1']],
    ] as const) {
      it(`are read: ${transport}`, async () => {
        const path = join(directory, `${transport}-by-skopeo`);
        skopeo('copy', from, `${transport}:${path}:app:1`);
        const archive = await openArchive(path, { tmpDir: directory });
        try {
          expect(archive.images.map((each) => each.names)).to.deep.equal([names]);
          const taken = await copyOne(findArchived(archive, 'app:1').source, new MemorySink());
          expect(taken.config.parsed.rootfs.diff_ids).to.deep.equal([image.layers[0]?.diffId]);
          expect(taken.config.parsed.config?.Cmd).to.deep.equal(['/bin/sh']);
        } finally {
          await archive.close();
        }
        expect(readdirSync(directory).some((name) => name.startsWith('vaina-'))).to.equal(false);
      });
    }
  });
});
