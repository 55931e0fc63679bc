import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../lib/engine.js';
import { VainaError } from '../../lib/errors.js';
import { catalog } from '../../lib/registry/list.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { deleteImage } from '../../lib/transports/delete-image.js';
import { inspectImage } from '../../lib/transports/inspect-image.js';
import { blobsOf, layoutEntries, makeImage, writeTree, type TestImage } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (VainaError.is(error)) return error.code;
  throw new Error(`no VainaError: ${String(error)}`);
}

describe('registries.conf for what is written', function () {
  checkLeftovers();
  describe('beside skopeo', writing);
});

function writing(this: Mocha.Suite): void {
  this.timeout(60_000);
  requires('root', 'docker-registry', 'skopeo');
  let directory: string;
  let engine: Engine;
  let image: TestImage;
  let layout: string;
  /** The registry of the names, and the one that images are read from. */
  let named: RunningRegistry;
  let other: RunningRegistry;
  let saved: string | undefined;
  const conf = (): string => join(directory, 'registries.conf');
  const skopeo = (...args: string[]) =>
    spawnSync('skopeo', ['--insecure-policy', '--registries-conf', conf(), ...args], { encoding: 'utf8' });
  const at = (name: string): string => `docker://${named.host}/${name}`;
  const repositories = async (registry: RunningRegistry): Promise<string[]> =>
    catalog(registry.host, { tlsVerify: false, registries: false });

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-writing-'));
    [named, other] = [await startRegistry(), await startRegistry()];
    engine = await Engine.open({
      root: join(directory, 'root'),
      runroot: join(directory, 'run'),
      insecurePolicy: true,
    });
    image = await makeImage();
    const path = join(directory, 'layout');
    writeTree(path, layoutEntries([{ descriptor: image.manifest.descriptor, name: 'app' }], blobsOf(image)));
    layout = `oci:${path}:app`;
    await engine.copy(layout, 'vaina:localhost/app:1');
    writeFileSync(
      conf(),
      `[[registry]]
prefix = "${named.host}/team"
location = "${other.host}/moved"
insecure = true
[[registry.mirror]]
location = "${other.host}/mirror"
insecure = true
[[registry]]
prefix = "${named.host}/blocked"
location = "${named.host}/blocked"
insecure = true
blocked = true
`,
    );
    saved = process.env['CONTAINERS_REGISTRIES_CONF'];
    process.env['CONTAINERS_REGISTRIES_CONF'] = conf();
  });
  after(async () => {
    if (saved === undefined) delete process.env['CONTAINERS_REGISTRIES_CONF'];
    else process.env['CONTAINERS_REGISTRIES_CONF'] = saved;
    await engine.close();
    await named.stop();
    await other.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('is insecure where a rule says so, and goes to the registry of the name, neither to its location nor to a mirror', async () => {
    const list = await engine.manifests.create('list:1', ['localhost/app:1']);
    await engine.images.push('localhost/app:1', `${named.host}/team/pushed:1`);
    await copyImage(layout, at('team/copied:1'), { insecurePolicy: true });
    await list.push(`${named.host}/team/list:1`, { all: true });
    const peer = skopeo('copy', layout, at('team/peer:1'));
    expect(peer.status, peer.stderr).to.equal(0);
    expect(await repositories(named)).to.have.members(
      ['copied', 'list', 'peer', 'pushed'].map((name) => `team/${name}`),
    );
    expect(await repositories(other)).to.deep.equal([]);
    const plain = { tlsVerify: false, registries: false } as const;
    const there = await inspectImage(at('team/pushed:1'), plain);
    expect(there.Digest).to.equal(image.manifest.descriptor.digest);
    // The same names are read elsewhere.
    expect(await codeOf(inspectImage(at('team/pushed:1')))).to.equal('ERR_NO_SUCH_IMAGE');
    expect(skopeo('inspect', at('team/peer:1')).status).to.not.equal(0);
  });

  it('is deleted at the registry of the name', async () => {
    await deleteImage(at('team/copied:1'));
    const peer = skopeo('delete', at('team/peer:1'));
    expect(peer.status, peer.stderr).to.equal(0);
    for (const name of ['team/copied:1', 'team/peer:1'])
      expect(await codeOf(inspectImage(at(name), { tlsVerify: false, registries: false }))).to.equal(
        'ERR_NO_SUCH_IMAGE',
      );
  });

  it('is refused where the rule blocks it, and where nothing allows to go without TLS', async () => {
    const before = (await named.wholeLog()).length;
    const list = await engine.manifests.get('list:1');
    for (const work of [
      async () => engine.images.push('localhost/app:1', `${named.host}/blocked/app:1`),
      async () => copyImage(layout, at('blocked/app:1'), { insecurePolicy: true }),
      async () => list.push(`${named.host}/blocked/app:1`, { all: true }),
      async () => deleteImage(at('blocked/app:1')),
    ])
      expect(await codeOf(work())).to.equal('ERR_REGISTRY_BLOCKED');
    for (const words of [
      ['copy', layout, at('blocked/app:1')],
      ['delete', at('blocked/app:1')],
    ]) {
      const peer = skopeo(...words);
      expect([peer.status, peer.stderr]).to.satisfy(
        ([status, text]: [number, string]) => status === 1 && text.includes('is blocked in'),
      );
    }
    const secure = engine.images.push('localhost/app:1', `${named.host}/strange/app:1`, { retry: 0 });
    expect(await codeOf(secure)).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect((await named.wholeLog()).slice(before)).to.not.include('blocked');
    const said = engine.images.push('localhost/app:1', `${named.host}/team/said:1`, {
      tlsVerify: true,
      retry: 0,
    });
    expect(await codeOf(said)).to.equal('ERR_REGISTRY_UNREACHABLE');
  });
}
