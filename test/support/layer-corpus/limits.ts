import { gzipSync } from 'node:zlib';
import { execFileSync } from 'node:child_process';
import { header, meta, open, pax, tar } from '../tar-builder.js';
import { file, make, REFUSED } from './parts.js';
import type { LayerCase } from './types.js';

/** L6, L7: what would take too much of anything. */
export function limitCases(): LayerCase[] {
  const deep = (depth: number): string => Array.from({ length: depth }, () => 'd').join('/');
  return [
    make('L6 a gzip bomb', () => bomb(gzipSync), { ...REFUSED, patience: 20_000 }),
    make(
      'L6 a zstd bomb',
      () => bomb((bytes) => execFileSync('zstd', ['-qc'], { input: bytes, maxBuffer: 1 << 28 })),
      { ...REFUSED, patience: 20_000 },
    ),
    make(
      'L6 an extended header of more than a MiB',
      () => tar({ ...file('f'), pax: { comment: 'y'.repeat(1 << 20) } }),
      REFUSED,
    ),
    make(
      'L6 an extended header that says it is huge',
      () => header({ name: 'x', type: 'x', size: 2 ** 32 }),
      REFUSED,
    ),
    make(
      'L6 many extended headers in a row',
      () => tar(...Array.from({ length: 40 }, () => pax({ comment: 'y'.repeat(30_000) })), file('f')),
      REFUSED,
    ),
    make(
      'L6 many global headers',
      () =>
        tar(
          ...Array.from({ length: 40 }, (_, i) =>
            pax({ [`SCHILY.xattr.user.${i}`]: 'y'.repeat(30_000) }, 'g'),
          ),
          file('f'),
        ),
      REFUSED,
    ),
    make(
      'L6 a path of 4096 bytes',
      () =>
        tar({
          ...file('f'),
          pax: {
            path: `${'y/'.repeat(700)}${'z'.repeat(200)}/`.repeat(2) + 'z'.repeat(200) + '/w'.repeat(600),
          },
        }),
      REFUSED,
    ),
    make('L6 a name of 256 bytes', () => tar({ ...file('f'), pax: { path: 'y'.repeat(256) } }), REFUSED),
    make('L6 a name of 255 bytes', () => tar({ ...file('f'), pax: { path: 'y'.repeat(255) } }), {
      tree: { ['y'.repeat(255)]: 'file x' },
    }),
    make(
      'L6 a link target of 4096 bytes',
      () => tar({ name: 'l', type: '2', pax: { linkpath: 'y'.repeat(4096) } }),
      REFUSED,
    ),
    make('L6 a path of 1025 components', () => tar({ ...file('f'), pax: { path: deep(1025) } }), REFUSED),
    make(
      'L6 paths of 1000 components',
      () =>
        tar(...Array.from({ length: 4 }, (_, i) => ({ ...file('f'), pax: { path: `${i}/${deep(999)}` } }))),
      {
        patience: 20_000,
      },
    ),
    make(
      'L6 a path of 100,000 components',
      () => tar({ ...file('f'), pax: { path: deep(100_000) } }),
      REFUSED,
    ),
    make(
      'L6 an apparent size of petabytes',
      () =>
        tar({
          ...file('s', ''),
          pax: {
            'GNU.sparse.major': '1',
            'GNU.sparse.minor': '0',
            'GNU.sparse.name': 's',
            'GNU.sparse.realsize': '9007199254740991',
          },
          content: Buffer.from('0\n'.padEnd(512, '\0')),
        }),
      REFUSED,
    ),
    make(
      'L6 extended attributes of half a MiB',
      () =>
        tar({
          ...file('f'),
          pax: Object.fromEntries(
            Array.from({ length: 9 }, (_, i) => [`SCHILY.xattr.user.${i}`, 'y'.repeat(70_000)]),
          ),
        }),
      {
        error: 'ERR_IO',
      },
    ),
    make(
      'L7 100,000 opaque marks in one large directory',
      () =>
        Buffer.concat([
          open({ name: 'd', type: '5' }, ...Array.from({ length: 500 }, (_, i) => file(`d/${i}`, ''))),
          opaqueMarks(100_000),
          Buffer.alloc(1024),
        ]),
      {
        patience: 10_000,
        xattrs: { d: { 'overlay.opaque': 'y' } },
      },
    ),
    make(
      'L7 a directory with much in it that is replaced again and again',
      () =>
        tar(
          ...Array.from({ length: 50 }, (_, i) => [
            { name: 'd', type: '5' },
            ...Array.from({ length: 20 }, (_, j) => file(`d/${j}`, '')),
            file('d', String(i)),
          ]).flat(),
        ),
      {
        tree: { d: 'file 49' },
        patience: 10_000,
      },
    ),
    make(
      'L6 a file of many small files',
      () => tar(...Array.from({ length: 2000 }, (_, i) => file(`${i % 50}/${i}`, ''))),
      { patience: 20_000 },
    ),
    make(
      'L6 extended headers between which nothing comes',
      () =>
        Buffer.concat([...Array.from({ length: 5 }, () => meta('L', Buffer.from('a\0'))), tar(file('b'))]),
      {
        tree: { a: 'file x' },
      },
    ),
  ];
}

function opaqueMarks(count: number): Buffer {
  const one = header({ name: 'd/.wh..wh..opq', size: 0 });
  const all = Buffer.alloc(count * one.length);
  for (let i = 0; i < count; i++) one.copy(all, i * one.length);
  return all;
}

/** A file of 4 GiB that grows by far more than layers do. It is put together of pieces, as both formats may be. */
function bomb(compress: (bytes: Buffer) => Buffer): Buffer {
  const piece = compress(Buffer.alloc(64 << 20));
  const head = compress(header({ name: 'zeros', size: 2 ** 32 }));
  return Buffer.concat([head, ...Array.from({ length: 64 }, () => piece)]);
}
