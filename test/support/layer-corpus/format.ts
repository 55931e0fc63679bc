import { base256, BLOCK, header, meta, open, padded, pax, tar, type TarEntry } from '../tar-builder.js';
import type { LayerCase } from './types.js';

const REFUSED = { error: 'ERR_INVALID_LAYER' as const };
const file = (name: string | Buffer, content = 'x', more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  content,
  ...more,
});

/** A header that must not be found: what is smuggled as content. */
const hidden = (): Buffer => open(file('pwned'));

/** L4, L5, L11: what headers say. */
export function formatCases(): LayerCase[] {
  const make = (name: string, archive: () => Buffer, more: Partial<LayerCase>): LayerCase => ({
    name,
    archive,
    ...more,
  });
  const bytes = (size: number): string => 'y'.repeat(size);
  return [
    make(
      'L4 a PAX size is for the file, not for the long name before it',
      () =>
        tar(
          pax({ size: '1536' }),
          meta('L', Buffer.from('long\0')),
          { ...file('f', ''), size: 0, content: '' },
          padded(Buffer.from(bytes(1536))),
        ),
      {
        tree: { long: `file ${bytes(1536)}` },
      },
    ),
    make('L4 content that looks like a header stays content', () => tar({ name: 'f', content: hidden() }), {
      tree: { f: `file ${hidden().toString('latin1')}` },
    }),
    make('L4 two sizes', () => tar({ name: 'f', content: hidden(), pax: { size: '0' } }), REFUSED),
    make(
      'L4 a size in a global header',
      () => tar(pax({ size: '1024' }, 'g'), file('f', ''), hidden()),
      REFUSED,
    ),
    make('L4 a path in a global header', () => tar(pax({ path: 'p' }, 'g'), file('f')), REFUSED),
    make(
      'L4 a link with a size has no content',
      () => tar(file('f'), { name: 'h', type: '1', link: 'f', size: 1024 }, file('g')),
      {
        tree: { f: 'file x', h: 'file x', g: 'file x' },
        same: [['f', 'h']],
      },
    ),
    make('L4 a directory with content', () => tar({ name: 'd', type: '5', content: hidden() }), REFUSED),
    make(
      'L4 a symbolic link with content',
      () => tar({ name: 'l', type: '2', link: 'x', content: hidden() }),
      REFUSED,
    ),
    make(
      'L4 an old directory (by its slash) with content',
      () => tar({ name: 'd/', type: '\0', content: hidden() }),
      REFUSED,
    ),
    make(
      'L4 a long name and a PAX path that differ',
      () => tar(meta('L', Buffer.from('one\0')), { ...file('f'), pax: { path: 'two' } }),
      REFUSED,
    ),
    make('L5 a negative size', () => tar({ name: 'f', size: base256(-512n, 12) }), REFUSED),
    make('L5 a size of 2⁶³', () => tar({ name: 'f', size: base256(1n << 63n, 12) }), REFUSED),
    make('L5 a size in base 256', () => tar({ name: 'f', size: base256(1n, 12), content: 'x' }), {
      tree: { f: 'file x' },
    }),
    make(
      'L5 a size that is no number',
      () => tar({ name: 'f', size: Buffer.from('0000000009x\0') }),
      REFUSED,
    ),
    ...['1e999', '-1', '+1', '0x10', ' 1', '1.5', '9007199254740993', '99999999999999999999'].map((size) =>
      make(`L5 a PAX size of ${JSON.stringify(size)}`, () => tar({ name: 'f', pax: { size } }), REFUSED),
    ),
    make('L5 a negative owner', () => tar({ ...file('f'), raw: [[108, base256(-1n, 8)]] }), REFUSED),
    make(
      'L5 the owner that means nobody changes',
      () => tar({ ...file('f'), pax: { uid: '4294967295' } }),
      REFUSED,
    ),
    make('L5 a NUL in a PAX path', () => tar({ ...file('f'), pax: { path: 'a\0b' } }), REFUSED),
    make(
      'L5 a NUL in a PAX link',
      () => tar({ name: 'l', type: '2', link: 'x', pax: { linkpath: 'a\0b' } }),
      REFUSED,
    ),
    make('L5 a number as a PAX path', () => tar({ ...file('f'), pax: { path: '123' } }), {
      tree: { '123': 'file x' },
    }),
    ...[
      ['that is too long', '999 path=a\n'],
      ['that is too short', '5 path=a\n'],
      ['that is none', 'path=a\n'],
      ['that is negative', '-9 path=a\n'],
      ['of zero', '0 path=a\n'],
      ['that is huge', '99999999999999999999 path=a\n'],
    ].map(([what = '', record = '']) =>
      make(
        `L5 a PAX record with a length ${what}`,
        () => tar(meta('x', Buffer.from(record)), file('f')),
        REFUSED,
      ),
    ),
    make(
      'L5 a PAX record without an end',
      () => tar(meta('x', Buffer.from('9 path=ab')), file('f')),
      REFUSED,
    ),
    make('L5 a PAX record without a key', () => tar(meta('x', Buffer.from('7 =abc\n')), file('f')), REFUSED),
    make(
      'L5 PAX keys of JavaScript',
      () =>
        tar({
          ...file('f'),
          pax: [
            ['__proto__', 'x'],
            ['constructor', 'y'],
            ['SCHILY.xattr.__proto__', 'z'],
          ],
        }),
      { tree: { f: 'file x' } },
    ),
    make('L5 PAX times that are none', () => tar({ ...file('f'), pax: { mtime: 'NaN' } }), REFUSED),
    make('L5 a wrong checksum', () => tar({ ...file('f'), checksum: '0000001\0' }), REFUSED),
    make(
      'L5 a checksum of signed characters',
      () => tar({ ...file('\xff\xfe'), checksum: signedSum(file('\xff\xfe')) }),
      {
        tree: { '\xff\xfe': 'file x' },
      },
    ),
    make('L5 an unknown type', () => tar({ name: 'v', type: 'V' }), REFUSED),
    make('L5 a part of a multi-volume archive', () => tar({ name: 'm', type: 'M', format: 'gnu' }), REFUSED),
    make('L5 a type that is a property of every object', () => tar({ name: 'v', type: '_' }), REFUSED),
    make('L5 a symbolic link to nothing', () => tar({ name: 'l', type: '2' }), REFUSED),
    make(
      'L5 a device number out of range',
      () => tar({ name: 'd', type: '3', raw: [[329, base256(-1n, 8)]] }),
      REFUSED,
    ),
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
    ...sparseCases(make, bytes),
  ];
}

type Make = (name: string, archive: () => Buffer, more: Partial<LayerCase>) => LayerCase;

function sparseCases(make: Make, bytes: (size: number) => string): LayerCase[] {
  const number = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  const old = (map: [number, number][], realSize: number, content: string): TarEntry => ({
    name: 's',
    type: 'S',
    format: 'gnu',
    content,
    raw: [
      [386, Buffer.from(map.map(([offset, size]) => number(offset) + number(size)).join(''))],
      [483, Buffer.from(number(realSize))],
    ],
  });
  const holed = `file ${'\0'.repeat(4096)}${bytes(512)}${'\0'.repeat(3584)}`;
  const version1 = (map: string, size: number, content: string): Buffer =>
    open({
      name: 'GNUSparseFile.1/s',
      content: Buffer.concat([padded(Buffer.from(map)), Buffer.from(content)]),
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 's',
        'GNU.sparse.realsize': String(size),
      },
    });
  return [
    make(
      'L11 a sparse file of GNU tar',
      () =>
        tar(
          old(
            [
              [4096, 512],
              [8192, 0],
            ],
            8192,
            bytes(512),
          ),
        ),
      { tree: { s: holed } },
    ),
    make('L11 a sparse file with a map of many blocks', () => tar(extended()), {
      tree: { s: `file ${`${bytes(1)}\0`.repeat(50)}` },
    }),
    make(
      'L11 a sparse file of PAX 0.0',
      () =>
        tar({
          ...file('s', bytes(512)),
          pax: [
            ['GNU.sparse.size', '8192'],
            ['GNU.sparse.numblocks', '1'],
            ['GNU.sparse.offset', '4096'],
            ['GNU.sparse.numbytes', '512'],
          ],
        }),
      {
        tree: { s: holed },
      },
    ),
    make(
      'L11 a sparse file of PAX 0.1',
      () =>
        tar({
          ...file('other', bytes(512)),
          pax: {
            'GNU.sparse.size': '8192',
            'GNU.sparse.numblocks': '1',
            'GNU.sparse.map': '4096,512',
            'GNU.sparse.name': 's',
          },
        }),
      {
        tree: { s: holed },
      },
    ),
    make('L11 a sparse file of PAX 1.0', () => tar(version1('1\n4096\n512\n', 8192, bytes(512))), {
      tree: { s: holed },
    }),
    make('L11 a sparse file without content', () => tar(version1('0\n', 8192, '')), {
      tree: { s: `file ${'\0'.repeat(8192)}` },
    }),
    make(
      'L5 a sparse map that overlaps',
      () =>
        tar(
          old(
            [
              [0, 512],
              [256, 512],
            ],
            8192,
            bytes(1024),
          ),
        ),
      REFUSED,
    ),
    make('L5 a sparse map that leaves its file', () => tar(old([[8000, 512]], 8192, bytes(512))), REFUSED),
    make('L5 a sparse map larger than the content', () => tar(old([[0, 4096]], 8192, bytes(512))), REFUSED),
    make('L5 a sparse map that is cut', () => tar(version1('9999\n1\n', 8192, bytes(512))), REFUSED),
    make('L5 a sparse map that is no map', () => tar(version1('x\n', 8192, bytes(512))), REFUSED),
    make(
      'L5 a sparse file with a name that leads out',
      () =>
        tar({
          ...file('s', bytes(512)),
          pax: { 'GNU.sparse.map': '0,512', 'GNU.sparse.size': '512', 'GNU.sparse.name': '../../up' },
        }),
      {
        tree: { up: `file ${bytes(512)}` },
      },
    ),
    make(
      'L5 a sparse file of a format to come',
      () => tar({ ...file('s'), pax: { 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' } }),
      REFUSED,
    ),
  ];

  function extended(): Buffer {
    const map = Array.from({ length: 50 }, (_, i): [number, number] => [2 * i, 1]);
    const text = (part: [number, number][]): string =>
      part.map(([offset, size]) => number(offset) + number(size)).join('');
    const block = (from: number, more: boolean): Buffer => {
      const out = Buffer.alloc(BLOCK);
      out.write(text(map.slice(from, from + 21)));
      out[504] = more ? 1 : 0;
      return out;
    };
    const head = header({
      name: 's',
      type: 'S',
      format: 'gnu',
      size: 50,
      raw: [
        [386, Buffer.from(text(map.slice(0, 4)))],
        [482, Buffer.from([1])],
        [483, Buffer.from(number(100))],
      ],
    });
    return Buffer.concat([
      head,
      block(4, true),
      block(25, true),
      block(46, false),
      padded(Buffer.from(bytes(50))),
    ]);
  }
}

function signedSum(entry: TarEntry): string {
  const block = header(entry);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + (byte > 127 ? byte - 256 : byte), 0);
  return `${sum.toString(8).padStart(6, '0')}\0 `;
}
