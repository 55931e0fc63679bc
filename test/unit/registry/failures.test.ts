import { expect } from 'chai';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import type { Digest } from '../../../lib/oci/types.js';
import { registrySource } from '../../../lib/registry/source.js';
import { demandToken, FakeRegistry, sendError, type Fault } from '../../support/fake-registry.js';
import type { TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';
import { env, useFakeRegistry } from '../../support/fake-pull.js';

describe('registry source: what goes wrong', () => {
  const fake = useFakeRegistry();
  const { pull } = fake;
  let registry: FakeRegistry;
  let image: TestImage;
  beforeEach(() => {
    ({ registry, image } = fake);
  });

  it('has its own code', async () => {
    expect((await failure(pull({ name: 'test/image:nosuch' }))).code).to.equal('ERR_NO_SUCH_IMAGE');
    registry.blobs.delete(image.layers[0]?.descriptor.digest as Digest);
    const error = await failure(pull());
    expect(error.code).to.equal('ERR_REGISTRY');
    expect(error.message).to.include('blob unknown');
    registry.faults.push(
      (_seen, response) => (sendError(response, 403, 'DENIED', 'not \u001b[31myou\n'), true),
    );
    const denied = await failure(pull());
    expect(denied.code).to.equal('ERR_UNAUTHORIZED');
    expect(denied.message).to.include('denied: not \\u001b[31myou').and.not.include('\u001b');
    expect(registry.requests(/manifests\/(?!sha256-)/).length).to.equal(3);
  });

  it('is unreachable where nobody listens, at once and with no second try', async () => {
    await registry.stop();
    for (const tlsVerify of [true, false]) {
      const begun = Date.now();
      const error = await failure(pull({ tlsVerify, retryDelay: 1000 }));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.include('connection refused');
      expect(Date.now() - begun).to.be.below(900);
    }
    const source = registrySource('nosuch.invalid/a', { env, retryDelay: 1, tries: 2 });
    expect((await failure(source.manifest())).code).to.equal('ERR_REGISTRY_UNREACHABLE');
    await source.close();
  });

  it('never falls back to plain HTTP by itself', async () => {
    const error = await failure(pull({ tlsVerify: true }));
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.message).to.include('does not speak TLS');
    expect(error.hint).to.include('tlsVerify');
    expect(registry.seen).to.deep.equal([]);
  });

  it('passes, when it is 429, 5xx or a reset, within the tries', async () => {
    for (const status of [429, 500, 502, 503]) {
      let left = 2;
      registry.faults.splice(0, 1, ({ url }, response) => {
        if (!url.includes('manifests') || left-- <= 0) return false;
        sendError(response, status, 'BUSY', 'later', { 'retry-after': '0' });
        return true;
      });
      await pull();
      left = 3;
      const error = await failure(pull());
      expect(error.code).to.equal('ERR_REGISTRY');
      expect(error.message).to.include(`answered with ${status}: busy: later`);
    }
    let resets = 2;
    registry.faults.splice(0, 1, ({ url }, response) => {
      if (!url.includes('manifests') || resets-- <= 0) return false;
      response.socket?.destroy();
      return true;
    });
    await pull();
  });

  it('is not tried again when it is the request that is wrong', async () => {
    for (const status of [400, 404, 405, 410, 418]) {
      registry.seen.length = 0;
      registry.faults.splice(0, 1, (_seen, response) => (sendError(response, status, 'X', 'x'), true));
      await failure(pull());
      expect(registry.requests(/manifests/)).to.have.length(1);
    }
  });

  it('waits as long as the registry wants, and no longer than the signal allows', async () => {
    registry.faults.push(({ url }, response) => {
      if (!url.includes('manifests')) return false;
      sendError(response, 429, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '30' });
      return true;
    });
    const begun = Date.now();
    const signal = AbortSignal.timeout(100);
    const error: unknown = await pull({ signal }).catch((e: unknown) => e);
    expect(error).to.equal(signal.reason);
    expect(Date.now() - begun).to.be.below(1000);
  });

  it('is noticed when the registry falls silent, before and in a body', async () => {
    registry.faults.push(({ url }) => url.includes('manifests'));
    const error = await failure(pull({ stallTimeout: 300, tries: 2 }));
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.message).to.include('no answer for 0.3 s');
    let stalls = 2;
    registry.faults.splice(0, 1, ({ url, headers }, response) => {
      if (!url.includes(image.layers[1]?.descriptor.digest ?? '') || stalls-- <= 0) return false;
      const bytes = image.layers[1]?.bytes as Buffer;
      response.writeHead(headers.range ? 206 : 200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 5));
      return true;
    });
    stalls = 1;
    await pull({ stallTimeout: 300 });
  });

  it('is bounded: a manifest, an error or a token of any size', async () => {
    const endless =
      (status: number, headers = {}): Fault =>
      (_seen, response) => {
        response.writeHead(status, headers);
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65536, 0x20)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
        return true;
      };
    for (const fault of [
      endless(200, { 'content-type': MEDIA.ociManifest }),
      endless(404),
      endless(200, { 'content-encoding': 'gzip' }),
    ]) {
      registry.faults.splice(0, 1, ({ url }, response) =>
        url === '/v2/' ? false : fault({} as never, response),
      );
      expect((await failure(pull())).message).to.match(/more than (4194304|1048576) bytes/);
    }
    registry.faults.splice(
      0,
      1,
      demandToken(`${registry.origin}/token`, () => false),
      ({ url }, response) => (url.startsWith('/token') ? endless(200)({} as never, response) : false),
    );
    expect((await failure(pull())).message).to.include('more than 1048576 bytes');
  });
});
