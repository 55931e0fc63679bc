import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import { registrySource } from '../../../lib/registry/source.js';
import { FakeRegistry } from '../../support/fake-registry.js';
import type { TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';
import { makeCertificates } from '../../support/registry.js';
import { env, useFakeRegistry } from '../../support/fake-pull.js';

describe('registry source: proxy', () => {
  const fake = useFakeRegistry();
  const { another } = fake;
  let registry: FakeRegistry;
  let image: TestImage;
  beforeEach(() => {
    ({ registry, image } = fake);
  });

  it('is used for plain requests and for tunnels, and sees no secret of a tunnel', async () => {
    const asked: string[] = [];
    const proxied: (string | undefined)[] = [];
    const proxy = createServer((request: IncomingMessage, response: ServerResponse) => {
      asked.push(request.url ?? '');
      proxied.push(request.headers['proxy-authorization']);
      const url = new URL(request.url ?? '');
      const { bytes } = { bytes: registry.blobs.get(registry.tags.get('latest') ?? '') };
      if (url.pathname === '/v2/') response.end('{}');
      else response.writeHead(200, { 'content-type': MEDIA.ociManifest }).end(bytes);
    });
    proxy.on('connect', (request: IncomingMessage, client: Socket) => {
      asked.push(`CONNECT ${request.url}`);
      proxied.push(request.headers['proxy-authorization']);
      const server = connect(Number(new URL(`http://${request.url}`).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        server.pipe(client).pipe(server);
      });
      server.on('error', () => client.destroy());
      client.on('error', () => server.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const url = `http://me:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const directory = mkdtempSync(join(tmpdir(), 'vaina-proxy-'));
    try {
      const made = makeCertificates(directory);
      execFileSync('openssl', ['verify', '-CAfile', join(made.certDir, 'ca.crt'), made.cert], {
        stdio: 'ignore',
      });
      const secure = await another('127.0.0.1', made);
      secure.add([image]);
      const port = secure.host.split(':')[1];
      // The name is not one of the loopback, so it goes through the proxy; its certificate is for another one.
      const options = {
        certDir: made.certDir,
        retryDelay: 1,
        env: { ...env, HTTPS_PROXY: url, http_proxy: url },
      };
      const tunnel = registrySource(`registry.example:${port}/a`, { ...options, tlsVerify: false });
      expect((await tunnel.manifest()).bytes).to.deep.equal(image.manifest.bytes);
      await tunnel.close();
      expect(new Set(asked)).to.deep.equal(new Set([`CONNECT registry.example:${port}`]));
      const verified = registrySource(`registry.example:${port}/a`, options);
      expect((await failure(verified.manifest())).code).to.equal('ERR_REGISTRY_UNREACHABLE');
      await verified.close();
      const plain = registrySource('plain.example/a', {
        ...options,
        env: { ...env, http_proxy: url },
        tlsVerify: false,
      });
      expect((await plain.manifest()).bytes).to.deep.equal(image.manifest.bytes);
      await plain.close();
      expect(asked.slice(-2)).to.deep.equal([
        'http://plain.example/v2/',
        'http://plain.example/v2/a/manifests/latest',
      ]);
      expect(new Set(proxied)).to.deep.equal(new Set([`Basic ${Buffer.from('me:pw').toString('base64')}`]));
    } finally {
      rmSync(directory, { recursive: true });
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});
