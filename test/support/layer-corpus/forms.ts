import { BLOCK, meta, open, pax, tar } from '../tar-builder.js';
import { bytes, file, hidden, make, REFUSED } from './parts.js';
import type { LayerCase } from './types.js';

/** L11: all forms that archives come in, and where they end. */
export function formCases(): LayerCase[] {
  return [
    make('L11 nothing at all', () => Buffer.alloc(0), REFUSED),
    make('L11 only its end', () => tar(), { tree: {} }),
    make('L11 no end', () => open(file('f')), { tree: { f: 'file x' } }),
    make('L11 one block of zeros as its end', () => Buffer.concat([open(file('f')), Buffer.alloc(BLOCK)]), {
      tree: { f: 'file x' },
    }),
    make('L11 more after its end', () => Buffer.concat([tar(file('f')), hidden()]), {
      tree: { f: 'file x' },
    }),
    make('L11 cut in a header', () => open(file('f'), file('g')).subarray(0, 1024 + 100), REFUSED),
    make('L11 cut in the content', () => open(file('f', bytes(2000))).subarray(0, 1024), REFUSED),
    make('L11 cut in the padding', () => open(file('f', bytes(2000))).subarray(0, 512 + 2000), REFUSED),
    make(
      'L11 cut in an extended header',
      () => open({ ...file('f'), pax: { path: bytes(2000) } }).subarray(0, 900),
      REFUSED,
    ),
    make('L11 cut after an extended header', () => pax({ path: 'a' }), REFUSED),
    make('L11 ended after an extended header', () => tar(pax({ path: 'a' })), REFUSED),
    make('L11 no archive', () => Buffer.from('this is not an archive'.repeat(100)), REFUSED),
    make('L11 an empty name', () => tar(file('')), REFUSED),
    make('L11 an empty name of a directory', () => tar({ name: '', type: '5' }, file('f')), {
      tree: { f: 'file x' },
    }),
    make(
      'L11 names that are not UTF-8',
      () => tar(file('\xff', '1'), file('\xfe', '2'), { name: '\xc0/\x80', content: '3' }),
      {
        tree: { '\xff': 'file 1', '\xfe': 'file 2', '\xc0': 'dir', '\xc0/\x80': 'file 3' },
      },
    ),
    make(
      'L11 names that are not UTF-8, in PAX',
      () => tar({ ...file('f'), pax: { path: Buffer.from('a\xff\xfe', 'latin1') } }),
      {
        tree: { 'a\xff\xfe': 'file x' },
      },
    ),
    make(
      'L11 names with control characters',
      () => tar(file('a\nb'), file('\x1b[31m'), file('-rf'), file(' ')),
      {
        tree: { 'a\nb': 'file x', '\x1b[31m': 'file x', '-rf': 'file x', ' ': 'file x' },
      },
    ),
    make(
      'L11 an empty PAX value counts as none',
      () => tar({ ...file('f'), pax: { path: '', linkpath: '', size: '', uid: '', mtime: '' } }),
      {
        tree: { f: 'file x' },
      },
    ),
    make(
      'L11 the last of two PAX records counts',
      () =>
        tar({
          ...file('f'),
          pax: [
            ['path', 'a'],
            ['path', 'b'],
          ],
        }),
      {
        tree: { b: 'file x' },
      },
    ),
    make(
      'L11 PAX records are for one entry',
      () => tar({ ...file('f'), pax: { path: 'a', 'SCHILY.xattr.user.a': '1' } }, file('g')),
      {
        tree: { a: 'file x', g: 'file x' },
        xattrs: { a: { 'user.a': '1' }, g: { 'user.a': undefined } },
      },
    ),
    make(
      'L11 a global PAX header is for all',
      () => tar(pax({ mtime: '42', comment: 'c' }, 'g'), file('a'), { ...file('b'), pax: { mtime: '43' } }),
      {
        tree: { a: 'file x', b: 'file x' },
        times: { a: 42, b: 43 },
      },
    ),
    make(
      'L11 a file that was there twice: the last one counts',
      () => tar(file('f', 'one', { mode: 0o600 }), file('f', 'two', { mode: 0o640 })),
      {
        tree: { f: 'file two' },
        modes: { f: 0o640 },
      },
    ),
    make(
      'L11 a directory that was there twice keeps what is in it',
      () =>
        tar({ name: 'd', type: '5', mode: 0o700 }, file('d/x'), {
          name: 'd',
          type: '5',
          mode: 0o750,
          mtime: 42,
        }),
      {
        tree: { d: 'dir', 'd/x': 'file x' },
        modes: { d: 0o750 },
        times: { d: 42 },
      },
    ),
    make('L11 a file in place of a directory', () => tar(file('d/a/b/c'), file('d', 'now')), {
      tree: { d: 'file now' },
    }),
    make('L11 a directory in place of a file', () => tar(file('d'), { name: 'd', type: '5' }, file('d/x')), {
      tree: { d: 'dir', 'd/x': 'file x' },
    }),
    make(
      'L11 types of old: contiguous, and a directory by its slash',
      () =>
        tar(
          { ...file('c'), type: '7' },
          { name: 'd/', type: '\0', format: 'v7' },
          { ...file('r'), type: '\0', format: 'v7' },
        ),
      {
        tree: { c: 'file x', d: 'dir', r: 'file x' },
      },
    ),
    make(
      'L11 a long name of GNU tar',
      () => tar(meta('L', Buffer.from(`${bytes(200)}/${bytes(200)}\0`)), file('f')),
      {
        tree: { [bytes(200)]: 'dir', [`${bytes(200)}/${bytes(200)}`]: 'file x' },
      },
    ),
    make(
      'L11 a long link target of GNU tar',
      () => tar(meta('K', Buffer.from(`${bytes(300)}\0`)), { name: 'l', type: '2', link: 'z' }),
      {
        tree: { l: `link ${bytes(300)}` },
      },
    ),
    make('L11 a prefix of ustar', () => tar({ ...file('n'), raw: [[345, Buffer.from('p/q')]] }), {
      tree: { p: 'dir', 'p/q': 'dir', 'p/q/n': 'file x' },
    }),
    make(
      'L11 no prefix in the format of GNU tar',
      () => tar({ ...file('n'), format: 'gnu', raw: [[345, Buffer.from('14000000000\0')]] }),
      {
        tree: { n: 'file x' },
      },
    ),
    make('L11 a fraction of a second', () => tar({ ...file('f'), pax: { mtime: '1234.75' } }), {
      tree: { f: 'file x' },
      times: { f: 1234.75 },
    }),
  ];
}
