import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openArchive } from '../../../lib/oci/archive.js';
import { dockerArchiveEntries, makeImage, tarOf, type TestImage } from '../../support/images.js';
import { failure } from '../../support/memory-source.js';

describe('oci archives that are malformed', () => {
  let directory: string;
  let one: TestImage;
  before(async () => {
    one = await makeImage();
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-archive-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function refuses(input: string | Readable, code = 'ERR_INVALID_IMAGE'): Promise<string> {
    const error = await failure(openArchive(input, { tmpDir: directory }));
    expect(error.code, error.message).to.equal(code);
    return error.message;
  }

  const header = async (edit: (block: Buffer) => void): Promise<Buffer> => {
    const archive = await tarOf([{ name: 'manifest.json', content: '[]' }]);
    edit(archive);
    archive.write('        ', 148, 'latin1');
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return archive;
  };
  const cases: [string, (block: Buffer) => void][] = [
    ['a negative size', (block) => block.fill(0xff, 124, 136)],
    [
      'a huge size',
      (block) =>
        Buffer.from([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).copy(
          block,
          124,
        ),
    ],
    ['a size that is no number', (block) => block.write('0000000009x\0', 124, 'latin1')],
    ['a size past the end', (block) => block.write('77777777777\0', 124, 'latin1')],
    ['an unknown type', (block) => block.write('S', 156, 'latin1')],
    ['a device', (block) => block.write('3', 156, 'latin1')],
    ['a name that is not UTF-8', (block) => block.write('\xff\xfe', 0, 'latin1')],
  ];
  for (const [name, edit] of cases) {
    it(`refuses ${name}`, async () => {
      const path = join(directory, 'bad.tar');
      writeFileSync(path, await header(edit));
      await refuses(path);
    });
  }

  it('refuses PAX records that lie', async () => {
    const pax = async (records: Record<string, string>): Promise<string> => {
      const { pack } = await import('tar-stream');
      const archive = pack();
      archive.entry({ name: 'manifest.json', pax: records }, '[]');
      archive.finalize();
      const path = join(directory, 'pax.tar');
      const chunks: Buffer[] = [];
      for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
      writeFileSync(path, Buffer.concat(chunks));
      return path;
    };
    for (const records of [
      { size: '1e999' },
      { size: '-1' },
      { size: '' },
      { size: '99999999999999999' },
      { size: '2 ' },
      { path: 'a\0b' },
      { path: '../x' },
    ]) {
      await refuses(await pax(records));
    }
  });

  it('refuses what is no archive, cut, empty, damaged, or a bomb', async () => {
    const good = await tarOf(dockerArchiveEntries([{ image: one, tags: [] }]));
    const files: Record<string, Buffer> = {
      text: Buffer.from('this is no archive\n'.repeat(100)),
      empty: Buffer.alloc(0),
      zeros: Buffer.alloc(1024),
      cut: good.subarray(0, 700),
      'cut.gz': gzipSync(good).subarray(0, 300),
      'damaged.gz': Buffer.concat([gzipSync(good).subarray(0, 200), Buffer.alloc(200, 7)]),
      'damaged.zst': Buffer.concat([
        execFileSync('zstd', ['-qc'], { input: good }).subarray(0, 100),
        Buffer.alloc(100, 7),
      ]),
      rootfs: await tarOf([{ name: 'etc/passwd', content: '' }]),
    };
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(directory, name);
      writeFileSync(path, bytes);
      await refuses(path);
      await refuses(Readable.from([bytes]));
    }
    const bomb = join(directory, 'bomb.zst');
    execFileSync('sh', ['-c', `head -c 1200M /dev/zero | zstd -q > ${bomb}`]);
    expect(await refuses(bomb)).to.match(/1 GiB larger than a hundred times/);
    await refuses(join(directory, 'nosuch'), 'ERR_NO_SUCH_PATH');
    writeFileSync(join(directory, 'x.bz2'), Buffer.from('BZh91AY&SY'));
    await refuses(join(directory, 'x.bz2'));
    await refuses(directory);
  }).timeout(60_000);

  it('stops when the signal aborts and leaves nothing', async () => {
    const abort = new AbortController();
    const endless = new Readable({ read: () => undefined });
    endless.push(Buffer.alloc(2048));
    setTimeout(() => abort.abort(new Error('enough')), 30);
    const error: unknown = await openArchive(endless, { signal: abort.signal, tmpDir: directory }).catch(
      (e: unknown) => e,
    );
    expect(error).to.have.property('message', 'enough');
    expect(readdirSync(directory)).to.deep.equal([]);
    expect(endless.destroyed).to.equal(true);
    expect(existsSync(directory)).to.equal(true);
  });
});
