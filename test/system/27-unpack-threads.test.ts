import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../lib/errors.js';
import { native } from '../../lib/native/index.js';
import type { Unpacked } from '../../lib/store/layer-pipe.js';
import { unpackLayer } from '../../lib/store/unpack.js';
import { withWorker } from '../../lib/store/with-worker.js';
import type { Step, StepResult, ThreadsTask } from '../support/children/threads.js';
import { layerCorpus } from '../support/layer-corpus.js';
import { checkLeftovers } from '../support/leftovers.js';
import { makeDirectory, nodeArguments, removeDirectory, runProgram } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { compareTrees, readTree } from '../support/trees.js';
import { createUser, nodeAsUser, removeUser, type TestUser } from '../support/users.js';

/** Everything, and often: takes minutes. */
const LONG = process.env['VAINA_LONG'] === '1';
/** In nanoseconds, with the slack of the kernel's coarse clock. */
const BEGUN = BigInt(Date.now() - 1000) * 1_000_000n;
const CHILD = 'test/support/children/threads';

describe('unpacking in a thread', function () {
  this.timeout(120_000);
  requires('root', 'getfattr');
  checkLeftovers();
  let root: string;
  before(() => (root = makeDirectory()));
  after(() => removeDirectory(root));

  const unpack = async (name: string, bytes: Buffer, threadFrom: number): Promise<Unpacked | string> => {
    mkdirSync(join(root, name), { mode: 0o700 });
    try {
      return await withWorker(native(), root, undefined, async (worker) => {
        await worker.begin(name);
        return unpackLayer(Readable.from([bytes]), { what: 'layer', worker, threadFrom });
      });
    } catch (error) {
      return VainaError.is(error) ? `${error.code}: ${error.message}` : String(error);
    }
  };

  /** Whiteouts, and directories that no entry names, have the time at which they were made. */
  const treeOf = (name: string): Map<string, string> =>
    new Map(
      [...readTree(join(root, name))].map(([path, text]) => [
        path,
        text.replace(/\b\d{19}\b/g, (time) => (BigInt(time) >= BEGUN ? 'now' : time)),
      ]),
    );

  it('gives the same trees and the same errors as unpacking here', async () => {
    const cases = layerCorpus({ outside: '/nowhere', inside: 'nowhere' }).filter(
      (_, i) => i % (LONG ? 10 : 130) === 3,
    );
    expect(cases.length).to.be.greaterThan(1);
    for (const [i, { name, archive }] of cases.entries()) {
      const bytes = archive();
      const here = await unpack(`here-${i}`, bytes, Infinity);
      expect(await unpack(`thread-${i}`, bytes, 0), name).to.deep.equal(here);
      if (typeof here !== 'string')
        expect(compareTrees(treeOf(`thread-${i}`), treeOf(`here-${i}`)), name).to.deep.equal([]);
    }
  });

  it('fails with what is wrong with the archive, and with the end of the worker', async () => {
    const noise = Buffer.alloc(3 << 20, 'no archive');
    expect(await unpack('noise', noise, 0)).to.match(/^ERR_INVALID_LAYER: /);
    mkdirSync(join(root, 'killed'));
    const failure = await withWorker(native(), root, undefined, async (worker) => {
      await worker.begin('killed');
      await worker.abort();
      return unpackLayer(Readable.from([noise]), { what: 'layer', worker }).then(
        () => undefined,
        (error: unknown) => error,
      );
    });
    expect(VainaError.is(failure, 'ERR_INTERNAL')).to.equal(true);
  });

  describe('that is disturbed', () => {
    requires('mount', 'useradd', 'newuidmap', 'setpriv');
    const NAME = 'vaina-threads';
    const DISTURBED: readonly (readonly [Step, RegExp])[] = [
      ['abort', /^AbortError/],
      ['kill', /^ERR_INTERNAL$/],
      ['stop-abort', /^AbortError/],
      ['stop-fail', /^ERR_IO$/],
      ['late', /^ERR_INVALID_LAYER$/],
      ['stall', /^AbortError/],
    ];
    let user: TestUser;
    let small: string;
    before(() => {
      user = createUser(NAME);
      small = makeDirectory();
      // Three layers of 3 MiB: there is no room, be it for the blobs or for the trees.
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=777', 'none', small]);
      chmodSync(root, 0o755);
    });
    after(() => {
      if (small) execFileSync('umount', ['-l', small]);
      if (small) removeDirectory(small);
      removeUser(NAME);
    });

    const disturb = async (
      whose: TestUser | undefined,
      task: Partial<ThreadsTask>,
    ): Promise<StepResult[]> => {
      const place = join(task.root ?? root, whose ? 'user' : 'root');
      mkdirSync(place, { recursive: true });
      if (whose) chownSync(place, whose.uid, whose.gid);
      const all = JSON.stringify({ ...task, root: join(place, 'root'), runroot: join(place, 'run') });
      const [command, args] = whose
        ? nodeAsUser(whose, CHILD, [all])
        : [process.execPath, [...nodeArguments(CHILD), all]];
      const { stdout, stderr } = await runProgram(command, args, { cwd: '/' });
      expect(stderr).to.equal('');
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as StepResult);
    };

    for (const as of LONG ? ['user', 'root'] : ['user']) {
      const whose = (): TestUser | undefined => (as === 'user' ? user : undefined);

      it(`has one error, ends, and leaves nothing, as ${as}`, async () => {
        const results = await disturb(whose(), {
          steps: DISTURBED.map(([step]) => step),
          times: LONG ? 5 : 1,
        });
        for (const { step, error, left } of results) {
          expect(error, step).to.match(new Map(DISTURBED).get(step) ?? /^$/);
          expect(left, step).to.deep.equal([]);
        }
        expect(new Set(results.map(({ step }) => step)).size).to.equal(DISTURBED.length);
      });

      it(`tells that the disk is full, as ${as}`, async () => {
        const results = await disturb(whose(), { root: small, steps: ['full'], times: LONG ? 5 : 1 });
        // Threads that Node.js starts at its first need of them are counted as well.
        for (const { error, left } of results) {
          expect(error).to.equal('ERR_NO_SPACE');
          expect(left.filter((what) => !what.startsWith('threads'))).to.deep.equal([]);
        }
        expect(results).not.to.have.length(0);
      });

      if (!LONG) continue;
      it(`never hangs, as ${as}`, async function () {
        this.timeout(600_000);
        const three = await disturb(whose(), { steps: ['take'], times: 60, size: 2_800_000 });
        expect(three.filter(({ error, left }) => error !== 'none' || left.length > 0)).to.deep.equal([]);
        const six = await disturb(whose(), { steps: ['take-six'], times: 30, size: 1_400_000 });
        expect(six.filter(({ error, left }) => error !== 'none' || left.length > 0)).to.deep.equal([]);
        expect([three.length, six.length]).to.deep.equal([60, 30]);
      });
    }
  });
});
