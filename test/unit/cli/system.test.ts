import { expect } from 'chai';
import { packageVersion as version } from '../../../lib/util/version.js';
import { containerRow, imageRow, World } from './fake.js';

describe('cli inspect, info, version', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.containers = [containerRow({ name: 'web' })];
    world.images = [imageRow({ id: '1'.repeat(64), names: ['img'] })];
    world.inspected['web'] = {
      Id: 'cafe',
      Created: '2026-01-02T03:04:05.12Z',
      State: { Status: 'running', FinishedAt: '0001-01-01T00:00:00Z' },
      Config: { Labels: { 'a.b': 'c', x: 'y' }, Cmd: ['a', 'b'], Annotations: null },
    };
  });

  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    return world.out;
  };

  it('inspect prints containers and images as one array', async () => {
    const list = JSON.parse(await print('inspect', 'web', 'img')) as { Id: string }[];
    expect(list.map(({ Id }) => Id)).to.deep.equal(['cafe', '1'.repeat(64)]);
    expect(world.out).to.match(/^\[\n {5}\{\n {10}"Id": "cafe",\n/);
    expect(await print('container', 'inspect', '--format=json', 'web')).to.contain('"Id": "cafe"');
  });

  it('inspect prints by template, each object on its line', async () => {
    const format =
      '{{.Id}} {{.ID}} {{.Created}} {{.State.FinishedAt}} {{index .Config.Labels "a.b"}} {{.Config.Labels.no}} {{.Config.Cmd}}';
    expect(await print('inspect', '-f', format, 'web', 'web')).to.equal(
      'cafe cafe 2026-01-02 03:04:05.12 +0000 UTC 0001-01-01 00:00:00 +0000 UTC c <no value> [a b]\n'.repeat(
        2,
      ),
    );
    expect(await print('inspect', '-f', '{{json .State}} {{json .Config.Labels}}', 'web')).to.equal(
      '{"Status":"running","FinishedAt":"0001-01-01T00:00:00Z"} {"a.b":"c","x":"y"}\n',
    );
    expect(await world.run('inspect', '-f', '{{.Nope}}', 'web')).to.equal(125);
    expect(world.err).to.contain("can't evaluate field Nope");
  });

  it('inspect reports what there is not, and prints the rest', async () => {
    expect(await world.run('inspect', 'nosuch')).to.equal(125);
    expect(world.out).to.equal('[]\n');
    expect(world.err).to.equal('Error: no such object: "nosuch"\n');
    expect(await world.run('inspect', 'nosuch', 'web')).to.equal(125);
    expect(world.out).to.contain('"cafe"');
    for (const argv of [
      ['image', 'inspect', 'web'],
      ['inspect', '-t', 'image', 'web'],
      ['container', 'inspect', 'img'],
      ['inspect', '--type=container', 'img'],
      ['inspect', '--type', 'pod', 'web'],
      ['inspect'],
    ]) {
      expect(await world.run(...argv), argv.join(' ')).to.equal(125);
    }
    expect(world.err).to.contain('invalid type "pod"').and.to.contain('no names or ids specified');
  });

  it('info prints YAML, JSON, or by template', async () => {
    expect(await print('info')).to.equal(
      'host:\n  cgroupVersion: v2\n  cpus: 2\n  os: linux\nversion:\n  Version: "0.1.0"\n',
    );
    expect(JSON.parse(await print('info', '--format', 'json'))).to.have.nested.property('host.os', 'linux');
    expect(await print('info', '-f', '{{.Host.OS}} {{.Host.CPUs}} {{.Host.CgroupsVersion}}')).to.equal(
      'linux 2 v2\n',
    );
    expect(await print('info', '-f', '{{json .Host}}')).to.equal(
      '{"os":"linux","cgroupVersion":"v2","cpus":2}\n',
    );
    expect(await world.run('info', 'x')).to.equal(125);
  });

  it('version prints a table, JSON, or by template', async () => {
    expect(await print('version')).to.match(/^Client: +Vaina Engine\nVersion: +\d+\.\d+\.\d+\n/);
    expect(await print('version', '--format', '{{.Client.Version}} {{.Server.Version}}')).to.equal(
      `${version()} ${version()}\n`,
    );
    expect(JSON.parse(await print('version', '-f', 'json'))).to.have.nested.property(
      'Client.Version',
      version(),
    );
  });
});
