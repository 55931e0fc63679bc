import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { ErrorCode } from '../../lib/errors.js';
import { Engine } from '../../lib/index.js';
import { expectError, makeBusyboxRoot, packRoot, removeAll, useEngine } from '../support/containers.js';
import { expectNothingLeft, takeCensus } from '../support/leftovers.js';
import { requires } from '../support/requires.js';

/** Names and sizes of every file of the store but the database: what a refused request must leave as it was. */
function storeFiles(root: string): string[] {
  const output = execFileSync(
    'find',
    [root, '-not', '-name', 'vaina.db*', '-type', 'f', '-printf', '%P %s\n'],
    { encoding: 'utf8' },
  );
  return output.split('\n').sort();
}

const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

describe('bad input', function () {
  this.timeout(60_000);
  requires('root');
  const box = useEngine();

  /** Runs `work`, which must be refused with `code`, and checks that the store is as it was. */
  async function refuse(code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
    const files = storeFiles(box.root);
    const containers = (await box.engine.containers.list({ all: true })).map((container) => container.id);
    const images = (await box.engine.images.list()).map((image) => `${image.id} ${image.names.join()}`);
    const census = takeCensus(box);
    await expectError(code, work);
    expect(storeFiles(box.root)).to.deep.equal(files);
    expect((await box.engine.containers.list({ all: true })).map((container) => container.id)).to.deep.equal(
      containers,
    );
    expect(
      (await box.engine.images.list()).map((image) => `${image.id} ${image.names.join()}`),
    ).to.deep.equal(images);
    await expectNothingLeft(census, box);
  }

  const run =
    (options: object, argv: readonly string[] = ['true']) =>
    (): Promise<unknown> =>
      box.engine.run(box.image, argv, options);

  it('an unknown option', async () => {
    await refuse('ERR_INVALID_OPTION', run({ memroy: '64m' }));
    await refuse('ERR_INVALID_OPTION', () =>
      box.engine.containers.create(box.image, { nonsense: true } as object),
    );
    await refuse('ERR_INVALID_OPTION', () =>
      box.engine.images.pull('localhost/x', { nonsense: true } as object),
    );
    // Before the image is looked for.
    await refuse('ERR_INVALID_OPTION', () =>
      box.engine.run('localhost/missing', ['true'], { pull: 'never', maxBuffer: -1 }),
    );
    await refuse('ERR_INVALID_OPTION', () => Engine.open({ nonsense: '/x' } as object));
  });

  it('an option of the wrong type', async () => {
    await refuse('ERR_INVALID_OPTION', run({ env: ['A=b'] }));
    await refuse('ERR_INVALID_OPTION', run({ env: { 'A=B': 'c' } }));
    await refuse('ERR_INVALID_OPTION', run({ env: { A: 'nul\0byte' } }));
    await refuse('ERR_INVALID_OPTION', run({ volumes: '/a:/b' }));
    await refuse('ERR_INVALID_OPTION', run({ tty: 'yes' }));
    await refuse('ERR_INVALID_OPTION', run({}, ['true', 'nul\0byte']));
    await refuse('ERR_INVALID_OPTION', run({ hostname: 'has space' }));
    await refuse('ERR_INVALID_OPTION', run({ stopSignal: 'SIGNONSENSE' }));
  });

  it('contradictory options', async () => {
    await refuse('ERR_INVALID_OPTION', run({ memorySwap: '64m' }));
    await refuse('ERR_INVALID_OPTION', run({ memory: '64m', memorySwap: '32m' }));
    await refuse('ERR_INVALID_OPTION', run({ rootfs: '/tmp' }));
    await refuse('ERR_INVALID_OPTION', () => box.engine.run(null, ['true']));
    await refuse('ERR_INVALID_OPTION', run({ volumes: [`${box.directory}:/a`, `${box.directory}:/a`] }));
  });

  it('a missing image', async () => {
    await refuse('ERR_NO_SUCH_IMAGE', () =>
      box.engine.run('localhost/no-such-image', ['true'], { pull: 'never' }),
    );
    await refuse('ERR_NO_SUCH_IMAGE', () => box.engine.images.get('localhost/no-such-image'));
    await refuse('ERR_NO_SUCH_IMAGE', () => box.engine.images.get('f'.repeat(64)));
  });

  it('a missing bind source', async () => {
    await refuse('ERR_NO_SUCH_PATH', run({ volumes: ['/no/such/source:/data'] }));
  });

  it('a name in use, and names that none may have', async () => {
    const first = await box.engine.containers.create(box.image, { name: 'taken', command: ['true'] });
    await refuse('ERR_NAME_IN_USE', () =>
      box.engine.containers.create(box.image, { name: 'taken', command: ['true'] }),
    );
    for (const name of ['..', '.', 'a/b', '', 'x'.repeat(4096), 'right\u202eleft', '-dash', 'new\nline']) {
      await refuse('ERR_INVALID_NAME', () =>
        box.engine.containers.create(box.image, { name, command: ['true'] }),
      );
    }
    await first.remove();
  });

  it('malformed references', async () => {
    for (const reference of [
      '',
      'docker.io/UPPER/case',
      'a b',
      'x:tag:tag',
      'x@sha256:short',
      'x@md5:0',
      'http://x/y',
      '../x',
      'x/../y',
      `x:${'t'.repeat(200)}`,
    ]) {
      await refuse('ERR_INVALID_REFERENCE', () => box.engine.images.pull(reference));
    }
  });

  it('ids that do not exist, and what is no id', async () => {
    for (const id of ['f'.repeat(64), 'no-such-container', '..', 'a/b']) {
      await refuse('ERR_NO_SUCH_CONTAINER', () => box.engine.containers.get(id));
    }
  });

  it('archives that are none, or cut short', async () => {
    const archive = join(box.directory, 'cut.tar');
    execFileSync('cp', [join(box.directory, 'busybox-root.tar'), archive]);
    truncateSync(archive, 100_000);
    await refuse('ERR_INVALID_LAYER', () =>
      box.engine.images.import(archive, { reference: 'localhost/cut' }),
    );
    const noise = join(box.directory, 'noise');
    writeFileSync(noise, randomBytes(100_000));
    await refuse('ERR_INVALID_LAYER', () =>
      box.engine.images.import(noise, { reference: 'localhost/noise' }),
    );
    await refuse('ERR_INVALID_IMAGE', () => box.engine.images.load(noise));
    await refuse('ERR_INVALID_IMAGE', () => box.engine.images.load(join(box.directory, 'busybox-root.tar')));
    await refuse('ERR_NO_SUCH_PATH', () => box.engine.images.load('/no/such/archive'));
  });

  describe('a registry that lies', () => {
    let server: Server;
    let host: string;
    const blobs = new Map<string, Buffer>();
    /** Digest → what is sent instead. */
    const lies = new Map<string, Buffer>();
    let manifest: Buffer;
    let layer: string;
    let config: string;

    before(async () => {
      const tar = execFileSync('tar', ['-C', '/etc', '-cf', '-', 'hostname'], { encoding: 'buffer' });
      const bytes = gzipSync(tar);
      layer = sha256(bytes);
      blobs.set(layer, bytes);
      const text = Buffer.from(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          config: {},
          rootfs: { type: 'layers', diff_ids: [sha256(tar)] },
        }),
      );
      config = sha256(text);
      blobs.set(config, text);
      manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          config: {
            mediaType: 'application/vnd.oci.image.config.v1+json',
            digest: config,
            size: text.length,
          },
          layers: [
            { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: layer, size: bytes.length },
          ],
        }),
      );
      server = createServer((request, response) => {
        const digest = request.url?.split('/').at(-1) ?? '';
        if (request.url === '/v2/') return void response.end('{}');
        const body = request.url?.includes('/manifests/')
          ? (lies.get('manifest') ?? manifest)
          : (lies.get(digest) ?? blobs.get(digest));
        if (!body) return void response.writeHead(404).end();
        const type = request.url?.includes('/manifests/')
          ? 'application/vnd.oci.image.manifest.v1+json'
          : 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'docker-content-digest': sha256(manifest) });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    });

    after(() => {
      server?.closeAllConnections();
      server?.close();
    });

    const pull = () => (): Promise<unknown> =>
      box.engine.images.pull(`${host}/lying:latest`, { tlsVerify: false, retryDelay: 1 });

    const changed = (bytes: Buffer | undefined): Buffer => {
      const copy = Buffer.from(bytes ?? []);
      copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
      return copy;
    };

    it('one wrong byte in a layer', async () => {
      lies.set(layer, changed(blobs.get(layer)));
      await refuse('ERR_DIGEST_MISMATCH', pull());
      lies.clear();
    });

    it('a layer cut short', async () => {
      lies.set(layer, (blobs.get(layer) as Buffer).subarray(0, -5));
      await refuse('ERR_DIGEST_MISMATCH', pull());
      lies.clear();
    });

    it('one wrong byte in the configuration', async () => {
      lies.set(config, changed(blobs.get(config)));
      await refuse('ERR_DIGEST_MISMATCH', pull());
      lies.clear();
    });

    it('a manifest that is another one than was asked for by digest', async () => {
      lies.set('manifest', Buffer.concat([manifest, Buffer.from(' ')]));
      await refuse('ERR_DIGEST_MISMATCH', () =>
        box.engine.images.pull(`${host}/lying@${sha256(manifest)}`, { tlsVerify: false }),
      );
      lies.clear();
    });

    it('a manifest that is no manifest', async () => {
      for (const text of ['', '{', '[]', '{"schemaVersion":2}']) {
        lies.set('manifest', Buffer.from(text));
        await refuse('ERR_INVALID_IMAGE', pull());
      }
      lies.clear();
    });

    it('the truth, after all that', async () => {
      const image = await box.engine.images.pull(`${host}/lying:latest`, { tlsVerify: false });
      expect(image.id).to.equal(config.slice('sha256:'.length));
      await image.remove();
    });
  });

  describe('a full disk', () => {
    requires('mount');
    let mount: string;

    before(() => {
      mount = join(box.directory, 'small');
      mkdirSync(mount);
    });

    afterEach(() => {
      execFileSync('umount', ['-l', mount], { stdio: 'ignore' });
    });

    function mountSmall(size: string): void {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', mount]);
    }

    it('in the middle of storing an image: one error, nothing half there, and work goes on when there is room', async () => {
      mountSmall('6m');
      const engine = await Engine.open({ root: join(mount, 'root'), runroot: box.runroot });
      const parent = join(box.directory, 'big');
      mkdirSync(parent);
      const root = makeBusyboxRoot(parent);
      writeFileSync(join(root, 'big'), randomBytes(8 * 1048576));
      // Locks are empty files that stay for the next one who wants them.
      const entries = (): string[] =>
        readdirSync(join(mount, 'root'))
          .filter((name) => !name.endsWith('.lock'))
          .sort();
      const before = entries();
      await expectError('ERR_NO_SPACE', engine.images.import(packRoot(root), { reference: 'localhost/big' }));
      expect(await engine.images.list()).to.deep.equal([]);
      expect(entries()).to.deep.equal(before);
      const { bavail, bsize } = statfsSync(mount);
      expect(bavail * bsize, 'room after the failure').to.be.greaterThan(4 * 1048576);
      await engine.images.import(join(box.directory, 'busybox-root.tar'), {
        reference: 'localhost/small',
        changes: ['ENV PATH=/bin'],
      });
      expect((await engine.run('localhost/small', ['echo', 'fine'])).stdout).to.equal('fine\n');
      await engine.close();
    });

    it('under running containers: list, exec, stop and remove still work, and create says what is wrong', async () => {
      mountSmall('24m');
      const engine = await Engine.open({ root: join(mount, 'root'), runroot: box.runroot });
      await engine.images.import(join(box.directory, 'busybox-root.tar'), {
        reference: 'localhost/small',
        changes: ['ENV PATH=/bin'],
      });
      const running = await engine.containers.run('localhost/small', { command: ['sleep', '1000'] });
      try {
        writeFileSync(join(mount, 'filler'), Buffer.alloc(64 * 1048576));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).to.equal('ENOSPC');
      }
      expect(statfsSync(mount).bavail).to.equal(0);
      expect((await engine.containers.list()).map((container) => container.id)).to.deep.equal([running.id]);
      expect((await running.inspect()).State.Status).to.equal('running');
      expect((await running.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
      await expectError('ERR_NO_SPACE', engine.containers.create('localhost/small', { command: ['true'] }));
      await running.stop({ timeout: 0 });
      expect((await running.wait()).exitCode).to.equal(137);
      await running.remove();
      expect(await engine.containers.list({ all: true })).to.deep.equal([]);
      await removeAll(engine);
      await engine.close();
    });
  });
});
