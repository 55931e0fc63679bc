import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { RegistryOptions } from '../../lib/registry/options.js';
import { registrySource } from '../../lib/registry/source.js';
import { FakeRegistry } from './fake-registry.js';
import { makeImage, tarOf, type TestImage } from './images.js';
import { MemorySink } from './memory-sink.js';
import { copyOne, type OneImage } from './one-image.js';

/** A secret that must not go astray. */
export const CANARY = 'canary-secret';
export const credentials = { username: 'user', password: CANARY };
/** The environment of a user without files or proxies. */
export const env = { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };

/** What {@link useFakeRegistry} gives; the members change with each test. */
export interface FakePull {
  registry: FakeRegistry;
  /** Has three small layers, and is `latest` in the registry. */
  image: TestImage;
  /** Has one layer of 3 MiB that cannot be compressed. */
  large: TestImage;
  /** Another server; another address of the loopback is another host. */
  another(this: void, address?: string, tls?: { cert: string; key: string }): Promise<FakeRegistry>;
  /** Pulls `test/image` from the registry. */
  pull(
    this: void,
    options?: RegistryOptions & { name?: string; signal?: AbortSignal; sink?: MemorySink },
  ): Promise<OneImage>;
}

/** Call in a `describe`: a fresh fake registry with an image for each of its tests. */
export function useFakeRegistry(): FakePull {
  const servers: FakeRegistry[] = [];
  const fake: FakePull = {
    another: async (address, tls) => {
      const server = await FakeRegistry.start(address, tls);
      servers.push(server);
      return server;
    },
    pull: async ({ name = 'test/image', signal, sink = new MemorySink(), ...rest } = {}) => {
      const options = { tlsVerify: false, env, retryDelay: 1, ...rest };
      const source = registrySource(`${fake.registry.host}/${name}`, options);
      try {
        return await copyOne(source, sink, signal ? { signal } : {});
      } finally {
        await source.close();
      }
    },
  } as FakePull;
  before(async () => {
    const layers = await Promise.all(['a', 'b', 'c'].map((name) => tarOf([{ name, content: name }])));
    fake.image = await makeImage({ layers });
    fake.large = await makeImage({
      layers: [await tarOf([{ name: 'big', content: randomBytes(3 * 1024 * 1024) }])],
    });
  });
  beforeEach(async () => {
    fake.registry = await fake.another();
    fake.registry.add([fake.image]);
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });
  return fake;
}

/** That servers have seen neither the canary nor any authorization. */
export function expectNoLeak(...servers: readonly FakeRegistry[]): void {
  const secrets = [CANARY, Buffer.from(`user:${CANARY}`).toString('base64')];
  for (const { seen, host } of servers) {
    // Blobs hold no secrets, and are large.
    const short = seen.map(({ method, url, headers, body }) => [method, url, headers, body.slice(0, 10_000)]);
    const text = JSON.stringify(short);
    for (const secret of secrets) expect(text, host).not.to.include(secret);
    for (const { headers } of seen) expect(headers, host).not.to.have.property('authorization');
  }
}
