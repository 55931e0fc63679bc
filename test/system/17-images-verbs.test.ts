import { randomBytes } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { Engine } from '../../lib/engine.js';
import type { ErrorCode } from '../../lib/errors.js';
import type { Image } from '../../lib/image.js';
import { generateSigstoreKey } from '../../lib/signature/sigstore-key.js';
import { expectError } from '../support/containers.js';
import { GpgHome } from '../support/gpg.js';
import { blobsOf, layoutEntries, makeImage, tarOf, writeTree, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { failure } from '../support/memory-source.js';
import { Podman } from '../support/podman.js';
import { nodeArguments, REPO } from '../support/programs.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';

/** Without the files of this host. */
const PLAIN = { tlsVerify: false, registries: false } as const;

async function makeOne(content: string): Promise<TestImage> {
  const base = await tarOf([
    { name: 'etc/', type: 'directory' },
    { name: 'etc/base', content: 'base' },
  ]);
  return makeImage({ layers: [base, await tarOf([{ name: 'etc/own', content }])] });
}

async function diffIds(image: Image): Promise<readonly string[]> {
  return (await image.inspect()).RootFS.Layers;
}

describe('images that come and go', function () {
  checkLeftovers();
  describe('beside podman and a registry', verbs);
});

function verbs(this: Mocha.Suite): void {
  this.timeout(60_000);
  requires('root', 'docker-registry', 'podman');
  let directory: string;
  let registry: RunningRegistry;
  let engine: Engine;
  let podman: Podman;
  const layouts: string[] = [];
  const at = (name: string): string => `${registry.host}/${name}`;
  const path = (name: string): string => join(directory, name);

  before(async () => {
    // Podman takes no directory whose path has capital letters for a layout.
    directory = join(tmpdir(), `vaina-verbs-${randomBytes(6).toString('hex')}`);
    mkdirSync(directory, { mode: 0o700 });
    registry = await startRegistry();
    engine = await Engine.open({ root: path('root'), runroot: path('run'), insecurePolicy: true });
    podman = new Podman(directory);
    for (const content of ['one', 'two']) {
      const image = await makeOne(content);
      const layout = path(`layout-${content}`);
      const entry = { descriptor: image.manifest.descriptor, name: `test/${content}:1` };
      writeTree(layout, layoutEntries([entry], blobsOf(image)));
      layouts.push(`oci:${layout}:test/${content}:1`);
    }
  });
  after(async () => {
    await engine.close();
    podman.dispose();
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function take(number: 0 | 1): Promise<Image> {
    return engine.images.pull(layouts[number] ?? '');
  }
  const logLength = async (): Promise<number> => (await registry.wholeLog()).length;
  const requests = async (from: number, what: RegExp): Promise<number> =>
    (await registry.wholeLog())
      .slice(from)
      .split('\n')
      .filter((line) => what.test(line)).length;

  it('come from a layout under its name, and go to a registry and back with the same digest', async () => {
    const one = await take(0);
    expect(one.names).to.deep.equal(['localhost/test/one:1']);
    const pushed = await one.push(at('app:1'), PLAIN);
    const back = await engine.images.pull(at('app:1'), PLAIN);
    expect([back.id, back.digest]).to.deep.equal([one.id, pushed.digest]);
    expect(back.names).to.include(at('app:1'));
    podman.output('pull', '--quiet', '--tls-verify=false', at('app:1'));
    expect(podman.output('image', 'inspect', '--format', '{{.Id}} {{.Digest}}', at('app:1')).trim()).to.equal(
      `${one.id} ${pushed.digest}`,
    );
  });

  it('are pushed without what is there, mounted from other repositories, and in the format and compression asked for', async () => {
    let before = await logLength();
    await engine.images.push(at('app:1'), at('app:2'), PLAIN);
    expect(await requests(before, /"(POST|PATCH) /)).to.equal(0);
    before = await logLength();
    await engine.images.push('localhost/test/one:1', at('other/app:1'), PLAIN);
    expect(await requests(before, /POST \/v2\/other\/app\/blobs\/uploads\/\?.*mount=/)).to.be.greaterThan(0);
    expect(await requests(before, /"PATCH /)).to.equal(0);
    const options = {
      ...PLAIN,
      format: 'v2s2' as const,
      compression: { format: 'gzip' as const, level: 9, force: true },
    };
    const { digest, mediaType } = await engine.images.push('localhost/test/one:1', at('docker:1'), options);
    expect(mediaType).to.equal('application/vnd.docker.distribution.manifest.v2+json');
    const pulled = await engine.images.pull(`${at('docker')}@${digest}`, PLAIN);
    expect(await diffIds(pulled)).to.deep.equal(await diffIds(await engine.images.get(at('app:1'))));
  });

  it('are pulled by each policy', async () => {
    const name = at('policy:1');
    const [one, two] = [await take(0), await take(1)];
    const pull = async (policy: 'always' | 'missing' | 'never' | 'newer'): Promise<string> =>
      (await engine.images.pull(name, { ...PLAIN, policy })).id;
    await expectError('ERR_NO_SUCH_IMAGE', pull('never'));
    await expectError('ERR_NO_SUCH_IMAGE', pull('newer'));
    await one.push(name, PLAIN);
    expect(await pull('missing')).to.equal(one.id);
    await two.push(name, PLAIN);
    const before = await logLength();
    expect([await pull('missing'), await pull('never')]).to.deep.equal([one.id, one.id]);
    expect(registry.log().length).to.equal(before);
    expect(await pull('newer')).to.equal(two.id);
    expect(await pull('newer')).to.equal(two.id);
    await one.push(name, PLAIN);
    expect(await pull('always')).to.equal(one.id);
    // A registry that is not there does not matter where the image is.
    const gone = 'localhost:1/gone:1';
    await one.tag(gone);
    expect((await engine.images.pull(gone, { ...PLAIN, retry: 0, policy: 'newer' })).id).to.equal(one.id);
    await expectError('ERR_REGISTRY_UNREACHABLE', engine.images.pull(gone, { ...PLAIN, retry: 0 }));
    const other = { ...PLAIN, retry: 0, policy: 'never', platform: 'linux/s390x' } as const;
    await expectError('ERR_NO_SUCH_IMAGE', engine.images.pull(gone, other));
  });

  it('are pulled with all tags', async () => {
    await (await take(0)).push(at('many:a'), PLAIN);
    await (await take(1)).push(at('many:b'), PLAIN);
    const all = await engine.images.pull(at('many'), { ...PLAIN, allTags: true });
    expect(all.flatMap(({ names }) => names).filter((name) => name.startsWith(at('many')))).to.have.members([
      at('many:a'),
      at('many:b'),
    ]);
    for (const wrong of [at('many:a'), 'dir:/nosuch'])
      await expectError('ERR_INVALID_OPTION', engine.images.pull(wrong, { ...PLAIN, allTags: true }));
  });

  for (const format of ['docker-archive', 'oci-archive', 'oci-dir', 'docker-dir'] as const) {
    it(`are saved as ${format} for podman, and loaded from podman's`, async () => {
      const one = await take(0);
      const name = 'localhost/test/one:1';
      await engine.images.save(name, path(`ours-${format}`), { format });
      // Podman's load knows directories by the same transports.
      const loaded =
        podman
          .output('load', '--quiet', '--input', path(`ours-${format}`))
          .trim()
          .split(' ')
          .at(-1) ?? '';
      const [id = '', ...layers] = podman
        .output('image', 'inspect', '--format', '{{.Id}} {{range .RootFS.Layers}}{{.}} {{end}}', loaded)
        .trim()
        .split(' ');
      expect([id, layers]).to.deep.equal([one.id, await diffIds(one)]);
      podman.output('save', '--quiet', '--format', format, '--output', path(`theirs-${format}`), id);
      await one.remove();
      const [back] = await engine.images.load(path(`theirs-${format}`));
      expect(back?.id).to.equal(id);
      expect(back && (await diffIds(back))).to.deep.equal(layers);
    });
  }

  it('are several in one docker-archive, both ways, through streams and compressed', async () => {
    const [one, two] = [await take(0), await take(1)];
    const stream = new PassThrough();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await engine.images.save([one, 'localhost/test/two:1'], stream);
    const bytes = Buffer.concat(chunks);
    writeFileSync(path('several.tar'), bytes);
    const said = podman.output('load', '--input', path('several.tar'));
    expect(said).to.include('localhost/test/one:1').and.include('localhost/test/two:1');
    podman.output(
      'save',
      '--quiet',
      '-m',
      '--output',
      path('podmans.tar'),
      'localhost/test/one:1',
      'localhost/test/two:1',
    );
    for (const [name, content] of [
      ['podmans.tar', readFileSync(path('podmans.tar'))],
      ['gzip', gzipSync(bytes)],
      ['zstd', execFileSync('zstd', ['--stdout', path('several.tar')])],
    ] as const) {
      for (const image of await engine.images.list())
        await (await engine.images.get(image.id)).remove({ force: true });
      writeFileSync(path(`load-${name}`), content);
      const images = await engine.images.load(createReadStream(path(`load-${name}`)));
      expect(images.map(({ id, names }) => [id, names[0]])).to.deep.equal([
        [one.id, 'localhost/test/one:1'],
        [two.id, 'localhost/test/two:1'],
      ]);
    }
    const tagged = path('tagged.tar');
    await engine.images.save(one.id, tagged, { additionalTags: ['localhost/x:9', 'y'] });
    const { names } = await engine.images.pull(`docker-archive:${tagged}`);
    expect(names).to.include('localhost/x:9').and.include('docker.io/library/y:latest');
    await expectError('ERR_AMBIGUOUS_ID', engine.images.pull(`docker-archive:${path('several.tar')}`));
  });

  describe('on a web server', () => {
    let server: Server;
    let address: string;
    before(async () => {
      server = createServer((request, response) => {
        const file = path((request.url ?? '').slice(1));
        if (!existsSync(file)) return void response.writeHead(404).end();
        const content = readFileSync(file);
        // One that breaks off in the middle.
        if (request.url === '/cut.tar') {
          response.writeHead(200, { 'content-length': content.length });
          return void response.write(content.subarray(0, 1500), () => response.destroy());
        }
        response.end(content);
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => void server.close());

    it('are loaded and imported by its URL', async () => {
      const one = await take(0);
      await engine.images.save(one, path('web.tar'));
      const [loaded] = await engine.images.load(`${address}/web.tar`);
      expect(loaded?.id).to.equal(one.id);
      writeFileSync(path('rootfs.tar'), await tarOf([{ name: 'a', content: 'a' }]));
      const made = await engine.images.import(`${address}/rootfs.tar`, { reference: 'made' });
      expect(made.names).to.deep.equal(['localhost/made:latest']);
      await expectError('ERR_NO_SUCH_PATH', engine.images.load(`${address}/none.tar`));
      writeFileSync(path('cut.tar'), readFileSync(path('web.tar')));
      await expectError('ERR_REGISTRY_UNREACHABLE', engine.images.load(`${address}/cut.tar`));
    });
  });

  describe('under a trust policy', () => {
    let gpg: GpgHome;
    before(() => (gpg = new GpgHome(directory)));
    after(() => gpg.close());

    it('are rejected on every way in, and the store is as before', async () => {
      const one = await take(0);
      await one.push(at('rejected:1'), PLAIN);
      await engine.images.save(one, path('rejected.tar'));
      for (const { id } of await engine.images.list())
        await (await engine.images.get(id)).remove({ force: true });
      const trustPolicy = { default: [{ type: 'reject' as const }] };
      const none = await Engine.open({ root: path('root'), runroot: path('run'), trustPolicy });
      try {
        const ways = [
          () => none.images.pull(at('rejected:1'), PLAIN),
          () => none.images.pull(layouts[0] ?? ''),
          () => none.images.load(path('rejected.tar')),
          () => none.images.load(createReadStream(path('rejected.tar'))),
          () => none.copy(layouts[0] ?? '', 'vaina:copied'),
          () => none.containers.create(at('rejected:1'), { pullOptions: PLAIN }),
        ];
        for (const way of ways) expect((await failure(way())).code).to.equal('ERR_POLICY_REJECTED');
        expect(await none.images.list()).to.deep.equal([]);
        // What the call says counts more.
        expect((await none.images.load(path('rejected.tar'), { insecurePolicy: true })).length).to.equal(1);
      } finally {
        await none.close();
      }
    });

    it('pass with the signature of the right key, by gpg and by sigstore', async () => {
      const one = await take(0);
      const [own, strange] = [gpg.makeKey('own'), gpg.makeKey('strange')];
      for (const [name, key] of Object.entries({ own, strange }))
        writeFileSync(path(`${name}.gpg`), gpg.exportKeys(key));
      const store = path('lookaside');
      const registriesDir = path('registries.d');
      mkdirSync(registriesDir);
      writeFileSync(
        join(registriesDir, 'default.yaml'),
        `docker:\n  ${registry.host}:\n    lookaside: file://${store}\n    use-sigstore-attachments: true\n`,
      );
      const home = process.env['GNUPGHOME'];
      process.env['GNUPGHOME'] = gpg.directory;
      try {
        await one.push(at('signed:gpg'), { ...PLAIN, signBy: own, registriesDir });
      } finally {
        if (home === undefined) delete process.env['GNUPGHOME'];
        else process.env['GNUPGHOME'] = home;
      }
      const keys = await generateSigstoreKey('secret');
      const wrong = await generateSigstoreKey('secret');
      writeFileSync(path('key'), keys.privateKey);
      const signing = { signBySigstorePrivateKey: path('key'), signPassphrase: 'secret' };
      await one.push(at('signed:sigstore'), { ...PLAIN, ...signing, registriesDir });
      const by = (requirement: object): { default: never } => ({ default: [requirement] as never });
      const gpgBy = (key: string): object => ({
        type: 'signedBy',
        keyType: 'GPGKeys',
        keyPath: path(`${key}.gpg`),
      });
      const sigstoreBy = (key: string): object => ({
        type: 'sigstoreSigned',
        keyData: Buffer.from(key).toString('base64'),
      });
      const pull = async (name: string, requirement: object): Promise<Image> =>
        engine.images.pull(at(name), { ...PLAIN, registriesDir, trustPolicy: by(requirement) });
      expect((await pull('signed:gpg', gpgBy('own'))).id).to.equal(one.id);
      expect((await pull('signed:sigstore', sigstoreBy(keys.publicKey))).id).to.equal(one.id);
      for (const [name, requirement] of [
        ['signed:gpg', gpgBy('strange')],
        ['signed:sigstore', sigstoreBy(wrong.publicKey)],
        ['app:1', gpgBy('own')],
      ] as const)
        expect((await failure(pull(name, requirement))).code).to.equal('ERR_POLICY_REJECTED');
    });
  });

  it('are no longer waited for when the signal is aborted, and leave nothing', async () => {
    await engine.images.save(await take(1), path('whole.tar'));
    const archive = readFileSync(path('whole.tar'));
    const before = (await engine.images.list()).map(({ names }) => names);
    for (const length of [0, archive.length >> 1]) {
      const content = new PassThrough();
      content.write(archive.subarray(0, length));
      const loading = engine.images.load(content, { signal: AbortSignal.timeout(50) });
      const error = await loading.catch((failed: unknown) => failed as Error);
      expect(error).to.have.property('name', 'TimeoutError');
      expect((await engine.images.list()).map(({ names }) => names)).to.deep.equal(before);
      expect(await engine.check()).to.deep.equal([]);
    }
  });

  it('refuse what they cannot do, with one error', async () => {
    const one = await take(0);
    const { images } = engine;
    const wrong: [() => Promise<unknown>, ErrorCode][] = [
      [() => images.pull('oci:/nosuch'), 'ERR_NO_SUCH_PATH'],
      [() => images.pull('vaina:x'), 'ERR_INVALID_OPTION'],
      [() => images.pull('Bad'), 'ERR_INVALID_REFERENCE'],
      [() => images.pull('x', { policy: 'often' as never }), 'ERR_INVALID_OPTION'],
      [() => images.pull('x', { decryptionKeys: ['k'] }), 'ERR_UNSUPPORTED'],
      [() => images.push('nosuch'), 'ERR_NO_SUCH_IMAGE'],
      [() => one.push('containers-storage:x'), 'ERR_UNSUPPORTED'],
      [() => one.push('vaina:x'), 'ERR_INVALID_OPTION'],
      [() => one.push(at('x:1'), { encryptionKeys: ['k'] }), 'ERR_UNSUPPORTED'],
      [() => images.save('nosuch', path('nosuch.tar')), 'ERR_NO_SUCH_IMAGE'],
      [() => images.save([one, one], path('two'), { format: 'oci-archive' }), 'ERR_INVALID_OPTION'],
      [() => images.save(one, new PassThrough(), { format: 'oci-dir' }), 'ERR_INVALID_OPTION'],
      [() => images.save(one, path('c'), { compress: true }), 'ERR_INVALID_OPTION'],
      [() => images.load('/etc/passwd'), 'ERR_INVALID_IMAGE'],
      [() => images.load('/nosuch'), 'ERR_NO_SUCH_PATH'],
      [() => images.import('/nosuch'), 'ERR_NO_SUCH_PATH'],
      [() => engine.copy(`vaina:${one.id}`, 'containers-storage:x'), 'ERR_UNSUPPORTED'],
      [() => Engine.open({ insecurePolicy: true, trustPolicy: '/x' }), 'ERR_INVALID_OPTION'],
    ];
    for (const [work, code] of wrong) await expectError(code, work);
    expect(readdirSync(directory).filter((name) => ['two', 'c', 'nosuch.tar'].includes(name))).to.deep.equal(
      [],
    );
  });

  it('go to standard output on the command line', async () => {
    const one = await take(0);
    const main = nodeArguments('lib/cli/main');
    const stores = ['--root', path('root'), '--runroot', path('run')];
    const saved = spawnSync(process.execPath, [...main, ...stores, 'save', '-q', 'localhost/test/one:1'], {
      cwd: REPO,
    });
    expect([saved.status, saved.stderr.toString()]).to.deep.equal([0, '']);
    const [back] = await engine.images.load(Readable.from([saved.stdout]));
    expect(back?.id).to.equal(one.id);
    expect(back?.names).to.include('localhost/test/one:1');
  });
}
