import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { withWorker } from '../../lib/store/worker.js';
import { layerCorpus, type LayerCase, type Places } from '../support/layer-corpus.js';
import { makeDirectory, REPO, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { Sentinel } from '../support/sentinel.js';
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
  expect(result?.milliseconds).to.be.lessThan(layer.patience ?? 2000);
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

function describeCorpus(
  title: string,
  rootless: boolean,
  unpack: (arena: Arena) => Promise<Record<string, CaseResult>>,
): void {
  describe(title, function () {
    requires('root', 'getfattr', ...(rootless ? (['useradd', 'newuidmap', 'setpriv'] as const) : []));
    let arena: Arena;
    let results: Record<string, CaseResult> = {};
    before(async function () {
      this.timeout(120_000);
      arena = new Arena(rootless ? user() : undefined);
      results = await unpack(arena);
    });
    after(async function () {
      this.timeout(60_000);
      // Deep, strangely named, and without permissions: what can be written can also be removed.
      await withWorker(native(), arena.root, undefined, (worker) => worker.remove('tmp/cases'));
      removeDirectory(arena.directory);
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

describe('hostile layers', () => {
  after(() => {
    if (madeUser) removeUser(madeUser.name);
  });

  describeCorpus('as root', false, (arena) => unpackCorpus(native(), arena.root, undefined, arena.places));

  describeCorpus('as an ordinary user', true, async (arena) => {
    const task = JSON.stringify({ root: arena.root, places: arena.places });
    const ended = await runAsUser(user(), 'test/support/children/unpack-corpus', [task]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    return JSON.parse(ended.stdout) as Record<string, CaseResult>;
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
