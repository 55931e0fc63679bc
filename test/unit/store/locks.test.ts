import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { native } from '../../../lib/native/index.js';
import { Locks } from '../../../lib/store/locks.js';

describe('store/locks', () => {
  let directory: string;
  let locks: Locks;
  /** As another process would have it: only the kernel stands between them. */
  let others: Locks;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
    locks = new Locks(directory, native());
    others = new Locks(directory, native());
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  for (const [who, second] of [
    ['in the process', () => locks],
    ['between processes', () => others],
  ] as const) {
    it(`excludes ${who}`, async () => {
      let inside = 0;
      let most = 0;
      const order: number[] = [];
      const work = async (index: number): Promise<void> => {
        await using _lock = await (index % 2 ? locks : second()).acquire('x');
        most = Math.max(most, ++inside);
        order.push(index);
        await sleep(1);
        inside--;
      };
      await Promise.all(Array.from({ length: 20 }, (_, i) => work(i)));
      expect(most).to.equal(1);
      expect(order).to.have.length(20);
    });

    it(`lets several in that share it, ${who}`, async () => {
      const first = await locks.acquire('x', { shared: true });
      const other = await second().acquire('x', { shared: true });
      expect(second().tryAcquire('x')).to.equal(undefined);
      first.release();
      expect(second().tryAcquire('x')).to.equal(undefined);
      other.release();
      const alone = second().tryAcquire('x');
      expect(alone).to.not.equal(undefined);
      expect(locks.tryAcquire('x', { shared: true })).to.equal(undefined);
      alone?.release();
    });

    it(`gives up when it is told to, ${who}`, async () => {
      const lock = await second().acquire('x');
      const reason = new Error('enough');
      const stop = new AbortController();
      const waiting = locks.acquire('x', { signal: stop.signal });
      setTimeout(() => stop.abort(reason), 5);
      const failure: unknown = await waiting.then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.equal(reason);
      lock.release();
      (await locks.acquire('x')).release();
    });

    it(`survives that the file is removed by its holder, ${who}`, async () => {
      const lock = await locks.acquire('x');
      const waiting = second().acquire('x');
      await sleep(3);
      lock.release({ remove: true });
      const next = await waiting;
      expect(locks.tryAcquire('x'), 'the waiter has the lock that others see').to.equal(undefined);
      next.release({ remove: true });
      expect(existsSync(join(directory, 'x.lock'))).to.equal(false);
    });
  }

  it('serves in the order of arrival, also between shared and exclusive', async () => {
    const order: string[] = [];
    const first = await locks.acquire('x', { shared: true });
    const exclusive = locks.acquire('x').then((lock) => {
      order.push('exclusive');
      lock.release();
    });
    const shared = locks.acquire('x', { shared: true }).then((lock) => {
      order.push('shared');
      lock.release();
    });
    await sleep(5);
    expect(order).to.deep.equal([]);
    first.release();
    first.release();
    await Promise.all([exclusive, shared]);
    expect(order).to.deep.equal(['exclusive', 'shared']);
  });

  it('takes no name that is a path', async () => {
    for (const name of ['', '.', '..', 'a/b', '../x', '-x', 'x\0', 'x'.repeat(300)]) {
      const error: unknown = await locks.acquire(name).catch((failure: unknown) => failure);
      expect(VainaError.is(error, 'ERR_INVALID_NAME'), JSON.stringify(name)).to.equal(true);
    }
  });
});
