import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/index.js';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import type { ListeningRegistry } from '../../lib/registry-server/index.js';
import {
  layoutEntries,
  blobsOf,
  makeBusyboxImage,
  makeImage,
  makeIndex,
  writeTree,
} from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { Podman } from '../support/podman.js';
import { makeDirectory, removeDirectory, runProgram } from '../support/programs.js';
import { makeCertificates } from '../support/registry.js';
import { ask, pushBlob, pushImage } from '../support/registry-client.js';
import { requires } from '../support/requires.js';

/** Runs a program that must succeed; not by waiting for it alone, since it talks to this process. */
async function succeed(command: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(command, args);
  expect(exitCode, `${command} ${args.join(' ')}: ${stderr}`).to.equal(0);
  return stdout;
}
const skopeo = (...args: readonly string[]): Promise<string> =>
  succeed('skopeo', '--insecure-policy', ...args);

describe('the registry and its peers', function () {
  this.timeout(60_000);
  requires('root', 'skopeo', 'podman', 'busybox');
  checkLeftovers();
  let directory: string;
  const errors: unknown[] = [];
  let engine: Engine;
  let plain: ListeningRegistry;
  let secure: ListeningRegistry;
  let certDir: string;

  before(async () => {
    directory = makeDirectory();
    engine = await Engine.open({ root: join(directory, 'root'), runroot: join(directory, 'run') });
    const certificates = makeCertificates(directory);
    certDir = certificates.certDir;
    const registry = engine.registry({
      images: true,
      adopt: 'localhost',
      onError: (error) => errors.push(error),
    });
    plain = await registry.listen();
    secure = await registry.listen({
      tls: { cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) },
    });
    const busybox = await makeBusyboxImage();
    const zstd = await makeImage({ compress: 'zstd', docker: false });
    const arm = await makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const index = makeIndex([busybox, arm]);
    const images: [string, Buffer[], { bytes: Buffer; descriptor: (typeof index)['descriptor'] }][] = [
      ['busybox', blobsOf(busybox), busybox.manifest],
      ['zstd', blobsOf(zstd), zstd.manifest],
      ['index', [...blobsOf(busybox), ...blobsOf(arm), index.bytes], index],
    ];
    for (const [name, blobs, top] of images) {
      const entries = layoutEntries([{ descriptor: top.descriptor, name: 'image' }], [...blobs, top.bytes]);
      writeTree(join(directory, name), entries);
    }
  });
  after(async () => {
    await engine?.close();
    if (directory) removeDirectory(directory);
  });

  it('takes and gives skopeo images over TLS of an own authority', async () => {
    const host = `localhost:${secure.port}`;
    const tls = ['--dest-cert-dir', certDir];
    for (const name of ['busybox', 'zstd', 'index']) {
      await skopeo(
        'copy',
        '-q',
        '--all',
        ...tls,
        `oci:${directory}/${name}:image`,
        `docker://${host}/team/${name}:v1`,
      );
      const back = join(directory, `${name}-back`);
      await skopeo(
        'copy',
        '-q',
        '--all',
        '--src-cert-dir',
        certDir,
        `docker://${host}/team/${name}:v1`,
        `oci:${back}:image`,
      );
      const read = (path: string): string => readFileSync(join(path, 'index.json'), 'utf8');
      const digest = (path: string): string => /"digest":"([^"]+)"/.exec(read(path))?.[1] ?? '';
      expect(digest(back)).to.equal(digest(join(directory, name)));
    }
    const tags = await skopeo('list-tags', '--cert-dir', certDir, `docker://${host}/team/busybox`);
    expect((JSON.parse(tags) as { Tags: string[] }).Tags).to.deep.equal(['v1']);
    // Without the authority there is no talking.
    const refused = await runProgram('skopeo', ['inspect', `docker://${host}/team/busybox:v1`]);
    expect(refused.exitCode).to.equal(1);
  });

  it('makes what is pushed an image that runs', async () => {
    const host = `127.0.0.1:${plain.port}`;
    const copy = ['copy', '-q', '--dest-tls-verify=false', '--format', 'v2s2'];
    await skopeo(...copy, `oci:${directory}/busybox:image`, `docker://${host}/run/me:v2`);
    const { stdout } = await engine.run('localhost/run/me:v2', ['/bin/echo', 'from a push'], {
      pull: 'never',
    });
    expect(stdout).to.equal('from a push\n');
    // Of an index it is the one for this host.
    expect(await engine.images.exists('localhost/team/index:v1')).to.equal(true);
    // It is in the registry once, under its own name and not under the image's too.
    const list = await ask(plain.url, 'GET', '/v2/run/me/tags/list');
    expect(JSON.parse(list.body.toString())).to.deep.equal({ name: 'run/me', tags: ['v2'] });
  });

  it('takes what cannot be an image, and says so', async () => {
    errors.length = 0;
    const artifact = await pushImage(plain.url, 'some/artifact', 'v1');
    expect(artifact.answer.status).to.equal(201);
    expect(artifact.answer.headers['warning']).to.equal(undefined);
    const config = JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [] },
    });
    const digest = await pushBlob(plain.url, 'some/bad', config);
    const document = { config: { mediaType: MEDIA.ociConfig, digest, size: config.length } };
    const { answer } = await pushImage(plain.url, 'some/bad', 'v1', { document });
    expect(answer.status).to.equal(201);
    expect(answer.headers['warning']).to.match(/^299 - ".*ERR_[A-Z_]+"$/);
    expect(errors).to.have.length(1);
    expect(await engine.images.exists('localhost/some/bad:v1')).to.equal(false);
  });

  it('gives out the images of the store, and does not let them be changed', async () => {
    const host = `127.0.0.1:${plain.port}`;
    const archive = join(directory, 'saved.tar');
    await skopeo(
      'copy',
      '-q',
      `oci:${directory}/zstd:image`,
      `oci-archive:${archive}:quay.io/deep/in/zstd:v9`,
    );
    await engine.images.load(archive);
    const back = join(directory, 'store-back');
    await skopeo(
      'copy',
      '-q',
      '--src-tls-verify=false',
      `docker://${host}/deep/in/zstd:v9`,
      `oci:${back}:image`,
    );
    const shown = await ask(plain.url, 'GET', '/v2/deep/in/zstd/tags/list');
    expect(shown.body.toString()).to.include('"v9"');
    const digest = (await ask(plain.url, 'HEAD', '/v2/deep/in/zstd/manifests/v9')).headers[
      'docker-content-digest'
    ];
    for (const reference of ['v9', String(digest)]) {
      const answer = await ask(plain.url, 'DELETE', `/v2/deep/in/zstd/manifests/${reference}`);
      expect([answer.status, answer.code]).to.deep.equal([405, 'UNSUPPORTED']);
    }
    const catalog = await ask(plain.url, 'GET', '/v2/_catalog');
    const { repositories } = JSON.parse(catalog.body.toString()) as { repositories: string[] };
    expect(repositories).to.include.members(['deep/in/zstd', 'team/index', 'run/me']);
    expect(repositories).to.deep.equal([...new Set(repositories)].sort());
    // Deleting the image deletes it from the registry as well; what was pushed stays.
    await (await engine.images.get('quay.io/deep/in/zstd:v9')).remove();
    expect((await ask(plain.url, 'GET', '/v2/deep/in/zstd/manifests/v9')).code).to.equal('NAME_UNKNOWN');
    await (await engine.images.get('localhost/run/me:v2')).remove();
    const { status } = await ask(plain.url, 'GET', '/v2/run/me/manifests/v2');
    expect(status).to.equal(200);
    await skopeo(
      'copy',
      '-q',
      '--src-tls-verify=false',
      `docker://${host}/run/me:v2`,
      `dir:${directory}/pushed-back`,
    );
  });

  it('is pulled from and pushed to by podman, and by the engine itself', async () => {
    const host = `127.0.0.1:${plain.port}`;
    const policy = join(directory, 'policy.json');
    writeFileSync(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    const podman = new Podman(directory);
    const run = (...args: string[]): Promise<string> => succeed('podman', ...podman.arguments(...args));
    const trust = ['--tls-verify=false', '--signature-policy', policy, '-q'];
    await run('pull', ...trust, `${host}/team/busybox:v1`);
    await run(
      'push',
      '--tls-verify=false',
      '--signature-policy',
      policy,
      '-q',
      `${host}/team/busybox:v1`,
      `docker://${host}/by/podman:v1`,
    );
    podman.dispose();
    const image = await engine.images.pull(`${host}/by/podman:v1`, { tlsVerify: false });
    expect((await engine.run(image, ['/bin/echo', 'ok'])).stdout).to.equal('ok\n');
    const tls = await engine.images.pull(`localhost:${secure.port}/by/podman:v1`, { certDir });
    expect(tls.id).to.equal(image.id);
  });
});
