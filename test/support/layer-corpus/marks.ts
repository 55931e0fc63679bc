import { tar, type TarEntry } from '../tar-builder.js';
import { file, REFUSED } from './parts.js';
import type { LayerCase } from './types.js';

const dir = (name: string): TarEntry => ({ name, type: '5' });
const mark = (name: string): TarEntry => ({ name, content: '' });
const xattrs = (names: readonly string[], value = 'y'): Record<string, string> =>
  Object.fromEntries(names.map((name) => [`SCHILY.xattr.${name}`, value]));

const OVERLAY = [
  'opaque',
  'redirect',
  'metacopy',
  'origin',
  'impure',
  'whiteout',
  'overlay.opaque',
  'upper',
  'uuid',
];

/** L10, L11: whiteouts, and what only overlay itself may say. */
export function markCases(): LayerCase[] {
  const make = (name: string, parts: TarEntry[], more: Partial<LayerCase>): LayerCase => ({
    name,
    archive: () => tar(...parts),
    ...more,
  });
  const opaque = { 'overlay.opaque': 'y' };
  return [
    make('L10 the device of a whiteout', [{ name: 'w', type: '3', major: 0, minor: 0 }], REFUSED),
    make('L10 the device of a whiteout, without numbers', [{ name: 'w', type: '3', format: 'v7' }], REFUSED),
    make('L10 a hard link to a whiteout', [mark('.wh.a'), { name: 'b', type: '1', link: 'a' }], REFUSED),
    make(
      'L10 marks of overlay, by its two prefixes',
      [
        {
          ...dir('d'),
          pax: xattrs(OVERLAY.flatMap((name) => [`trusted.overlay.${name}`, `user.overlay.${name}`])),
        },
        { ...file('f'), pax: xattrs(['trusted.overlay.metacopy', 'user.overlay.redirect', 'user.fine']) },
      ],
      {
        tree: { d: 'dir', f: 'file x' },
        xattrs: {
          d: Object.fromEntries(
            OVERLAY.flatMap((name) => [
              [`trusted.overlay.${name}`, undefined],
              [`user.overlay.${name}`, undefined],
            ]),
          ),
          f: { 'trusted.overlay.metacopy': undefined, 'user.overlay.redirect': undefined, 'user.fine': 'y' },
        },
      },
    ),
    make('L10 a label of the host', [{ ...file('f'), pax: xattrs(['security.selinux'], 'u:r:t:s0') }], {
      tree: { f: 'file x' },
      xattrs: { f: { 'security.selinux': undefined } },
    }),
    make('L10 an attribute of no namespace', [{ ...file('f'), pax: xattrs(['bogus.x', 'nothing']) }], {
      tree: { f: 'file x' },
    }),
    make(
      'L10 user attributes on what cannot have them',
      [
        { name: 'l', type: '2', link: 'x', pax: xattrs(['user.a']) },
        { name: 'p', type: '6', pax: xattrs(['user.a']) },
      ],
      {
        tree: { l: 'link x', p: 'fifo' },
      },
    ),
    make(
      'L10 an attribute name with a NUL or too long',
      [{ ...file('f'), pax: xattrs([`user.${'y'.repeat(300)}`]) }],
      REFUSED,
    ),
    make('L11 a whiteout', [dir('d'), mark('d/.wh.f'), mark('.wh.g')], {
      tree: { d: 'dir', 'd/f': 'whiteout', g: 'whiteout' },
    }),
    make(
      'L11 a whiteout that is a directory, or has content',
      [dir('.wh.a'), file('.wh.b', 'content'), file('c')],
      {
        tree: { a: 'whiteout', b: 'whiteout', c: 'file x' },
      },
    ),
    make('L11 a whiteout twice', [mark('.wh.a'), mark('.wh.a')], { tree: { a: 'whiteout' } }),
    make('L11 .wh. alone', [mark('.wh.')], REFUSED),
    make('L11 a whiteout of .', [mark('.wh..')], REFUSED),
    make('L11 a whiteout of ..', [dir('a'), mark('a/.wh...')], REFUSED),
    make('L11 below the name of a whiteout', [file('.wh.a/b')], REFUSED),
    make('L11 a whiteout above the root', [mark('../../.wh.x')], { tree: { x: 'whiteout' } }),
    make(
      'L11 what aufs keeps for itself',
      [dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), mark('.wh..wh.aufs'), file('x')],
      {
        tree: { x: 'file x' },
      },
    ),
    make('L11 names that only look like it', [file('a.wh.b'), file('.wh'), file('.whiteout')], {
      tree: { 'a.wh.b': 'file x', '.wh': 'file x', '.whiteout': 'file x' },
    }),
    make('L11 an opaque directory', [dir('d'), mark('d/.wh..wh..opq'), file('d/x')], {
      tree: { d: 'dir', 'd/x': 'file x' },
      xattrs: { d: opaque },
    }),
    make('L11 an opaque mark before its directory', [mark('d/.wh..wh..opq'), { ...dir('d'), mode: 0o700 }], {
      tree: { d: 'dir' },
      modes: { d: 0o700 },
      xattrs: { d: opaque },
    }),
    make(
      'L11 an opaque mark does not remove what the layer itself has',
      [file('d/x'), mark('d/.wh..wh..opq')],
      {
        tree: { d: 'dir', 'd/x': 'file x' },
        xattrs: { d: opaque },
      },
    ),
    make(
      'L11 a whiteout and a file of the same layer, in either order',
      [mark('.wh.a'), file('a'), file('b'), mark('.wh.b')],
      {
        tree: { a: 'file x', b: 'file x' },
      },
    ),
    make(
      'L11 a whiteout and then the directory: nothing below shows through',
      [mark('.wh.d'), dir('d'), file('d/x')],
      {
        tree: { d: 'dir', 'd/x': 'file x' },
        xattrs: { d: opaque },
      },
    ),
    make('L11 a directory and then its whiteout', [file('d/x'), mark('.wh.d')], {
      tree: { d: 'dir', 'd/x': 'file x' },
      xattrs: { d: opaque },
    }),
    make('L11 a whiteout and then a file below it', [mark('.wh.d'), file('d/x')], {
      tree: { d: 'dir', 'd/x': 'file x' },
      xattrs: { d: opaque },
    }),
    make(
      'L11 a whiteout and then a whiteout below it',
      [mark('.wh.d'), mark('d/.wh.x'), mark('d/.wh..wh..opq')],
      { tree: { d: 'whiteout' } },
    ),
    make('L11 a whiteout of a link that is there', [{ name: 'l', type: '2', link: 'x' }, mark('.wh.l')], {
      tree: { l: 'link x' },
    }),
    make('L11 a file in place of a whiteout', [mark('.wh.f'), { name: 'f', type: '2', link: 'x' }], {
      tree: { f: 'link x' },
    }),
  ];
}
