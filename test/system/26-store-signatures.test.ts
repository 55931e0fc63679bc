import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/engine.js';
import { VainaError } from '../../lib/errors.js';
import { generateSigstoreKey } from '../../lib/signature/sigstore-key.js';
import { Database } from '../../lib/store/database.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { GpgHome } from '../support/gpg.js';
import {
  blobsOf,
  layoutEntries,
  makeImage,
  makeIndex,
  skopeo,
  writeTree,
  type TestImage,
} from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';

async function failure(work: Promise<unknown>): Promise<VainaError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (VainaError.is(error)) return error;
  throw new Error(`no VainaError: ${String(error)}`);
}

describe('signatures in a store', function () {
  checkLeftovers();
  describe('beside skopeo', signatures);
});

function signatures(this: Mocha.Suite): void {
  this.timeout(60_000);
  requires('root', 'gpg', 'docker-registry', 'skopeo');
  let directory: string;
  let home: GpgHome;
  let registry: RunningRegistry;
  let registriesDir: string;
  let engine: Engine;
  let image: TestImage;
  let layout: string;
  let gnupg: string | undefined;
  const path = (name: string): string => join(directory, name);
  const at = (name: string): string => `docker://${registry.host}/${name}`;
  const PLAIN = { tlsVerify: false, registries: false } as const;
  const ENDS = { source: PLAIN, destination: PLAIN };
  const peer = (...args: string[]): string =>
    skopeo('--insecure-policy', '--registries.d', registriesDir, 'copy', '--quiet', ...args);
  const signed = (place: string): Buffer[] =>
    readdirSync(path(place))
      .filter((name) => name.includes('signature-'))
      .sort()
      .map((name) => readFileSync(join(path(place), name)));
  const stored = (): unknown[] => {
    const database = Database.open(join(path('root'), 'vaina.db'));
    try {
      return database.all('SELECT digest, position FROM signatures ORDER BY digest, position');
    } finally {
      database.close();
    }
  };

  before(async () => {
    directory = mkdtempSync('/tmp/vaina-kept-');
    home = new GpgHome(directory);
    gnupg = process.env['GNUPGHOME'];
    process.env['GNUPGHOME'] = home.directory;
    registry = await startRegistry();
    registriesDir = path('registries.d');
    mkdirSync(registriesDir);
    writeFileSync(
      join(registriesDir, 'all.yaml'),
      `docker:\n  ${registry.host}:\n    lookaside: file://${path('lookaside')}\n    use-sigstore-attachments: true\n`,
    );
    engine = await Engine.open({
      ...{ root: path('root'), runroot: path('run'), insecurePolicy: true, registriesDir },
    });
    image = await makeImage({ docker: true });
    const index = makeIndex([image], true);
    writeTree(
      path('layout'),
      layoutEntries(
        [
          { descriptor: image.manifest.descriptor, name: 'app' },
          { descriptor: index.descriptor, name: 'list' },
        ],
        [...blobsOf(image), index.bytes],
      ),
    );
    layout = `oci:${path('layout')}`;
    const keys = await generateSigstoreKey('');
    writeFileSync(path('key.pem'), keys.privateKey);
    const sign = {
      ...{ ...ENDS, insecurePolicy: true, registriesDir, signBy: home.makeKey('alice') },
      signBySigstorePrivateKey: path('key.pem'),
    };
    await copyImage(`${layout}:app`, at('app:1'), sign);
    await copyImage(`${layout}:list`, at('list:1'), { ...sign, all: true });
  });
  after(async () => {
    if (gnupg === undefined) delete process.env['GNUPGHOME'];
    else process.env['GNUPGHOME'] = gnupg;
    home?.close();
    await engine?.close();
    await registry?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('come with a pull and go on to what can hold them, byte for byte as between the peers', async () => {
    const pulled = await engine.images.pull(`${registry.host}/app:1`, PLAIN);
    await engine.copy(`vaina:${pulled.id}`, `dir:${path('ours')}`);
    peer('--src-tls-verify=false', at('app:1'), `dir:${path('theirs')}`);
    expect(signed('ours')).to.have.length(2);
    expect(signed('ours')).to.deep.equal(signed('theirs'));

    await pulled.push(at('other:1'), PLAIN);
    peer('--src-tls-verify=false', at('other:1'), `dir:${path('pushed')}`);
    expect(signed('pushed')).to.deep.equal(signed('ours'));

    await engine.images.save([pulled.id], path('saved'), { format: 'docker-dir' });
    expect(signed('saved')).to.deep.equal(signed('ours'));
    const [loaded] = await engine.images.load(path('saved'));
    expect(loaded?.id).to.equal(pulled.id);
    expect(stored()).to.have.length(2);
  });

  it('are refused where there is no place for them, and where they would become false', async () => {
    for (const place of [`docker-archive:${path('a.tar')}:localhost/app:1`, `oci:${path('out')}:app`]) {
      const error = await failure(engine.copy(`vaina:${registry.host}/app:1`, place));
      expect(error.code).to.equal('ERR_UNSUPPORTED');
      expect(error.message).to.include("can't store signatures; use removeSignatures");
      await engine.images.push(`${registry.host}/app:1`, place, { removeSignatures: true });
    }
    const converted = engine.images.push(`${registry.host}/app:1`, at('oci:1'), { ...PLAIN, format: 'oci' });
    expect((await failure(converted)).message).to.include('would invalidate its signatures');
  });

  it('are left behind by a save in a format that cannot hold them, as by podman, but not without a word', async () => {
    const name = `${registry.host}/app:1`;
    const told: string[] = [];
    const onWarning = (message: string): void => void told.push(message);
    for (const format of ['docker-archive', 'oci-archive', 'oci-dir', 'docker-dir'] as const)
      await engine.images.save([name], path(`left-${format}`), { format, onWarning });
    await engine.images.save([name], path('left-packed'), {
      format: 'docker-dir',
      compress: true,
      onWarning,
    });
    expect(told).to.deep.equal([
      `the signatures of ${name} are left behind: the format docker-archive has no place for them`,
      `the signatures of ${name} are left behind: the format oci-archive has no place for them`,
      `the signatures of ${name} are left behind: the format oci-dir has no place for them`,
      `the signatures of ${name} are left behind: its manifest changes`,
    ]);
    expect(signed('left-docker-dir')).to.have.length(2);
    expect(signed('left-packed')).to.deep.equal([]);
  });

  it('are those of the last copy that came, and go with the image', async () => {
    await engine.copy(`${layout}:app`, 'vaina:localhost/unsigned:1');
    expect(stored()).to.deep.equal([]);
    await engine.copy(at('app:1'), 'vaina:localhost/app:1', ENDS);
    expect(stored()).to.have.length(2);
    await (await engine.images.get('localhost/app:1')).remove({ force: true });
    expect(stored()).to.deep.equal([]);
  });

  it('of an index are kept with the list', async () => {
    await engine.copy(at('list:1'), 'vaina:localhost/list:1', { ...ENDS, all: true });
    await engine.copy('vaina:localhost/list:1', `dir:${path('own-list')}`, { all: true });
    peer('--all', '--src-tls-verify=false', at('list:1'), `dir:${path('peer-list')}`);
    expect(signed('own-list')).to.have.length(4);
    expect(signed('own-list')).to.deep.equal(signed('peer-list'));
    execFileSync('diff', ['-r', path('own-list'), path('peer-list')]);
    await (await engine.manifests.get('localhost/list:1')).delete();
    expect(stored()).to.deep.equal([]);
  });

  it('that are damaged are found and removed', async () => {
    await engine.copy(at('app:1'), 'vaina:localhost/app:1', ENDS);
    const database = Database.open(join(path('root'), 'vaina.db'));
    database.run(`UPDATE signatures SET content = x'00' WHERE position = 1`);
    database.close();
    const { digest } = image.manifest.descriptor;
    const error = await failure(engine.copy('vaina:localhost/app:1', `dir:${path('damaged')}`));
    expect(error.code).to.equal('ERR_STORE_DAMAGED');
    const found = await engine.check({ quick: true });
    expect(found.map(({ kind, id, images }) => [kind, id, images])).to.deep.equal([
      ['signature-damaged', digest, ['localhost/app:1']],
    ]);
    expect((await engine.repair({ quick: true })).left).to.deep.equal([]);
    expect(await engine.check({ quick: true })).to.deep.equal([]);
    await engine.copy('vaina:localhost/app:1', `dir:${path('mended')}`);
    expect(signed('mended')).to.deep.equal([]);
  });
}
