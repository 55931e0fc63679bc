import { setTimeout as sleep } from 'node:timers/promises';
import { VainaError } from '../errors.js';
import { Passing } from './failure.js';
import type { Settings } from './options.js';

/** Longest single wait, in milliseconds. */
const MAX_WAIT = 60_000;
/** All waits of one request together. */
const MAX_TOTAL_WAIT = 5 * 60_000;

/** Counts the tries of one request, and waits between them. */
export class Tries {
  readonly #settings: Pick<Settings, 'tries' | 'retryDelay'>;
  #failed = 0;
  #waited = 0;

  constructor(settings: Pick<Settings, 'tries' | 'retryDelay'>) {
    this.#settings = settings;
  }

  /** Something was won: the count begins again. */
  renew(): void {
    this.#failed = 0;
  }

  /**
   * Takes a failure: waits if it may pass and a try is left, and throws it otherwise. The wait doubles each time, and
   * varies so that many clients do not come back together; the registry's own wish counts more.
   */
  async after(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (!(error instanceof Passing)) throw error;
    this.#failed++;
    const { tries, retryDelay } = this.#settings;
    const own = retryDelay * 2 ** (this.#failed - 1) * (0.75 + Math.random() / 2);
    const wait = Math.min(error.after ?? own, MAX_WAIT);
    if (this.#failed >= tries || this.#waited + wait > MAX_TOTAL_WAIT) throw error.failure;
    this.#waited += wait;
    try {
      await sleep(wait, undefined, signal ? { signal } : {});
    } catch (interrupted) {
      signal?.throwIfAborted();
      throw interrupted;
    }
  }
}

/**
 * Does something again while it fails for reasons that may pass.
 *
 * @throws what the last try failed with
 */
export async function retrying<T>(
  settings: Pick<Settings, 'tries' | 'retryDelay'>,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const tries = new Tries(settings);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await tries.after(error, signal);
    }
  }
}

/** What reaches the caller of the library: never {@link Passing}. */
export function unwrapped(error: unknown): unknown {
  return error instanceof Passing ? error.failure : error;
}

/** Checks the numbers that the user gave. */
export function checkPolicy({ tries, retryDelay, stallTimeout, timeout }: Settings): void {
  const bad = (name: string): VainaError => new VainaError('ERR_INVALID_OPTION', `${name} is out of range`);
  if (!Number.isInteger(tries) || tries < 1 || tries > 100) throw bad('tries');
  if (!(retryDelay >= 0 && retryDelay <= MAX_WAIT)) throw bad('retryDelay');
  if (!(stallTimeout >= 1 && stallTimeout <= 3_600_000)) throw bad('stallTimeout');
  // The longest that a timer can take.
  if (!(timeout >= 1 && timeout <= 2 ** 31 - 1)) throw bad('timeout');
}
