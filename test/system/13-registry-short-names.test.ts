import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PullOptions, RegistriesConfig } from '../../lib/index.js';
import { useEngine } from '../support/containers.js';
import { FakeRegistry } from '../support/fake-registry.js';
import { makeImage, tarOf, type TestImage } from '../support/images.js';
import { failure } from '../support/memory-source.js';
import { requires } from '../support/requires.js';

describe('pulling by short names', function () {
  this.timeout(60_000);
  requires('root');
  const box = useEngine();
  let servers: FakeRegistry[];
  let image: TestImage;
  let registries: RegistriesConfig;
  before(async () => {
    image = await makeImage({ layers: [await tarOf([{ name: 'a', content: 'a' }])] });
    servers = [await FakeRegistry.start('127.0.0.1'), await FakeRegistry.start('127.0.0.2')];
    servers[1]?.add([image]);
    const hosts = servers.map(({ host }) => host);
    registries = {
      unqualifiedSearchRegistries: hosts,
      registries: hosts.map((location) => ({ location, insecure: true })),
      aliasFile: join(box.directory, 'aliases.conf'),
    };
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  const pull = (name: string, more: PullOptions = {}) =>
    box.engine.images.pull(name, { registries, ...more });
  const full = (): string => `${servers[1]?.host}/app:latest`;

  it('asks, keeps the choice, and names the image in full', async () => {
    const tried: string[] = [];
    const onTry = (reference: string): void => void tried.push(reference);
    const chooseShortName = (candidates: readonly string[]): string => candidates[1] ?? '';
    const enforcing: RegistriesConfig = { ...registries, shortNameMode: 'enforcing' };
    expect((await failure(pull('app', { registries: enforcing }))).code).to.equal('ERR_SHORT_NAME');
    const pulled = await pull('app', { registries: enforcing, chooseShortName, onTry });
    expect(pulled.names).to.deep.equal([full()]);
    expect(tried).to.deep.equal([full()]);
    expect(readFileSync(join(box.directory, 'aliases.conf'), 'utf8')).to.include(
      `app = "${servers[1]?.host}/app"`,
    );
    tried.length = 0;
    await pull('app', { registries: enforcing, onTry });
    expect(tried).to.deep.equal([full()]);
  });

  it('tries one after the other, and finds the image again by its short name', async () => {
    const other = { ...registries, aliasFile: join(box.directory, 'none.conf') };
    const tried: string[] = [];
    await pull('app', { registries: other, onTry: (reference) => void tried.push(reference) });
    expect(tried).to.deep.equal([`${servers[0]?.host}/app:latest`, full()]);
    const chosen = await box.engine.images.choose('app', 'missing', { registries: other });
    expect(chosen.name).to.equal(full());
    const missing = await failure(pull('app:nosuch', { registries: other }));
    expect(missing.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(missing.message).to.match(/^2 errors occurred while pulling:\n \* /);
    const blocked = { registries: [{ location: servers[1]?.host ?? '', blocked: true }] };
    expect((await failure(pull(full(), { registries: blocked }))).code).to.equal('ERR_REGISTRY_BLOCKED');
  });
});
