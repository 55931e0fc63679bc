import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect } from 'chai';
import { inspectImage } from '../../../lib/transports/inspect-image.js';
import { env, useFakeRegistry } from '../../support/fake-pull.js';
import { demandToken, sendError } from '../../support/fake-registry.js';
import { failure } from '../../support/memory-source.js';
import { until } from '../../support/programs.js';

describe('transports: inspecting an image of a registry', () => {
  const fake = useFakeRegistry();
  const inspect = (name: string) =>
    inspectImage(`docker://${fake.registry.host}/${name}`, { tlsVerify: false, env });

  it('asks for manifest, configuration and tags, with one token', async () => {
    const { registry, image } = fake;
    const tokens = await fake.another();
    tokens.faults.push((_seen, response) => {
      response.end('{"token":"good"}');
      return true;
    });
    registry.faults.push(
      demandToken(`${tokens.origin}/token`, (token) => token === 'good'),
      ({ url }, response) => {
        if (!url.endsWith('/tags/list')) return false;
        response.end('{"name":"test/image","tags":["latest","old"]}');
        return true;
      },
    );
    const { Digest, RepoTags } = await inspect('test/image');
    expect([Digest, RepoTags]).to.deep.equal([image.manifest.descriptor.digest, ['latest', 'old']]);
    expect(tokens.seen).to.have.length(1);
    const answered = registry.seen.filter(({ headers }) => headers.authorization === 'Bearer good');
    expect(answered.map(({ url }) => url).sort()).to.deep.equal([
      `/v2/test/image/blobs/${image.config.descriptor.digest}`,
      '/v2/test/image/manifests/latest',
      '/v2/test/image/tags/list',
    ]);
  });

  it('no longer asks for the tags when it has failed', async () => {
    const waiting: ServerResponse[] = [];
    fake.registry.faults.push((_seen, response) => {
      waiting.push(response);
      return true;
    });
    const failed = failure(inspect('test/image:none'));
    await until('both are asked for', () => waiting.length === 2);
    const { seen } = fake.registry;
    const of = (end: string): ServerResponse =>
      waiting[seen.findIndex(({ url }) => url.endsWith(end))] as ServerResponse;
    const gone = once(of('/tags/list'), 'close');
    sendError(of('/manifests/none'), 404, 'MANIFEST_UNKNOWN', 'unknown');
    expect((await failed).code).to.equal('ERR_NO_SUCH_IMAGE');
    await gone;
    expect(seen).to.have.length(2);
  });
});
