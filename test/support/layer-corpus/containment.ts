import { tar, type TarEntry } from '../tar-builder.js';
import { file } from './parts.js';
import type { LayerCase, Places } from './types.js';

const dir = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', ...more });
const link = (name: string, target: string): TarEntry => ({ name, type: '2', link: target });
const hard = (name: string, target: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: '1',
  link: target,
  ...more,
});
const UP = '../'.repeat(24);
const REFUSED = 'ERR_INVALID_LAYER' as const;

/** L1 to L3: whatever an entry is called or linked to, nothing outside the layer is touched. */
export function containmentCases({ outside, inside }: Places): LayerCase[] {
  const cases: LayerCase[] = [];
  // The same trick with every way to say where.
  const targets: [string, string][] = [
    ['absolute', outside],
    ['relative', UP + outside.slice(1)],
    ['below the store', `/${inside}`],
    ['up to the store', UP + inside],
  ];
  for (const [how, there] of targets) {
    const add = (name: string, parts: TarEntry[], more: Partial<LayerCase> = { error: REFUSED }): void => {
      cases.push({ name: `L1 ${name} (${how})`, archive: () => tar(...parts), ...more });
    };
    add('link, then a file below it', [link('l', there), file('l/pwned')]);
    add('link, then a directory below it', [link('l', there), dir('l/pwned')]);
    add('link, then a file that is there', [link('l', there), file('l/file', 'pwned')]);
    add('link, then a link below it', [link('l', there), link('l/pwned', 'x')]);
    add('link, then a node below it', [link('l', there), { name: 'l/pwned', type: '6' }]);
    add('link of two hops', [link('a', 'b'), link('b', there), file('a/pwned')]);
    add('link of three hops', [link('a', 'b'), link('b', './c'), link('c', there), file('a/pwned')]);
    add('link in a directory that was one before', [dir('d'), link('d', there), file('d/pwned')]);
    add('link to a directory above, then on', [
      link('l', UP + '.'),
      link('m', `l/${there}`),
      file('m/pwned'),
    ]);
    add('hard link to a file outside', [hard('h', `${there}/file`)]);
    add('hard link through a link', [link('l', there), hard('h', 'l/file')]);
    add('hard link below a link', [file('f'), link('l', there), hard('l/pwned', 'f')]);
    add('whiteout through a link', [link('l', there), file('l/.wh.file', '')]);
    add('opaque mark through a link', [link('l', there), file('l/.wh..wh..opq', '')]);
    add(
      'hard link to a link, then content',
      [link('l', `${there}/file`), hard('h', 'l'), file('h', 'pwned')],
      {
        tree: { l: `link ${there}/file`, h: 'file pwned' },
      },
    );
    add('file in place of a link', [link('l', `${there}/file`), file('l', 'new')], {
      tree: { l: 'file new' },
    });
    add(
      'hard link in place of a link',
      [file('f'), link('l', `${there}/file`), hard('l', 'f', { mode: 0o666 })],
      {
        tree: { f: 'file x', l: 'file x' },
        same: [['f', 'l']],
      },
    );
    add(
      'directory in place of a link, with another mode',
      [link('l', there), dir('l', { mode: 0o777, uid: 7 }), file('l/x')],
      {
        tree: { l: 'dir', 'l/x': 'file x' },
        modes: { l: 0o777 },
      },
    );
    add('fifo in place of a link', [link('l', `${there}/file`), { name: 'l', type: '6' }], {
      tree: { l: 'fifo' },
    });
    add('whiteout in place of nothing, beside a link', [link('l', `${there}/file`), file('.wh.l', '')], {
      tree: { l: `link ${there}/file` },
    });
    add('times and owner of a link', [{ ...link('l', `${there}/file`), mtime: 42, uid: 9 }], {
      tree: { l: `link ${there}/file` },
      times: { l: 42 },
    });
    add(
      'directory whose times are set at the end, after it became a link',
      [dir('d', { mtime: 42 }), link('d', there)],
      {
        tree: { d: `link ${there}` },
      },
    );
    add(
      'directory whose parent became a link before its times are set',
      [dir('d'), dir('d/sub', { mtime: 42 }), link('d', there)],
      {
        tree: { d: `link ${there}` },
      },
    );
    add('name with ..', [file(`${UP}${there}/pwned`)], { tree: directories(`${there}/pwned`) });
  }
  return [...cases, ...innerCases()];
}

/** The tree of one file `x` with its parents, all from the root of the layer. */
function directories(path: string): Record<string, string> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const tree: Record<string, string> = {};
  for (let i = 1; i < parts.length; i++) tree[parts.slice(0, i).join('/')] = 'dir';
  return { ...tree, [parts.join('/')]: 'file x' };
}

function innerCases(): LayerCase[] {
  const make = (name: string, parts: TarEntry[], more: Partial<LayerCase>): LayerCase => ({
    name,
    archive: () => tar(...parts),
    ...more,
  });
  return [
    make('L1 link to / is the root of the layer', [link('l', '/'), file('l/a/b')], {
      tree: { l: 'link /', a: 'dir', 'a/b': 'file x' },
    }),
    make('L1 link to .. ends at the root of the layer', [dir('a'), link('a/l', UP), file('a/l/x')], {
      tree: { a: 'dir', 'a/l': `link ${UP}`, x: 'file x' },
    }),
    make(
      'L1 merged /usr: a link that is meant to be followed',
      [dir('usr'), dir('usr/bin'), link('bin', 'usr/bin'), file('bin/sh')],
      {
        tree: { usr: 'dir', 'usr/bin': 'dir', 'usr/bin/sh': 'file x', bin: 'link usr/bin' },
      },
    ),
    make('L1 merged /usr by an absolute link', [dir('usr/lib'), link('lib', '/usr/lib'), file('lib/x')], {
      tree: { usr: 'dir', 'usr/lib': 'dir', 'usr/lib/x': 'file x', lib: 'link /usr/lib' },
    }),
    make('L1 link whose target comes after it', [link('l', 'd'), dir('d'), file('l/x')], {
      tree: { l: 'link d', d: 'dir', 'd/x': 'file x' },
    }),
    make('L1 link that leads nowhere, then a file below it', [link('l', 'nowhere'), file('l/x')], {
      error: REFUSED,
    }),
    make(
      'L1 directory in place of a link into the layer',
      [dir('d'), link('l', 'd'), dir('l'), file('l/x')],
      {
        tree: { d: 'dir', l: 'dir', 'l/x': 'file x' },
      },
    ),
    make('L1 remembered parent is replaced', [dir('a'), file('a/1'), link('a', 'b'), dir('b'), file('a/2')], {
      tree: { a: 'link b', b: 'dir', 'b/2': 'file x' },
    }),
    make(
      'L1 parent of the remembered parent is replaced',
      [dir('a/c'), file('a/c/1'), link('a', 'b'), dir('b/c'), file('a/c/2')],
      {
        tree: { a: 'link b', b: 'dir', 'b/c': 'dir', 'b/c/2': 'file x' },
      },
    ),
    make('L1 . as a link', [link('.', '/etc')], { error: REFUSED }),
    make('L1 ./ as a file', [file('./')], { error: REFUSED }),
    make('L1 a/.. as a link', [dir('a'), link('a/..', '/etc')], { error: REFUSED }),
    make('L1 / as a hard link', [file('f'), hard('/', 'f')], { error: REFUSED }),
    make('L1 hard link to the root', [hard('h', '/')], { error: REFUSED }),
    make('L1 hard link to a directory', [dir('d'), hard('h', 'd')], { error: REFUSED }),
    make('L1 hard link to what is in no layer', [hard('h', 'below')], { error: REFUSED }),
    make('L1 hard link to itself', [file('f', 'one'), hard('f', 'f')], { tree: { f: 'file one' } }),
    make('L1 hard link with an absolute target', [file('a/f'), hard('h', '/a/f')], {
      tree: { a: 'dir', 'a/f': 'file x', h: 'file x' },
      same: [['a/f', 'h']],
    }),
    make('L1 hard link with .. in its target', [file('f'), hard('a/h', '../../../f')], {
      tree: { f: 'file x', a: 'dir', 'a/h': 'file x' },
      same: [['f', 'a/h']],
    }),
    make('L1 hard link, then the file again', [file('f', 'one'), hard('h', 'f'), file('f', 'two')], {
      tree: { f: 'file two', h: 'file one' },
    }),
    make('L1 links in a circle', [link('a', 'b'), link('b', 'a'), file('a/x')], { error: REFUSED }),
    make(
      'L1 links in a long row',
      [...Array.from({ length: 60 }, (_, i) => link(`l${i}`, `l${i + 1}`)), dir('l60'), file('l0/x')],
      {
        error: REFUSED,
      },
    ),
    make('L1 file below a file', [file('f'), file('f/x')], { error: REFUSED }),
    make(
      'L1 the root keeps its mode',
      [dir('./', { mode: 0o777, uid: 5 }), dir('/', { mode: 0o777 }), file('x')],
      {
        tree: { x: 'file x' },
        modes: { '': 0o555 },
      },
    ),
    make(
      'L1 absolute, double and dotted names',
      [file('/a'), file('.//b/./c'), file('d/../e'), file('../../f')],
      {
        tree: { a: 'file x', b: 'dir', 'b/c': 'file x', e: 'file x', f: 'file x' },
      },
    ),
    make(
      'L2 names that only fold together',
      [
        file('\xc3\xa9', '1'),
        file('e\xcc\x81', '2'),
        file('stra\xc3\x9fe', '3'),
        file('strasse', '4'),
        file('X', '5'),
        file('x', '6'),
      ],
      {
        tree: {
          '\xc3\xa9': 'file 1',
          'e\xcc\x81': 'file 2',
          'stra\xc3\x9fe': 'file 3',
          strasse: 'file 4',
          X: 'file 5',
          x: 'file 6',
        },
      },
    ),
    make('L3 link to a neighbour with the same prefix', [link('l', '../diff-other'), file('l/x')], {
      error: REFUSED,
    }),
    make(
      'L1 set-user-id, set-group-id and sticky bits stay',
      [
        file('s', 'x', { mode: 0o4755 }),
        file('g', 'x', { mode: 0o2755, uid: 1, gid: 2 }),
        dir('t', { mode: 0o1777 }),
      ],
      {
        tree: { s: 'file x', g: 'file x', t: 'dir' },
        modes: { s: 0o4755, g: 0o2755, t: 0o1777 },
      },
    ),
    make('L1 a directory without any permission', [dir('d', { mode: 0 }), file('d/x'), file('d/e/y')], {
      tree: { d: 'dir', 'd/x': 'file x', 'd/e': 'dir', 'd/e/y': 'file x' },
      modes: { d: 0, 'd/e': 0o755 },
    }),
    make(
      'L1 a directory with the set-group-id bit and what is made in it',
      [dir('d', { mode: 0o2775, gid: 9 }), file('d/e/y')],
      {
        tree: { d: 'dir', 'd/e': 'dir', 'd/e/y': 'file x' },
        modes: { d: 0o2775, 'd/e': 0o755 },
      },
    ),
    make(
      'L1 device nodes',
      [
        { name: 'null', type: '3', major: 1, minor: 3, mode: 0o666 },
        { name: 'sda', type: '4', major: 8, minor: 0 },
        file('x'),
      ],
      {
        tree: { null: 'char 1:3', sda: 'block 8:0', x: 'file x' },
        rootless: { x: 'file x' },
      },
    ),
    make(
      'L1 device node in place of a file',
      [file('null'), { name: 'null', type: '3', major: 1, minor: 3 }],
      {
        tree: { null: 'char 1:3' },
        rootless: {},
      },
    ),
  ];
}
