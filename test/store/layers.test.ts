import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { expectError } from '../support/containers.js';
import { makeImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { importArchive } from '../support/import-archive.js';
import { useBox, idOf, layer, requireProgram } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();
  it('imports archives however they are compressed', async () => {
    requireProgram('zstd');
    const plain = await layer('etc/passwd', 'root:x:0:0::/:/bin/sh\n');
    const zstd = execFileSync('zstd', ['-qc'], { input: plain });
    const ids = new Set<string>();
    for (const bytes of [
      plain,
      gzipSync(plain),
      zstd,
      Buffer.concat([gzipSync(plain.subarray(0, 700)), gzipSync(plain.subarray(700))]),
    ]) {
      const image = await importArchive(box.store, Readable.from([bytes]), {
        names: ['localhost/x:latest'],
        changes: ['CMD ["sh"]'],
      });
      ids.add(image.id);
      expect(image.config.config?.Cmd).to.deep.equal(['sh']);
      expect(box.store.images.userFiles(image.id)).to.deep.equal({ passwd: 'root:x:0:0::/:/bin/sh\n' });
    }
    expect(ids.size, 'the same content is the same image').to.equal(1);
    const bzip2 = Buffer.from('BZh91AY&SY');
    await expectError('ERR_UNSUPPORTED', importArchive(box.store, Readable.from([bzip2])));
    await expectError('ERR_INVALID_IMAGE', importArchive(box.store, Readable.from([])));
    expect(box.list('layers')).to.have.length(1);
  });

  it('reads users as the stacked layers show them', async () => {
    const users = async (...layers: Buffer[]): Promise<object> => {
      const image = await makeImage({ layers });
      await box.take(MemorySource.of(image));
      return box.store.images.userFiles(idOf(image));
    };
    const base = tar(
      { name: 'etc/passwd', content: 'base' },
      { name: 'etc/group', content: 'groups' },
      { name: 'usr/etc/passwd', content: 'usr' },
    );
    expect(await users(base)).to.deep.equal({ passwd: 'base', group: 'groups' });
    expect(await users(base, tar({ name: 'etc/passwd', content: 'top' }))).to.deep.equal({
      passwd: 'top',
      group: 'groups',
    });
    expect(await users(base, tar({ name: 'etc/.wh.passwd' }))).to.deep.equal({ group: 'groups' });
    expect(await users(base, tar({ name: '.wh.etc' }))).to.deep.equal({});
    expect(
      await users(base, tar({ name: 'etc/.wh..wh..opq' }, { name: 'etc/group', content: 'new' })),
    ).to.deep.equal({ group: 'new' });
    expect(
      await users(base, tar({ name: '.wh.etc' }, { name: 'etc', type: '2', link: 'usr/etc' })),
    ).to.deep.equal({ passwd: 'usr' });
    expect(
      await users(base, tar({ name: 'etc/passwd', type: '2', link: '../../../../usr/etc/passwd' })),
    ).to.deep.equal({ passwd: 'usr', group: 'groups' });
    expect(await users(base, tar({ name: 'etc/passwd', type: '2', link: '/etc/hostname' }))).to.deep.equal({
      group: 'groups',
    });
    expect(await users(base, tar({ name: 'etc/passwd', type: '2', link: 'passwd' }))).to.deep.equal({
      group: 'groups',
    });
    expect(
      await users(base, tar({ name: 'etc/passwd', type: '6' }, { name: 'etc/group', type: '5' })),
    ).to.deep.equal({});
    const huge = {
      name: 'etc/passwd',
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'etc/passwd',
        'GNU.sparse.realsize': String(2 ** 30),
      },
    };
    expect(await users(tar({ ...huge, content: '0\n'.padEnd(512, '\0') }))).to.deep.equal({});
  });
});
