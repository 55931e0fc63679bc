import { fstatSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VainaError } from '../errors.js';
import type { Native } from '../native/types.js';
import { quote } from '../util/text.js';

/** How a lock is taken. */
export interface LockOptions {
  /** Others may have it at the same time, if they want it shared as well. Default false. */
  shared?: boolean;
  /** Gives up waiting. */
  signal?: AbortSignal;
}

const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 20;

interface Waiter {
  shared: boolean;
  grant: () => void;
}

/** Who has and who waits for one lock in this process: first come, first served. */
class Line {
  shared = 0;
  exclusive = false;
  readonly waiting: Waiter[] = [];

  /** Takes it at once if nobody has it or waits for it in a way that excludes this. */
  enter(shared: boolean): boolean {
    if (this.exclusive || this.waiting.length > 0 || (!shared && this.shared > 0)) return false;
    this.#count(shared);
    return true;
  }

  leave(shared: boolean): void {
    if (shared) this.shared--;
    else this.exclusive = false;
    this.advance();
  }

  advance(): void {
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      if (this.exclusive || (!next.shared && this.shared > 0)) return;
      this.waiting.shift();
      this.#count(next.shared);
      next.grant();
    }
  }

  get idle(): boolean {
    return !this.exclusive && this.shared === 0 && this.waiting.length === 0;
  }

  #count(shared: boolean): void {
    if (shared) this.shared++;
    else this.exclusive = true;
  }
}

/** A lock that is held until it is released. */
export class Lock implements Disposable, AsyncDisposable {
  #close: ((remove: boolean) => void) | undefined;

  /** @internal */
  constructor(close: (remove: boolean) => void) {
    this.#close = close;
  }

  /**
   * Lets it go. Idempotent.
   *
   * @param options - with `remove`, which is for exclusive locks only, the lock's file goes too: nobody will want it
   */
  release(options: { remove?: boolean } = {}): void {
    const close = this.#close;
    this.#close = undefined;
    close?.(options.remove === true);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

/**
 * Locks by name, between processes (open-file-description locks on files of a directory) and inside this one. The
 * kernel releases them when their process ends, however it ends. They are not reentrant. `docs/storage.md` tells in
 * which order they may be taken.
 */
export class Locks {
  readonly #directory: string;
  readonly #native: Native;
  readonly #lines = new Map<string, Line>();

  /**
   * @param directory - where the files are; it exists
   * @internal
   */
  constructor(directory: string, native: Native) {
    this.#directory = directory;
    this.#native = native;
  }

  /**
   * Takes a lock, when it is free: exclusive, unless told otherwise.
   *
   * @param name - letters, digits and `_.+-`
   * @throws the signal's reason when it was aborted; `ERR_INVALID_NAME`
   */
  async acquire(name: string, options: LockOptions = {}): Promise<Lock> {
    return this.acquireAt(this.#pathOf(name), options);
  }

  /**
   * As {@link acquire}, of a file elsewhere, which goes with the directory it is in.
   *
   * @throws also `ERR_IO` with errno ENOENT when that directory is gone
   */
  async acquireAt(path: string, options: LockOptions = {}): Promise<Lock> {
    const { shared = false, signal } = options;
    signal?.throwIfAborted();
    const line = this.#line(path);
    if (!line.enter(shared)) await stand(line, shared, signal);
    try {
      for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
        const fd = this.#try(path, shared);
        if (fd !== undefined) return this.#held(path, shared, fd);
        // Not in step with others who wait.
        await sleep(wait * (0.5 + Math.random()), undefined, signal ? { signal } : {});
      }
    } catch (error) {
      this.#leave(path, shared);
      signal?.throwIfAborted();
      throw error;
    }
  }

  /** Takes a lock if that is possible at once; else undefined. */
  tryAcquire(name: string, options: { shared?: boolean } = {}): Lock | undefined {
    return this.tryAcquireAt(this.#pathOf(name), options);
  }

  /** As {@link tryAcquire}, of a file elsewhere; see {@link acquireAt}. */
  tryAcquireAt(path: string, options: { shared?: boolean } = {}): Lock | undefined {
    const { shared = false } = options;
    if (!this.#line(path).enter(shared)) return undefined;
    try {
      const fd = this.#try(path, shared);
      if (fd !== undefined) return this.#held(path, shared, fd);
    } catch (error) {
      this.#leave(path, shared);
      throw error;
    }
    this.#leave(path, shared);
    return undefined;
  }

  /** Whether anybody has the lock, shared or not. */
  isHeld(name: string): boolean {
    return this.#native.isLocked(this.#pathOf(name));
  }

  #pathOf(name: string): string {
    if (!/^[A-Za-z0-9][\w.+-]{0,200}$/.test(name)) {
      throw new VainaError('ERR_INVALID_NAME', `${quote(name)} is not a name for a lock`, { subject: name });
    }
    return join(this.#directory, `${name}.lock`);
  }

  #line(path: string): Line {
    let line = this.#lines.get(path);
    if (!line) this.#lines.set(path, (line = new Line()));
    return line;
  }

  #leave(path: string, shared: boolean): void {
    const line = this.#line(path);
    line.leave(shared);
    if (line.idle) this.#lines.delete(path);
  }

  #try(path: string, shared: boolean): number | undefined {
    for (;;) {
      let fd: number;
      try {
        fd = this.#native.tryLock(path, !shared);
      } catch (error) {
        throw lockFailure(error, path);
      }
      if (fd < 0) return undefined;
      // Its last holder may have removed the file after we had opened it: then others lock another one.
      if (fstatSync(fd).nlink > 0) return fd;
      this.#native.close(fd);
    }
  }

  #held(path: string, shared: boolean, fd: number): Lock {
    return new Lock((remove) => {
      try {
        if (remove && !shared) unlinkSync(path);
      } catch {
        /* it is only an empty file */
      }
      this.#native.close(fd);
      this.#leave(path, shared);
    });
  }
}

/** Waits for its turn in this process. */
async function stand(line: Line, shared: boolean, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      const at = line.waiting.indexOf(waiter);
      if (at === -1) return;
      line.waiting.splice(at, 1);
      line.advance();
      reject(signal?.reason as Error);
    };
    const waiter: Waiter = {
      shared,
      grant: () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      },
    };
    line.waiting.push(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function lockFailure(error: unknown, path: string): VainaError {
  const { code } = error as NodeJS.ErrnoException;
  const known =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'ERR_NO_SPACE' : code === 'EACCES' ? 'ERR_PERMISSION' : 'ERR_IO';
  return new VainaError(known, `the lock ${path} cannot be taken: ${code ?? String(error)}`, {
    path,
    ...(code === undefined ? {} : { errno: code }),
    cause: error,
  });
}
