import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openBeneath } from '../../../lib/util/beneath.js';

describe('util beneath', () => {
  let directory: string;
  let root: FileHandle;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-beneath-'));
    writeFileSync(join(directory, 'sentinel'), 'outside');
    mkdirSync(join(directory, 'root/a/b'), { recursive: true });
    writeFileSync(join(directory, 'root/a/b/file'), 'inside');
    root = await open(join(directory, 'root'));
  });
  afterEach(async () => {
    await root.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function codeOf(path: string): Promise<unknown> {
    try {
      const file = await openBeneath(root, path);
      await file?.close();
      return file === undefined ? 'missing' : 'opened';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  }

  it('opens files, wherever the directory has gone', async () => {
    const file = await openBeneath(root, 'a/b/file');
    expect((await file?.readFile())?.toString()).to.equal('inside');
    await file?.close();
    expect(await codeOf('a/nosuch')).to.equal('missing');
    expect(await codeOf('nosuch/file')).to.equal('missing');
    execFileSync('mv', [join(directory, 'root'), join(directory, 'moved')]);
    expect(await codeOf('a/b/file')).to.equal('opened');
  });

  it('opens nothing else, and keeps no descriptor', async () => {
    const at = (name: string): string => join(directory, 'root', name);
    symlinkSync('../sentinel', at('link'));
    symlinkSync('a/b/file', at('inner'));
    symlinkSync('..', at('up'));
    symlinkSync('a', at('dir'));
    symlinkSync('/dev/zero', at('zero'));
    execFileSync('mkfifo', [at('fifo')]);
    const before = readdirSync('/proc/self/fd').length;
    const paths = [
      'link',
      'inner',
      'up/sentinel',
      'dir/b/file',
      'zero',
      'fifo',
      'a',
      'a/b',
      'a/b/file/x',
      '',
      '.',
      '..',
      'a/../a/b/file',
      '/a/b/file',
      'a//b/file',
      'a/b/file/',
      'a\0b',
    ];
    for (const path of paths)
      expect(await codeOf(path), JSON.stringify(path)).to.be.oneOf(['EINVAL', 'ELOOP', 'ENOTDIR']);
    expect(readdirSync('/proc/self/fd').length).to.equal(before);
  });
});
