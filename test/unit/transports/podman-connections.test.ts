import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { podmanConnection } from '../../../lib/transports/podman-connections.js';
import { failure } from '../../support/memory-source.js';

describe("transports: podman's connections", () => {
  let home: string;
  beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'vaina-connections-'))));
  afterEach(() => rmSync(home, { recursive: true }));

  const put = (name: string, text: string): string => {
    const path = join(home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const destination = (name: string, uri: string, more = ''): string =>
    `[engine.service_destinations.${name}]\nuri = "${uri}"\n${more}\n`;
  const of = (name: string, env: NodeJS.ProcessEnv = {}, uid = 1000) =>
    podmanConnection(name, { env: { HOME: home, ...env }, uid });

  it('are those of containers.conf and what is dropped in beside it, the last of a name', async () => {
    const directory = '.config/containers/containers.conf';
    put(directory, destination('one', 'ssh://a/x', 'identity = "/k"') + destination('two', 'ssh://b/x'));
    put(`${directory}.d/20.conf`, destination('two', 'ssh://d/x'));
    put(`${directory}.d/10.conf`, destination('two', 'ssh://c/x'));
    expect(await of('one')).to.deep.equal({ uri: 'ssh://a/x', identity: '/k' });
    expect(await of('two')).to.deep.equal({ uri: 'ssh://d/x' });
    expect(await of('three')).to.equal(undefined);
    expect(await of('constructor')).to.equal(undefined);
    // Root has those of the host, as at podman.
    expect(await of('one', {}, 0)).to.equal(undefined);
    const named = put('named.conf', destination('three', 'ssh://e/x'));
    expect(await of('three', { CONTAINERS_CONF: named })).to.deep.equal({ uri: 'ssh://e/x' });
    expect(await of('one', { CONTAINERS_CONF: named })).to.equal(undefined);
    expect(
      await of('one', { CONTAINERS_CONF_OVERRIDE: put('o', destination('one', 'ssh://f/x')) }),
    ).to.deep.equal({
      uri: 'ssh://f/x',
    });
  });

  it('are before these those of podman-connections.json', async () => {
    put('.config/containers/containers.conf', destination('one', 'ssh://a/x'));
    const Connections = { one: { URI: 'ssh://z/x', Identity: '/k', IsMachine: true } };
    put(
      '.config/containers/podman-connections.json',
      JSON.stringify({ Connection: { Default: 'one', Connections }, Farm: {} }),
    );
    expect(await of('one')).to.deep.equal({ uri: 'ssh://z/x', identity: '/k' });
    expect(await of('one', {}, 0)).to.deep.equal({ uri: 'ssh://z/x', identity: '/k' });
    expect(await of('one', { PODMAN_CONNECTIONS_CONF: join(home, 'none') })).to.deep.equal({
      uri: 'ssh://a/x',
    });
  });

  it('are refused where a file is malformed, or one that was named is missing', async () => {
    const wrong: [string, string][] = [
      ['CONTAINERS_CONF', '[engine'],
      ['CONTAINERS_CONF', 'engine = 1'],
      ['CONTAINERS_CONF', '[engine.service_destinations]\none = "ssh://a"'],
      ['CONTAINERS_CONF', '[engine.service_destinations.one]\nuri = 1'],
      ['CONTAINERS_CONF', destination('one', 'ssh://a', 'identity = 1')],
      ['PODMAN_CONNECTIONS_CONF', '{'],
      ['PODMAN_CONNECTIONS_CONF', '{"Connection":{"Connections":{"one":{"URI":1}}}}'],
    ];
    for (const [variable, text] of wrong) {
      const error = await failure(of('one', { [variable]: put('wrong', text) }));
      expect([error.code, error.path], text).to.deep.equal(['ERR_INVALID_OPTION', join(home, 'wrong')]);
    }
    expect((await failure(of('one', { CONTAINERS_CONF: join(home, 'none') }))).code).to.equal(
      'ERR_NO_SUCH_PATH',
    );
  });
});
