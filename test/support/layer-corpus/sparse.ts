import { BLOCK, header, open, padded, tar, type TarEntry } from '../tar-builder.js';
import { bytes, file, make, REFUSED } from './parts.js';
import type { LayerCase } from './types.js';

/** L5, L11: sparse files in each of their formats. */
export function sparseCases(): LayerCase[] {
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
