import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { Store } from '../../lib/store/store.js';
import type { Task } from '../support/children/store.js';
import { withWorker } from '../../lib/store/with-worker.js';
import { layerCorpus, type LayerCase, type Places } from '../support/layer-corpus.js';
import { packOddTree } from '../support/odd-tree.js';
import { Podman } from '../support/podman.js';
import { makeDirectory, REPO, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { Sentinel } from '../support/sentinel.js';
import { importArchive } from '../support/import-archive.js';
import { tar } from '../support/tar-builder.js';
import { compareTrees, readTree } from '../support/trees.js';
import { unpackCorpus, type CaseResult } from '../support/unpack-corpus.js';
import { weakNative } from '../support/weak-worker.js';
import { createUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

/** Most that this process may grow by over one case. */
const MEMORY_LIMIT = 128 << 20;

/** A store's root with two sentinels: one outside it, one below it. */
class Arena {
  readonly directory = makeDirectory();
  readonly root = join(this.directory, 'root');
  readonly places: Places;
  readonly sentinels: Sentinel[];

  constructor(owner?: TestUser) {
    chmodSync(this.directory, 0o755);
    mkdirSync(join(this.root, 'tmp', 'cases'), { recursive: true });
    const outside = new Sentinel(this.directory);
    const inside = new Sentinel(this.root);
    this.sentinels = [outside, inside];
    this.places = { outside: outside.directory, inside: inside.directory.slice(this.root.length + 1) };
    // Whoever unpacks could do harm, if he were led there.
    if (owner) execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, this.directory]);
    this.sentinels = [...this.sentinels.map((sentinel) => sentinel.again())];
  }

  diff(index: number): string {
    return join(this.root, 'tmp', 'cases', String(index), 'diff');
  }

  expectUntouched(): void {
    for (const sentinel of this.sentinels) sentinel.expectUntouched();
    const known = ['tmp', this.places.inside];
    expect(readdirSync(this.root).sort()).to.deep.equal(known.sort());
  }
}

/** Of each file below a directory what a case says of it. */
function readExpected(directory: string): Record<string, string> {
  const tree: Record<string, string> = {};
  const walk = (at: Buffer, prefix: string): void => {
    for (const name of readdirSync(at, { encoding: 'buffer' })) {
      const path = Buffer.concat([at, Buffer.from('/'), name]);
      const text = prefix + name.toString('latin1');
      const stat = lstatSync(path);
      const device = `${stat.rdev >> 8}:${stat.rdev & 0xff}`;
      if (stat.isDirectory()) {
        tree[text] = 'dir';
        walk(path, `${text}/`);
      } else if (stat.isSymbolicLink()) tree[text] = `link ${readlinkSync(path, { encoding: 'latin1' })}`;
      else if (stat.isFIFO()) tree[text] = 'fifo';
      else if (stat.isCharacterDevice()) tree[text] = device === '0:0' ? 'whiteout' : `char ${device}`;
      else if (stat.isBlockDevice()) tree[text] = `block ${device}`;
      else tree[text] = `file ${readFileSync(path, 'latin1')}`;
    }
  };
  walk(Buffer.from(directory), '');
  return tree;
}

function xattr(path: string, name: string): string | undefined {
  try {
    return execFileSync('getfattr', ['-h', '--absolute-names', '--only-values', '-n', name, path], {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}

function check(layer: LayerCase, result: CaseResult | undefined, diff: string, rootless: boolean): void {
  expect(result, 'the case has run').to.not.equal(undefined);
  expect(result?.error, result?.message).to.equal(layer.error);
  expect(result?.milliseconds).to.be.lessThan(layer.patience ?? 10_000);
  expect(result?.memory).to.be.lessThan(MEMORY_LIMIT);
  const tree = rootless ? (layer.rootless ?? layer.tree) : layer.tree;
  if (tree) expect(readExpected(diff)).to.deep.equal(tree);
  const at = (path: string): string => (path === '' ? diff : join(diff, path));
  for (const [path, mode] of Object.entries(layer.modes ?? {})) {
    expect((lstatSync(at(path)).mode & 0o7777).toString(8), path).to.equal(mode.toString(8));
  }
  for (const [path, seconds] of Object.entries(layer.times ?? {})) {
    expect(lstatSync(at(path)).mtimeMs / 1000, path).to.equal(seconds);
  }
  for (const names of layer.same ?? []) {
    expect(new Set(names.map((path) => lstatSync(at(path)).ino)).size, names.join(' = ')).to.equal(1);
  }
  const prefix = rootless ? 'user.overlay.' : 'trusted.overlay.';
  for (const [path, attributes] of Object.entries(layer.xattrs ?? {})) {
    for (const [name, value] of Object.entries(attributes)) {
      expect(xattr(at(path), name.replace(/^overlay\./, prefix)), `${name} of ${path}`).to.equal(value);
    }
  }
}

/** An arena, and what comes of all cases in it. */
interface Outcome {
  arena: Arena;
  results: Promise<Record<string, CaseResult>>;
}

function describeCorpus(title: string, rootless: boolean, outcome: () => Outcome | undefined): void {
  describe(title, () => {
    let arena: Arena;
    let results: Record<string, CaseResult> = {};
    before(async function () {
      this.timeout(120_000);
      const { arena: own, results: all } = outcome() as Outcome;
      arena = own;
      results = await all;
    });
    it('leaves the sentinels as they were', () => arena.expectUntouched());
    it('has at least 60 cases with names of their own', () => {
      const names = layerCorpus(arena.places).map((layer) => layer.name);
      expect(new Set(names).size).to.equal(names.length);
      expect(names.length).to.be.greaterThan(60);
    });
    for (const [index, { name }] of layerCorpus({ outside: '/outside', inside: 'inside' }).entries()) {
      it(name, () => {
        const layer = layerCorpus(arena.places)[index] as LayerCase;
        check(layer, results[layer.name], arena.diff(index), rootless);
      });
    }
  });
}

let madeUser: TestUser | undefined;
const user = (): TestUser => (madeUser ??= createUser('vaina-layers'));

async function unpackAsUser({ root, places }: Arena): Promise<Record<string, CaseResult>> {
  const task = JSON.stringify({ root, places });
  const ended = await runAsUser(user(), 'test/support/children/unpack-corpus', [task]);
  expect(ended.exitCode, ended.stderr).to.equal(0);
  return JSON.parse(ended.stdout) as Record<string, CaseResult>;
}

describe('hostile layers', () => {
  after(() => {
    if (madeUser) removeUser(madeUser.name);
    madeUser = undefined;
  });

  describe('unpacked', () => {
    requires('root', 'getfattr', 'useradd', 'newuidmap', 'setpriv');
    let asRoot: Outcome | undefined;
    let asUser: Outcome | undefined;
    before(() => {
      const [own, others] = [new Arena(), new Arena(user())];
      // Both at once.
      asUser = { arena: others, results: unpackAsUser(others) };
      asRoot = { arena: own, results: unpackCorpus(native(), own.root, undefined, own.places) };
      asUser.results.catch(() => undefined);
    });
    after(async function () {
      this.timeout(60_000);
      for (const { arena } of [asRoot, asUser].flatMap((one) => one ?? [])) {
        // Deep, strangely named, and without permissions: what can be written can also be removed.
        await withWorker(native(), arena.root, undefined, (worker) => worker.remove('tmp/cases'));
        removeDirectory(arena.directory);
      }
    });
    describeCorpus('as root', false, () => asRoot);
    describeCorpus('as an ordinary user', true, () => asUser);
  });

  describe('with a worker that resolves paths as open(2) does', function () {
    requires('root', 'gcc');
    it('would reach the sentinels: the cases can tell', async function () {
      this.timeout(120_000);
      const arena = new Arena();
      try {
        const weak = weakNative(arena.directory, join(REPO, 'csrc'));
        // The process has locked itself into the store: of the two walls only the first is down.
        await unpackCorpus(weak, arena.root, undefined, arena.places, (name) =>
          name.includes('below the store'),
        );
        arena.sentinels[0]?.expectUntouched();
        expect(() => arena.sentinels[1]?.expectUntouched()).to.throw();
      } finally {
        removeDirectory(arena.directory);
      }
    });
  });
});

describe('unpacked trees', function () {
  this.timeout(60_000);
  requires('root', 'podman', 'getfattr');
  let directory: string;
  before(() => (directory = makeDirectory()));
  after(() => removeDirectory(directory));

  for (const format of ['pax', 'gnu'] as const) {
    it(`are what GNU tar and podman unpack, from an archive in the format ${format}`, async () => {
      const archive = packOddTree(directory, format);
      const root = join(directory, `store-${format}`);
      const store = await Store.open({ root, runroot: join(directory, 'run'), native: native() });
      const image = await importArchive(store, archive);
      const [tree = ''] = store.layers.lowerDirectories(image.id);
      const ours = readTree(tree);
      expect(ours.size).to.be.greaterThan(60);

      const extracted = join(directory, `tar-${format}`);
      mkdirSync(extracted);
      execFileSync('tar', [
        '-C',
        extracted,
        '--numeric-owner',
        '--xattrs',
        '--xattrs-include=*',
        '--acls',
        '-xpf',
        archive,
      ]);
      expect(compareTrees(readTree(extracted), ours)).to.deep.equal([]);

      const podman = new Podman(join(directory, format));
      try {
        podman.import(archive, 'localhost/odd:1');
        const overlay = join(podman.root, 'overlay');
        const [name = ''] = readdirSync(overlay).filter((entry) => existsSync(join(overlay, entry, 'diff')));
        expect(compareTrees(readTree(join(overlay, name, 'diff')), ours)).to.deep.equal([]);
      } finally {
        podman.dispose();
      }

      if (format === 'pax')
        expect(statSync(join(tree, 'holes')).blocks * 512, 'holes stay holes').to.be.lessThan(100_000);
      await store.deleteImage(image.id);
      await store.close();
    });
  }
});

describe('layers of an ordinary user', function () {
  this.timeout(60_000);
  requires('root', 'useradd', 'newuidmap', 'setpriv', 'getfattr');
  let directory: string;
  before(() => {
    directory = makeDirectory();
    chmodSync(directory, 0o755);
  });
  after(() => {
    removeDirectory(directory);
    if (madeUser) removeUser(madeUser.name);
    madeUser = undefined;
  });

  interface Line {
    error?: string;
    message?: string;
    trees?: string[];
    users?: { passwd?: string };
  }
  const work = async (name: string, task: Partial<Task>): Promise<Line[]> => {
    const home = join(directory, name);
    if (!existsSync(home)) {
      mkdirSync(home);
      chownSync(home, user().uid, user().gid);
    }
    const whole = { root: join(home, 'root'), runroot: join(home, 'run'), ...task };
    const ended = await runAsUser(user(), 'test/support/children/store', [JSON.stringify(whole)]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    return ended.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  };

  it('have the ids of the range in /etc/subuid, and what no namespace may make is left out', async () => {
    const archive = packOddTree(directory, 'pax');
    const [line] = await work('range', { archives: [archive] });
    expect(line?.error, line?.message).to.equal(undefined);
    const tree = line?.trees?.[0] ?? '';
    const { first = 0 } = user().subids ?? {};
    const owner = (path: string): string => {
      const { uid, gid } = lstatSync(join(tree, path));
      return `${uid}:${gid}`;
    };
    expect(owner('bin/su')).to.equal(`${user().uid}:${user().gid}`);
    expect(owner('nothing')).to.equal(`${first + 999}:${first + 1999}`);
    expect(owner('var/link')).to.equal(`${first + 6}:${first + 7}`);
    expect(statSync(join(tree, 'bin/su')).mode & 0o7777).to.equal(0o4755);
    expect(lstatSync(join(tree, 'dev/fifo')).isFIFO()).to.equal(true);
    expect(existsSync(join(tree, 'dev/null')), 'no device nodes').to.equal(false);
    // The kernel keeps file capabilities together with the namespace that they count in.
    expect(xattr(join(tree, 'bin/ping'), 'security.capability')?.length).to.equal(24);
    expect(xattr(join(tree, 'bin'), 'trusted.note')).to.equal(undefined);
    expect(xattr(join(tree, 'large'), 'user.note')).to.equal('of a file');
    const [again] = await work('range', { archives: [archive], remove: true });
    expect(again?.error, again?.message).to.equal(undefined);
    expect(readdirSync(join(directory, 'range/root/layers'))).to.deep.equal([]);
    expect(readdirSync(join(directory, 'range/root/tmp'))).to.deep.equal([]);
  });

  it('cannot be reached by anybody else', async () => {
    await work('closed', { archives: [packOddTree(directory, 'gnu')] });
    const tree = join(directory, 'closed/root/layers');
    const other = execFileSync(
      'sh',
      ['-c', 'setpriv --reuid 65534 --regid 65534 --clear-groups ls "$1" 2>&1 || true', 'sh', tree],
      { encoding: 'utf8' },
    );
    expect(other).to.match(/Permission denied/);
    const { first = 0 } = user().subids ?? {};
    const mapped = execFileSync(
      'sh',
      [
        '-c',
        'setpriv --reuid "$2" --regid "$2" --clear-groups ls "$1" 2>&1 || true',
        'sh',
        tree,
        String(first + 10),
      ],
      { encoding: 'utf8' },
    );
    expect(mapped).to.match(/Permission denied/);
  });

  it('belong to the user alone where there is no range', async () => {
    const archive = packOddTree(directory, 'gnu');
    const [line] = await work('single', { archives: [archive], singleId: true });
    expect(line?.error, line?.message).to.equal(undefined);
    const tree = line?.trees?.[0] ?? '';
    expect(lstatSync(join(tree, 'nothing')).uid).to.equal(user().uid);
    expect(lstatSync(join(tree, 'large')).uid).to.equal(user().uid);
    const [again] = await work('single', { archives: [archive], singleId: true, remove: true });
    expect(again?.error, again?.message).to.equal(undefined);
    expect(readdirSync(join(directory, 'single/root/layers'))).to.deep.equal([]);
  });

  it('are refused with a hint when an id is outside the range', async () => {
    const archive = join(directory, 'far.tar');
    writeFileSync(archive, tar({ name: 'f', uid: 1_000_000 }));
    const [line] = await work('far', { archives: [archive] });
    expect(line?.error).to.equal('ERR_HOST_UNSUPPORTED');
    expect(line?.message).to.include('"f"');
    expect(readdirSync(join(directory, 'far/root/layers'))).to.deep.equal([]);
  });
});
