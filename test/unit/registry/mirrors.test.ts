import { expect } from 'chai';
import type { RegistriesConfig } from '../../../lib/registry/registries-conf.js';
import { RegistryClient } from '../../../lib/registry/client.js';
import { registrySource } from '../../../lib/registry/source.js';
import { CANARY, credentials, env, expectNoLeak, useFakeRegistry } from '../../support/fake-pull.js';
import { sendError, type FakeRegistry } from '../../support/fake-registry.js';
import { failure } from '../../support/memory-source.js';
import { MemorySink } from '../../support/memory-sink.js';
import { copyOne, type OneImage } from '../../support/one-image.js';

describe('registry mirrors', () => {
  const fake = useFakeRegistry();
  let mirror: FakeRegistry;
  beforeEach(async () => {
    mirror = await fake.another('127.0.0.2');
    mirror.add([fake.image]);
  });

  const rule = (more: object = {}): RegistriesConfig => ({
    registries: [
      {
        prefix: 'r.example/test',
        location: `${fake.registry.host}/test`,
        insecure: true,
        mirrors: [{ location: `${mirror.host}/mirrored`, insecure: true }],
        ...more,
      },
    ],
  });

  async function pull(
    registries: RegistriesConfig,
    name = 'r.example/test/image',
    more: object = {},
  ): Promise<OneImage> {
    const source = registrySource(name, {
      env,
      retryDelay: 1,
      registries,
      ...more,
    });
    return copyOne(source, new MemorySink()).finally(() => source.close());
  }

  it('are asked first, for the whole image, under the name that the user knows', async () => {
    await pull(rule());
    expect(fake.registry.seen).to.deep.equal([]);
    expect(mirror.requests(/^\/v2\/mirrored\/image\/blobs/)).to.have.length(4);
    expect(mirror.requests(/manifests/)).to.have.length(1);
    const source = registrySource('r.example/test/image', { env, registries: rule() });
    expect([source.name, source.reference?.domain]).to.deep.equal([
      'docker://r.example/test/image:latest',
      'r.example',
    ]);
    await source.close();
  });

  it('that do not have the image, or do not answer, are passed over', async () => {
    mirror.tags.clear();
    await pull(rule());
    expect(mirror.requests(/blobs/)).to.deep.equal([]);
    expect(fake.registry.requests(/blobs/)).to.have.length(4);
    await mirror.stop();
    await pull(rule());
    expect(fake.registry.requests(/blobs/)).to.have.length(8);
    fake.registry.tags.clear();
    const error = await failure(pull(rule()));
    expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(error.message)
      .to.include(fake.registry.host)
      .and.include('mirrors also failed')
      .and.include(mirror.host);
  });

  it('get no credentials but their own', async () => {
    mirror.faults.push(({ url }, response) => {
      if (url === '/v2/') return false;
      sendError(response, 401, 'UNAUTHORIZED', 'who are you', { 'www-authenticate': 'Basic realm="x"' });
      return true;
    });
    await pull(rule(), undefined, { credentials });
    expectNoLeak(mirror, fake.registry);
    expect(JSON.stringify(mirror.seen)).not.to.include(CANARY);
  });

  it('are not asked by a rule for digests, when there is none', async () => {
    await pull(rule({ mirrorByDigestOnly: true }));
    expect(mirror.seen).to.deep.equal([]);
    await pull(
      rule({ mirrorByDigestOnly: true }),
      `r.example/test/image@${fake.image.manifest.descriptor.digest}`,
    );
    expect(mirror.requests(/manifests/)).to.have.length(1);
  });

  it('are insecure each by itself, unless the caller says what to do', async () => {
    const secure = rule({ mirrors: [{ location: `${mirror.host}/mirrored` }] });
    await pull(secure);
    expect(mirror.seen).to.deep.equal([]);
    await pull(secure, undefined, { tlsVerify: false });
    expect(mirror.requests(/blobs/)).to.have.length(4);
    expect((await failure(pull(rule(), undefined, { tlsVerify: true }))).code).to.equal(
      'ERR_REGISTRY_UNREACHABLE',
    );
  });

  it('have no word on the tags, which are those of the registry', async () => {
    for (const [i, registry] of [fake.registry, mirror].entries()) {
      registry.faults.push(({ url }, response) => {
        if (!url.endsWith('/tags/list')) return false;
        response.end(JSON.stringify({ name: 'x', tags: [`of-${i}`] }));
        return true;
      });
    }
    const own = {
      registries: [
        {
          location: `${fake.registry.host}/test`,
          insecure: true,
          mirrors: [{ location: `${mirror.host}/mirrored`, insecure: true }],
        },
      ],
    };
    for (const registries of [own, { registries: [{ location: fake.registry.host, insecure: true }] }]) {
      const source = registrySource(`${fake.registry.host}/test/image`, { env, registries });
      expect(await source.tags?.()).to.deep.equal(['of-0']);
      await source.close();
    }
  });

  it('do not help what is blocked', async () => {
    const error = await failure(pull(rule({ blocked: true })));
    expect(error.code).to.equal('ERR_REGISTRY_BLOCKED');
    expect(error.message).to.include('registry r.example/test is blocked by the configuration of registries');
    expect([...mirror.seen, ...fake.registry.seen]).to.deep.equal([]);
  });

  it('are nothing to a client, which knows of blocked and insecure registries', async () => {
    const { host } = fake.registry;
    const client = (registries: RegistriesConfig) =>
      new RegistryClient(host, 'test/image', { env, registries });
    const insecure = client({ registries: [{ location: host, insecure: true }] });
    expect((await insecure.get('manifests/latest')).status).to.equal(200);
    await insecure.close();
    const plain = client({});
    expect((await failure(plain.get('manifests/latest'))).code).to.equal('ERR_REGISTRY_UNREACHABLE');
    const blocked = client({ registries: [{ location: `${host}/test`, blocked: true }] });
    expect((await failure(blocked.get('manifests/latest'))).code).to.equal('ERR_REGISTRY_BLOCKED');
  });
});
