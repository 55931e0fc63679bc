import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { copy } from '../../../lib/oci/copy.js';
import { digestOf } from '../../../lib/oci/digest.js';
import { MEDIA } from '../../../lib/oci/mediatypes.js';
import { rootfsSource } from '../../../lib/oci/rootfs-source.js';
import { tarOf } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { copyOne } from '../../support/one-image.js';
import { failure } from '../../support/memory-source.js';

describe('oci rootfs source', () => {
  let directory: string;
  let plain: Buffer;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-rootfs-'));
    plain = await tarOf([{ name: 'etc/hostname', content: 'x'.repeat(100_000) }]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('makes an image of one layer, the archive as it is', async () => {
    const files: [string, Buffer, string][] = [
      ['plain', plain, MEDIA.ociLayer],
      ['gzip', gzipSync(plain), MEDIA.ociLayerGzip],
      ['zstd', execFileSync('zstd', ['-qc'], { input: plain }), MEDIA.ociLayerZstd],
    ];
    for (const [name, bytes, mediaType] of files) {
      const path = join(directory, name);
      writeFileSync(path, bytes);
      for (const input of [path, createReadStream(path)]) {
        const source = rootfsSource(input, {
          changes: ['CMD ["/bin/sh"]', 'ENV A=b'],
          platform: { os: 'linux', architecture: 'aarch64' },
          message: 'made here',
          author: 'me',
          created: new Date(0),
          tmpDir: directory,
        });
        const sink = new MemorySink();
        const image = await copyOne(source, sink);
        await source.close();
        expect(image.layers).to.deep.equal([{ mediaType, digest: digestOf(bytes), size: bytes.length }]);
        expect(image.config.parsed).to.deep.equal({
          created: '1970-01-01T00:00:00.000Z',
          author: 'me',
          os: 'linux',
          architecture: 'arm64',
          config: { Cmd: ['/bin/sh'], Env: ['A=b'] },
          rootfs: { type: 'layers', diff_ids: [digestOf(plain)] },
          history: [{ created: '1970-01-01T00:00:00.000Z', comment: 'made here' }],
        });
        expect(sink.blobs.get(digestOf(bytes))).to.deep.equal(bytes);
      }
    }
    expect(readdirSync(directory).sort()).to.deep.equal(['gzip', 'plain', 'zstd']);
  });

  it('refuses what is empty, missing, a directory, damaged or in another format', async () => {
    const write = (name: string, bytes: Buffer): string => {
      writeFileSync(join(directory, name), bytes);
      return join(directory, name);
    };
    const inputs: [string, string][] = [
      [write('empty', Buffer.alloc(0)), 'ERR_INVALID_IMAGE'],
      [join(directory, 'nosuch'), 'ERR_NO_SUCH_PATH'],
      [directory, 'ERR_INVALID_IMAGE'],
      [write('cut.gz', gzipSync(plain).subarray(0, 100)), 'ERR_INVALID_IMAGE'],
      [write('x.xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0])), 'ERR_UNSUPPORTED'],
    ];
    for (const [path, code] of inputs) {
      const source = rootfsSource(path);
      expect((await failure(source.manifest())).code, path).to.equal(code);
      await source.close();
    }
    expect(() => rootfsSource('x', { changes: ['RUN x'] }))
      .to.throw(VainaError)
      .with.property('code', 'ERR_INVALID_OPTION');
  });

  it('notices an archive that changes while it is read', async () => {
    const path = join(directory, 'changing');
    writeFileSync(path, plain);
    const source = rootfsSource(path);
    await source.manifest();
    const changed = Buffer.from(plain);
    changed[1000] = 0;
    writeFileSync(path, changed);
    expect((await failure(copy(source, new MemorySink()))).code).to.equal('ERR_DIGEST_MISMATCH');
    await source.close();
  });
});
