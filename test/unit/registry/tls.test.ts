import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import type { RegistryOptions } from '../../../lib/registry/options.js';
import { registrySource } from '../../../lib/registry/source.js';
import { FakeRegistry } from '../../support/fake-registry.js';
import type { TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure } from '../../support/memory-source.js';
import { makeCertificates } from '../../support/registry.js';
import { env, useFakeRegistry } from '../../support/fake-pull.js';
import { copyOne, type OneImage } from '../../support/one-image.js';

describe('registry source: TLS', () => {
  const fake = useFakeRegistry();
  const { another } = fake;
  let registry: FakeRegistry;
  let image: TestImage;
  beforeEach(() => {
    ({ registry, image } = fake);
  });

  let directory: string;
  let secure: FakeRegistry;
  let certDir: string;
  let made: ReturnType<typeof makeCertificates>;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-tls-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(async () => {
    made = makeCertificates(mkdtempSync(join(directory, 'ca-')));
    certDir = made.certDir;
    secure = await another('127.0.0.1', made);
    secure.add([image]);
  });

  async function pullSecure(options: RegistryOptions, host = secure.host): Promise<OneImage> {
    const source = registrySource(`${host}/a`, { env, retryDelay: 1, ...options });
    return copyOne(source, new MemorySink()).finally(() => source.close());
  }

  it('trusts the authority of certDir, and nothing without it', async () => {
    await pullSecure({ certDir });
    const error = await failure(pullSecure({}));
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.hint).to.include('certDir');
    await pullSecure({ tlsVerify: false });
    expect(registry.seen).to.deep.equal([]);
  });

  it('refuses a wrong name, and another authority', async () => {
    const elsewhere = await another('127.0.0.3', made);
    const wrong = await failure(pullSecure({ certDir }, elsewhere.host));
    expect(wrong.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(wrong.message).to.include('ERR_TLS_CERT_ALTNAME_INVALID');
    const other = makeCertificates(mkdtempSync(join(directory, 'ca-')));
    expect((await failure(pullSecure({ certDir: other.certDir }))).code).to.equal('ERR_REGISTRY_UNREACHABLE');
  });

  it('refuses a certificate that is none', async () => {
    writeFileSync(join(certDir, 'bad.cert'), 'x');
    writeFileSync(join(certDir, 'bad.key'), 'x');
    expect((await failure(pullSecure({ certDir }))).code).to.equal('ERR_INVALID_OPTION');
  });

  it('refuses an expired certificate', async () => {
    const expired = makeCertificates(mkdtempSync(join(directory, 'ca-')), 0);
    const server = await another('127.0.0.1', expired);
    server.add([image]);
    await new Promise((done) => setTimeout(done, 1100));
    const error = await failure(pullSecure({ certDir: expired.certDir }, server.host));
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(server.seen).to.deep.equal([]);
  });

  it('does not follow a redirect from HTTPS to HTTP', async () => {
    registry.add([image]);
    secure.faults.push(({ url }, response) => {
      if (!url.includes('blobs')) return false;
      response.writeHead(307, { location: `${registry.origin}${url.replace('/a/', '/test/image/')}` }).end();
      return true;
    });
    expect((await failure(pullSecure({ certDir }))).message).to.include(
      'redirects to a place that is not https',
    );
    expect(registry.requests(/blobs/)).to.deep.equal([]);
  });
});
