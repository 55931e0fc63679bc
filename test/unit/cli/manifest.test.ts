import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { imageRow, World } from './fake.js';

describe('cli manifest', () => {
  const ID = 'e'.repeat(64);
  let world: World;
  beforeEach(() => {
    world = new World();
    world.images = [imageRow({ id: '1'.repeat(64), names: ['one'] })];
  });
  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run('manifest', ...argv), world.err).to.equal(0);
    return world.out;
  };

  it('creates, adds, annotates and removes', async () => {
    expect(await print('create', '--amend', '--annotation', 'a=b', 'list', 'x', 'y')).to.equal(`${ID}\n`);
    expect(world.called('manifests.create')).to.deep.equal([
      ['list', ['x', 'y'], { amend: true, annotations: { a: 'b' } }],
    ]);
    await print('add', '--all', '--os-features', 'a,b', '--features', 'c,d', '--arch', 'arm64', 'list', 'x');
    expect(world.called('list.add')).to.deep.equal([
      ['x', { arch: 'arm64', osFeatures: ['a', 'b'], features: ['c', 'd'], all: true }],
    ]);
    await print('annotate', '--os', 'linux', 'list', 'one');
    await print('annotate', '--index', '--annotation', 'a=b', 'list');
    expect(world.called('list.annotate')).to.deep.equal([
      [`sha256:${'d'.repeat(64)}`, { os: 'linux' }],
      [undefined, { annotations: { a: 'b' } }],
    ]);
    expect(await world.run('manifest', 'annotate', '--index', 'list', 'one')).to.equal(125);
    expect(await world.run('manifest', 'annotate', 'list')).to.equal(125);
    await print('remove', 'list', 'sha256:1');
    expect(world.called('list.remove')).to.deep.equal([['sha256:1']]);
    expect(await print('inspect', 'list')).to.equal('{\n    "schemaVersion": 2\n}\n');
    expect(await print('rm', 'list')).to.equal(`Untagged: localhost/list:latest\nDeleted: ${ID}\n`);
    await print('exists', 'list');
    expect(await world.run('manifest', 'exists', 'other')).to.equal(1);
  });

  it('asks registries as it is told', async () => {
    const access = ['--tls-verify=false', '--creds', 'me:secret', '--authfile', '/a', '--cert-dir', '/c'];
    const told = {
      tlsVerify: false,
      creds: { username: 'me', password: 'secret' },
      authFile: '/a',
      certDir: '/c',
    };
    await print('create', ...access, 'list', 'docker://x/y');
    expect(world.called('manifests.create')).to.deep.equal([['list', ['docker://x/y'], told]]);
    await print('add', ...access, 'list', 'docker://x/y');
    expect(world.called('list.add')).to.deep.equal([['docker://x/y', told]]);
    const { creds, ...rest } = told;
    await print('push', ...access, 'list', 'x/y');
    expect(world.called('list.push')).to.deep.equal([
      ['x/y', { destination: { ...rest, credentials: creds } }],
    ]);
  });

  it('pushes', async () => {
    const digestfile = join(mkdtempSync(join(tmpdir(), 'vaina-push-')), 'digest');
    const flags = ['--all=false', '--rm', '--format', 'v2s2', '--quiet', '--compression-format', 'zstd'];
    expect(await print('push', ...flags, '--digestfile', digestfile, 'list')).to.equal('');
    expect(world.called('list.push')).to.deep.equal([
      [undefined, { all: false, format: 'v2s2', compression: { format: 'zstd' }, destination: {} }],
    ]);
    expect(world.called('list.delete')).to.have.length(1);
    expect(readFileSync(digestfile, 'utf8')).to.equal(`sha256:${'d'.repeat(64)}`);
    rmSync(dirname(digestfile), { recursive: true });
    world.failures['list.push'] = new VainaError('ERR_REGISTRY', 'it is full');
    expect(await world.run('manifest', 'push', '--rm', 'list')).to.equal(125);
    expect(world.called('list.delete')).to.have.length(1);
    for (const wrong of [
      ['-f', 'v2s1'],
      ['--compression-format', 'xz'],
      ['a', 'b'],
    ])
      expect(await world.run('manifest', 'push', ...wrong, 'list'), wrong.join(' ')).to.equal(125);
  });

  it('are lists to rmi, tag and untag too', async () => {
    world.listNames = ['localhost/list:latest', 'list'];
    expect(await world.run('tag', 'list', 'a', 'b'), world.err).to.equal(0);
    expect(world.called('list.tag')).to.deep.equal([['a'], ['b']]);
    expect(await world.run('untag', 'list')).to.equal(0);
    expect(await world.run('untag', 'list', 'x')).to.equal(0);
    expect(world.called('list.untag')).to.deep.equal([[undefined], ['x']]);
    expect(await world.run('rmi', 'list'), world.err).to.equal(0);
    expect(world.out).to.equal('Untagged: list\n');
    expect(world.called('list.delete')).to.deep.equal([]);
    world.out = '';
    expect(await world.run('rmi', 'list')).to.equal(0);
    expect(world.out).to.equal(`Untagged: localhost/list:latest\nDeleted: ${ID}\n`);
    expect(world.called('list.delete')).to.have.length(1);
  });

  it('says what is wrong', async () => {
    for (const argv of [
      ['create'],
      ['add', 'x'],
      ['remove', 'x'],
      ['inspect'],
      ['add', '--annotation', 'x', 'a', 'b'],
    ])
      expect(await world.run('manifest', ...argv), argv.join(' ')).to.equal(125);
    world.failures['manifests.get'] = new VainaError('ERR_NO_SUCH_IMAGE', 'no manifest list');
    expect(await world.run('manifest', 'rm', 'x')).to.equal(125);
    expect(world.err).to.include('Error: no manifest list\n');
  });
});
