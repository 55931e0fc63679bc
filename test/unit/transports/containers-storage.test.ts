import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { digestOf } from '../../../lib/oci/digest.js';
import type { Manifest } from '../../../lib/oci/types.js';
import { locateStorage } from '../../../lib/transports/containers-storage/configuration.js';
import { containersStorageSource } from '../../../lib/transports/containers-storage/source.js';
import { assembleLayer } from '../../../lib/transports/containers-storage/tar-split.js';
import { parseImageName, type ImageName } from '../../../lib/transports/name.js';
import { readAll } from '../../../lib/util/read-all.js';
import { failure } from '../../support/memory-source.js';

type StorageName = ImageName & { transport: 'containers-storage' };

const LAYERS = ['1'.repeat(64), '2'.repeat(64)] as const;
const IMAGE = 'a'.repeat(64);

const whole = async (stream: AsyncIterable<unknown>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** tar-split's metadata: segments are bytes, files a name and a size. */
function metadata(...entries: (Buffer | { name: string | Buffer; size: number })[]): Buffer {
  const lines = entries.map((entry, position) => {
    if (Buffer.isBuffer(entry)) return { type: 2, payload: entry.toString('base64'), position };
    const { name, size } = entry;
    const raw = Buffer.isBuffer(name) ? { name_raw: name.toString('base64') } : { name };
    return { type: 1, ...raw, size, payload: 'AAAAAAAAAAA=', position };
  });
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

describe('transports: a layer from tar-split', () => {
  let directory: string;
  let tree: string;
  let path: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-split-'));
    tree = join(directory, 'diff');
    path = join(directory, 'x.tar-split.gz');
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    writeFileSync(join(tree, 'a/one'), '1'.repeat(700_000));
    writeFileSync(join(tree, 'a/b/two'), 'two');
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xff, 0xfe])]), 'odd');
    symlinkSync('/etc', join(tree, 'etc'));
    symlinkSync('/etc/passwd', join(tree, 'passwd'));
    execFileSync('mkfifo', [join(tree, 'fifo')]);
  });
  after(() => rmSync(directory, { recursive: true }));

  const assemble = async (...entries: Parameters<typeof metadata>): Promise<Buffer> => {
    writeFileSync(path, metadata(...entries));
    return whole(assembleLayer(path, tree));
  };

  it('is its headers and its files, in the order of the archive', async () => {
    const bytes = await assemble(
      ...[
        Buffer.from('[1]'),
        { name: './a/one', size: 700_000 },
        Buffer.from('[2]'),
        { name: 'a/empty', size: 0 },
      ],
      ...[
        Buffer.from('[3]'),
        { name: 'a/b/two', size: 3 },
        { name: Buffer.from('a/\xff\xfe', 'latin1'), size: 3 },
      ],
      ...[Buffer.from('[end]')],
    );
    expect(bytes.toString()).to.equal(`[1]${'1'.repeat(700_000)}[2][3]twoodd[end]`);
  });

  it('takes nothing that is outside of the tree, and nothing that is no file', async () => {
    for (const name of [
      '../x',
      'a/../../x',
      '..',
      '/',
      'passwd',
      'etc/passwd',
      'a',
      'fifo',
      'a/one/x',
      'gone',
    ]) {
      const error = await failure(assemble({ name, size: 3 }));
      expect(error.code, name).to.be.oneOf(['ERR_INVALID_IMAGE', 'ERR_NO_SUCH_PATH', 'ERR_IO']);
    }
  });

  it('fails where a file has changed its size, or the metadata is damaged', async () => {
    expect((await failure(assemble({ name: 'a/b/two', size: 4 }))).message).to.include('another size');
    for (const bytes of [gzipSync('{"type":9}\n'), gzipSync('no\n'), gzipSync('{"type":2,"payload":3}\n')]) {
      writeFileSync(path, bytes);
      expect((await failure(whole(assembleLayer(path, tree)))).code).to.equal('ERR_INVALID_IMAGE');
    }
    writeFileSync(path, metadata(Buffer.from('x')).subarray(0, -6));
    expect((await failure(whole(assembleLayer(path, tree)))).code).to.equal('ERR_INVALID_IMAGE');
    expect((await failure(whole(assembleLayer(`${path}.none`, tree)))).code).to.equal('ERR_NO_SUCH_PATH');
  });
});

describe("transports: podman's store", () => {
  let root: string;
  const config = Buffer.from(
    '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
  );
  const layers = LAYERS.map((id) => Buffer.from(`layer ${id}`));
  const pulled: Manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: layers.map((bytes) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: digestOf(gzipSync(bytes)),
      size: 1,
    })),
  };
  const manifest = Buffer.from(JSON.stringify(pulled));
  const name = (image: string): StorageName =>
    parseImageName(`containers-storage:[overlay@${root}+/run/none]${image}`) as StorageName;

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'vaina-podman-'));
    const big: Record<string, Buffer> = {
      manifest,
      [`=${Buffer.from(digestOf(config)).toString('base64')}`]: config,
      [`=${Buffer.from(`signature-${digestOf(manifest).slice(7)}`).toString('base64')}`]: Buffer.concat([
        Buffer.from([0x89, 1, 2]),
        Buffer.from('\0sigstore-json\n{"mimeType":"a/b","payload":"eA==","annotations":{"k":"v"}}'),
      ]),
    };
    const signature = `signature-${digestOf(manifest).slice(7)}`;
    const sizes = { 'signatures-sizes': { [digestOf(manifest)]: [3, 75] } };
    sizes['signatures-sizes'][digestOf(manifest)] = [3, Object.values(big)[2]!.length - 3];
    mkdirSync(join(root, 'overlay-images', IMAGE), { recursive: true });
    for (const [file, bytes] of Object.entries(big))
      writeFileSync(join(root, 'overlay-images', IMAGE, file), bytes);
    writeFileSync(
      join(root, 'overlay-images/images.json'),
      JSON.stringify([
        {
          id: IMAGE,
          digest: digestOf(manifest),
          names: ['localhost/app:1', 'docker.io/library/app:latest'],
          layer: LAYERS[1],
          metadata: JSON.stringify(sizes),
          'big-data-names': ['manifest', digestOf(config), signature],
          'big-data-digests': { manifest: digestOf(manifest) },
        },
        { id: 'ab'.repeat(32), names: null, layer: '9'.repeat(64) },
      ]),
    );
    mkdirSync(join(root, 'overlay-layers'));
    writeFileSync(
      join(root, 'overlay-layers/layers.json'),
      JSON.stringify(
        LAYERS.map((id, i) => ({
          id,
          ...(i > 0 && { parent: LAYERS[i - 1] }),
          'diff-digest': digestOf(layers[i]!),
          'diff-size': layers[i]!.length,
        })),
      ),
    );
    for (const [i, id] of LAYERS.entries()) {
      mkdirSync(join(root, 'overlay', id, 'diff'), { recursive: true });
      writeFileSync(join(root, 'overlay-layers', `${id}.tar-split.gz`), metadata(layers[i]!));
    }
  });
  after(() => rmSync(root, { recursive: true }));

  it('gives an image by name, id and digest, with plain layers of the right digests', async () => {
    for (const image of [
      'app',
      'localhost/app:1',
      IMAGE,
      'aaaa',
      `app@${IMAGE}`,
      `app@${digestOf(manifest)}`,
    ]) {
      const source = await containersStorageSource(name(image));
      const raw = await source.manifest();
      const { layers: plain } = JSON.parse(raw.bytes.toString()) as Manifest;
      expect(
        plain.map(({ digest }) => digest),
        image,
      ).to.deep.equal(layers.map((bytes) => digestOf(bytes)));
      for (const layer of plain) {
        const hash = createHash('sha256');
        for await (const chunk of await source.blob(layer)) hash.update(chunk as Buffer);
        expect(`sha256:${hash.digest('hex')}`).to.equal(layer.digest);
      }
      const found = await readAll(await source.blob(pulled.config), 1000, () => new Error('large'));
      expect(found.equals(config)).to.equal(true);
    }
  });

  it('gives the manifest as it was pulled when that is wanted, and its signatures', async () => {
    const source = await containersStorageSource(name('app'), { asPulled: true });
    const raw = await source.manifest();
    expect(raw.bytes.equals(manifest)).to.equal(true);
    expect(await source.signatures?.(raw.digest)).to.deep.equal([
      { kind: 'simple', bytes: Buffer.from([0x89, 1, 2]) },
      { kind: 'sigstore', mediaType: 'a/b', payload: Buffer.from('x'), annotations: { k: 'v' } },
    ]);
  });

  it('locks each list while it is read', async () => {
    const calls: string[] = [];
    const lock = async (path: string): Promise<() => void> => {
      calls.push(path.slice(root.length));
      return () => void calls.push('released');
    };
    await containersStorageSource(name('app'), { lock });
    const expected = ['/overlay-images/images.lock', 'released', '/overlay-layers/layers.lock', 'released'];
    expect(calls).to.deep.equal(expected);
  });

  it('says what is missing, in the words of skopeo', async () => {
    const missing = await failure(containersStorageSource(name('other')));
    expect(missing.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(missing.message).to.include(
      `"[overlay@${root}+/run/none]docker.io/library/other:latest" does not resolve`,
    );
    expect((await failure(containersStorageSource(name('@12345')))).message).to.include(
      'does not look like an image ID',
    );
    expect((await failure(containersStorageSource(name('abab')))).message).to.include('is missing');
    const driver = parseImageName(`containers-storage:[vfs@${root}]app`) as StorageName;
    expect((await failure(containersStorageSource(driver))).code).to.equal('ERR_UNSUPPORTED');
  });

  it('is where storage.conf says', async () => {
    const home = join(root, 'home');
    mkdirSync(join(home, '.config/containers'), { recursive: true });
    const conf = join(home, '.config/containers/storage.conf');
    const user = (uid: number, env: NodeJS.ProcessEnv = {}) => ({ uid, env: { HOME: home, ...env } });
    const before = await locateStorage(undefined, user(1000));
    expect(before.root).to.equal(join(home, '.local/share/containers/storage'));
    writeFileSync(
      conf,
      '[storage]\ndriver="overlay"\nrootless_storage_path="$HOME/own/$UID"\n[storage.options]\nadditionalimagestores=["/more"]\n',
    );
    const found = await locateStorage(undefined, user(1000));
    expect(found).to.deep.include({
      root: join(home, 'own/1000'),
      additional: ['/more'],
      runroot: '/run/user/1000/containers',
    });
    writeFileSync(conf, '[storage]\ndriver="overlay"\ngraphroot="/g"\nrunroot="/r"\n');
    const named = await locateStorage(undefined, user(0, { CONTAINERS_STORAGE_CONF: conf }));
    expect(named).to.deep.equal({ driver: 'overlay', root: '/g', runroot: '/r', additional: [] });
    writeFileSync(conf, 'storage = 3');
    expect((await failure(locateStorage(undefined, user(1000)))).code).to.equal('ERR_INVALID_OPTION');
  });
});
