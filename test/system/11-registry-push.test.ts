import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { copy } from '../../lib/oci/copy.js';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import type { RawManifest, Signature } from '../../lib/oci/types.js';
import {
  catalog,
  deleteManifest,
  deleteTag,
  listTags,
  ping,
  referrers,
  registrySink,
  registrySource,
  type RegistrySinkOptions,
} from '../../lib/registry/index.js';
import { pushWhole } from '../support/fake-push.js';
import { descriptorOf, makeImage, makeIndex, skopeo, tarOf, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { failure, MemorySource } from '../support/memory-source.js';
import { Podman } from '../support/podman.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { until } from '../support/programs.js';
import { requires } from '../support/requires.js';

const env = { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
const user = { username: 'tester', password: 'pass:word' };

describe('writing to a real registry', () => {
  requires('docker-registry', 'skopeo');
  checkLeftovers();
  let directory: string;
  let image: TestImage;
  let large: TestImage;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-system-push-'));
    const layers = await Promise.all(['a', 'b', 'c'].map((name) => tarOf([{ name, content: name }])));
    image = await makeImage({ layers });
    large = await makeImage({ layers: [await tarOf([{ name: 'big', content: randomBytes(5_000_000) }])] });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  describe('with TLS and users', () => {
    let registry: RunningRegistry;
    let options: RegistrySinkOptions;
    let certDir: string;
    before(async function () {
      this.timeout(30_000);
      registry = await startRegistry({ tls: true, users: [user] });
      certDir = registry.certDir ?? '';
      options = { env, retryDelay: 10, certDir, credentials: user };
    });
    after(() => registry?.stop());

    const push = (one: TestImage, name: string, more: RegistrySinkOptions = {}): Promise<unknown> =>
      copy(MemorySource.of(one), registrySink(`${registry.host}/${name}`, { ...options, ...more }));
    const creds = `${user.username}:${user.password}`;
    const digestBySkopeo = (name: string): string =>
      (
        JSON.parse(
          skopeo(
            'inspect',
            '--no-tags',
            '--creds',
            creds,
            '--cert-dir',
            certDir,
            `docker://${registry.host}/${name}`,
          ),
        ) as { Digest: string }
      ).Digest;
    const logged = (pattern: RegExp, since = 0): number =>
      registry
        .log()
        .slice(since)
        .split('\n')
        .filter((line) => line.includes('response completed') && pattern.test(line)).length;

    it('takes an image in one piece and in chunks, and skopeo reads it with the same digest', async () => {
      await push(image, 'whole:1');
      await push(large, 'chunked:1', { chunkSize: 1024 * 1024 });
      expect(digestBySkopeo('whole:1')).to.equal(image.manifest.descriptor.digest);
      expect(digestBySkopeo('chunked:1')).to.equal(large.manifest.descriptor.digest);
      const chunks = Math.ceil((large.layers[0]?.bytes.length ?? 0) / 1024 / 1024);
      // It answers before it writes its log.
      await until('each chunk is in the log', () => logged(/method=PATCH/) >= chunks);
      expect(logged(/method=PATCH/)).to.equal(chunks);
      const to = join(directory, 'by-skopeo');
      skopeo(
        'copy',
        '--src-creds',
        creds,
        '--src-cert-dir',
        certDir,
        `docker://${registry.host}/chunked:1`,
        `dir:${to}`,
      );
      const source = registrySource(`${registry.host}/whole:1`, options);
      expect((await source.manifest()).bytes.equals(image.manifest.bytes)).to.equal(true);
      await source.close();
    });

    it('is given nothing that it has, and mounts what another repository has', async () => {
      const isLogged = async (tag: string): Promise<void> =>
        until(`${tag} is in the log`, () => logged(new RegExp(`method=PUT.*/from/manifests/${tag}`)) > 0);
      await push(image, 'from:1');
      await isLogged('1');
      let since = registry.log().length;
      await push(image, 'from:2');
      await isLogged('2');
      expect(logged(/method=POST/, since)).to.equal(0);
      since = registry.log().length;
      await push(image, 'mounted:1', { mountFrom: [`${registry.host}/from`] });
      await until('the manifest is in the log', () => logged(/method=PUT/, since) > 0);
      expect([logged(/method=POST/, since), logged(/method=PUT/, since)]).to.deep.equal([4, 1]);
      expect(digestBySkopeo('mounted:1')).to.equal(image.manifest.descriptor.digest);
    });

    it('takes an index of four platforms, and skopeo reads all of it', async () => {
      const images = await Promise.all(
        ['amd64', 'arm64', 's390x', 'riscv64'].map((architecture) =>
          makeImage({ platform: { os: 'linux', architecture }, config: { User: architecture } }),
        ),
      );
      const { bytes, descriptor } = makeIndex(images);
      const top: RawManifest = { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest };
      await pushWhole(registrySink(`${registry.host}/multi:1`, options), images, { top });
      const to = join(directory, 'multi');
      skopeo(
        'copy',
        '--all',
        '--src-creds',
        creds,
        '--src-cert-dir',
        certDir,
        `docker://${registry.host}/multi:1`,
        `oci:${to}`,
      );
      expect(digestBySkopeo(`multi@${descriptor.digest}`)).to.equal(descriptor.digest);
    });

    it('lists tags by pages and repositories, and lets in who has the password', async () => {
      for (const tag of ['1', '2', '3', '4', '5']) await push(image, `tags:${tag}`);
      const since = registry.log().length;
      expect((await listTags(`${registry.host}/tags`, { ...options, pageSize: 2 })).sort()).to.deep.equal([
        '1',
        '2',
        '3',
        '4',
        '5',
      ]);
      // This registry gives all tags at once, and unsorted.
      await until('the page is in the log', () => logged(/tags\/list\?n=2/, since) > 0);
      expect(await catalog(registry.host, { ...options, pageSize: 1 })).to.include.members(['tags', 'whole']);
      expect(await ping(registry.host, options)).to.equal(`https://${registry.host}`);
      expect((await failure(ping(registry.host, { env, certDir }))).code).to.equal('ERR_UNAUTHORIZED');
      expect((await failure(listTags(`${registry.host}/nosuch`, options))).code).to.equal(
        'ERR_NO_SUCH_IMAGE',
      );
    });

    it('deletes what a tag stands for', async () => {
      await push(large, 'deleted:1');
      const digest = await deleteManifest(`${registry.host}/deleted:1`, options);
      expect(digest).to.equal(large.manifest.descriptor.digest);
      expect((await failure(deleteManifest(`${registry.host}/deleted:1`, options))).code).to.equal(
        'ERR_NO_SUCH_IMAGE',
      );
      expect((await failure(deleteTag(`${registry.host}/whole:1`, options))).code).to.equal(
        'ERR_UNSUPPORTED',
      );
    });

    it('has referrers by the tag that clients keep', async () => {
      await push(image, 'subject:1');
      const subject = image.manifest.descriptor;
      const empty = Buffer.from('{}');
      const artifact = (n: number): RawManifest => {
        const bytes = Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: MEDIA.ociManifest,
            artifactType: `application/vnd.example.${n}`,
            config: descriptorOf(empty, MEDIA.ociEmpty),
            layers: [descriptorOf(empty, MEDIA.ociEmpty)],
            subject,
            annotations: { n: String(n) },
          }),
        );
        return { bytes, mediaType: MEDIA.ociManifest, digest: descriptorOf(bytes, '').digest };
      };
      const { Readable } = await import('node:stream');
      for (const n of [1, 2]) {
        const raw = artifact(n);
        const sink = registrySink(`${registry.host}/subject@${raw.digest}`, options);
        const blob = descriptorOf(empty, MEDIA.ociEmpty);
        if (!(await sink.hasBlob(blob, { kind: 'data' })))
          await sink.putBlob(blob, Readable.from([empty]), { kind: 'data' });
        await sink.commit({ top: raw, manifests: [], indexes: [], signatures: new Map() });
        await sink.close();
      }
      const found = await referrers(`${registry.host}/subject:1`, options);
      expect(found.map(({ annotations }) => annotations?.['n'])).to.deep.equal(['1', '2']);
      const one = await referrers(`${registry.host}/subject@${subject.digest}`, {
        ...options,
        artifactType: 'application/vnd.example.2',
      });
      expect(one.map(({ digest }) => digest)).to.deep.equal([artifact(2).digest]);
      await deleteManifest(`${registry.host}/subject@${artifact(1).digest}`, options);
      expect(
        (await referrers(`${registry.host}/subject:1`, options)).map(({ digest }) => digest),
      ).to.deep.equal([artifact(2).digest]);
    });

    it("keeps signatures of sigstore where skopeo looks for them, and reads skopeo's", async () => {
      const { digest } = image.manifest.descriptor;
      const signature = (n: number): Signature => ({
        kind: 'sigstore',
        mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
        payload: Buffer.from(`{"critical":${n}}`),
        annotations: { 'dev.cosignproject.cosign/signature': `sig-${n}` },
      });
      const attaching = { ...options, sigstoreAttachments: true };
      for (const n of [1, 1, 2]) {
        await pushWhole(registrySink(`${registry.host}/signed:1`, attaching), [image], {
          signatures: new Map([[digest, [signature(n)]]]),
        });
      }
      const read = async (name: string): Promise<readonly Signature[]> => {
        const source = registrySource(`${registry.host}/${name}`, attaching);
        return (source.signatures?.(digest) ?? Promise.resolve([])).finally(() => source.close());
      };
      expect(await read('signed:1')).to.deep.equal([signature(1), signature(2)]);
      expect(await read('whole:1')).to.deep.equal([]);
      const configured = join(directory, 'registries.d');
      mkdirSync(configured);
      writeFileSync(join(configured, 'default.yaml'), 'default-docker:\n  use-sigstore-attachments: true\n');
      skopeo(
        ...['--registries.d', configured, 'copy', '--src-creds', creds, '--dest-creds', creds],
        ...['--src-cert-dir', certDir, '--dest-cert-dir', certDir],
        ...[`docker://${registry.host}/signed:1`, `docker://${registry.host}/resigned:1`],
      );
      expect(await read('resigned:1')).to.deep.equal([signature(1), signature(2)]);
    });

    it('goes on with an upload that a bad line has cut', async () => {
      const line = await badLine(registry.host, 3_000_000);
      try {
        const sink = registrySink(`localhost:${line.port}/cut:1`, options);
        await copy(MemorySource.of(large), sink);
        expect(line.cuts()).to.equal(1);
        expect(digestBySkopeo('cut:1')).to.equal(large.manifest.descriptor.digest);
      } finally {
        await line.stop();
      }
    });

    describe('and podman', () => {
      requires('podman', 'mount');
      it('pulls what was written, with the same digest', async function () {
        this.timeout(60_000);
        await push(image, 'podman:1');
        const podman = new Podman(directory);
        try {
          const name = `${registry.host}/podman:1`;
          podman.output('pull', '--quiet', '--creds', creds, '--cert-dir', certDir, name);
          expect(podman.output('image', 'inspect', '--format', '{{.Digest}}', name).trim()).to.equal(
            image.manifest.descriptor.digest,
          );
        } finally {
          podman.output('rmi', '--all', '--force');
          podman.dispose();
        }
      });
    });
  });

  describe('behind a server of tokens', () => {
    let registry: RunningRegistry;
    let gate: Server;
    let host: string;
    let given: string[];
    before(async function () {
      this.timeout(30_000);
      registry = await startRegistry();
      given = [];
      gate = createServer((incoming, response) => {
        const url = new URL(incoming.url ?? '', `http://${host}`);
        if (url.pathname === '/token') {
          const token = Buffer.from(url.searchParams.getAll('scope').join(' ')).toString('base64url');
          // Each lives for one request to write.
          given.push(token);
          response.end(JSON.stringify({ token: `${token}.${given.length}`, expires_in: 1 }));
          return;
        }
        const shown = /^Bearer ([\w-]*)\.([0-9]+)$/.exec(incoming.headers.authorization ?? '');
        const scope = Buffer.from(shown?.[1] ?? '', 'base64url').toString();
        const writes = incoming.method !== 'GET' && incoming.method !== 'HEAD';
        const allowed = scope.includes(writes ? 'pull,push' : 'pull') && Number(shown?.[2]) === given.length;
        if (!allowed) {
          incoming.resume();
          const challenge = `Bearer realm="http://${host}/token",service="gate"`;
          response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
          return;
        }
        if (writes) given.push('spent');
        const unauthorized = { ...incoming.headers };
        delete unauthorized.authorization;
        incoming.pipe(
          request(
            {
              host: '127.0.0.1',
              port: registry.host.split(':')[1],
              path: incoming.url,
              method: incoming.method,
              headers: unauthorized,
            },
            (answer: IncomingMessage) => {
              response.writeHead(answer.statusCode ?? 500, answer.headers);
              answer.pipe(response);
            },
          ),
        );
      }).listen(0, '127.0.0.1');
      await once(gate, 'listening');
      host = `127.0.0.1:${(gate.address() as AddressInfo).port}`;
    });
    after(async () => {
      gate?.closeAllConnections();
      gate?.close();
      await registry?.stop();
    });

    it('takes an image although each token is good for one request only', async () => {
      const sink = registrySink(`${host}/tokens:1`, { env, tlsVerify: false });
      await copy(MemorySource.of(large), sink);
      const source = registrySource(`${registry.host}/tokens:1`, { env, tlsVerify: false });
      expect((await source.manifest()).digest).to.equal(large.manifest.descriptor.digest);
      await source.close();
      expect(given.filter((each) => each !== 'spent').length).to.be.at.least(4);
    });
  });
});

/** A way to a registry that breaks once so many bytes have gone up. */
async function badLine(
  target: string,
  after: number,
): Promise<{ port: number; cuts: () => number; stop(): Promise<void> }> {
  const { connect, createServer: createLine } = await import('node:net');
  let left = after;
  let cuts = 0;
  const line = createLine((client) => {
    const server = connect(Number(target.split(':')[1]), '127.0.0.1');
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('data', (chunk) => {
      const before = left;
      left -= chunk.length;
      if (before > 0 && left <= 0) {
        cuts++;
        client.destroy();
        server.destroy();
      } else if (!server.write(chunk)) {
        client.pause();
        server.once('drain', () => client.resume());
      }
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    server.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(line, 'listening');
  return {
    port: (line.address() as AddressInfo).port,
    cuts: () => cuts,
    stop: async () => {
      line.close();
      await once(line, 'close');
    },
  };
}
