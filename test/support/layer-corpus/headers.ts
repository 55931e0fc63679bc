import { base256, header, meta, padded, pax, tar, type TarEntry } from '../tar-builder.js';
import { bytes, file, hidden, make, REFUSED } from './parts.js';
import type { LayerCase } from './types.js';

/** L4, L5: headers that say two things at once, or what cannot be. */
export function headerCases(): LayerCase[] {
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
  ];
}

function signedSum(entry: TarEntry): string {
  const block = header(entry);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + (byte > 127 ? byte - 256 : byte), 0);
  return `${sum.toString(8).padStart(6, '0')}\0 `;
}
