import type { Store } from '../store/store.js';

/** Deletes that follow each other closely are one. */
const SOON_MS = 100;
const AGAIN_MS = 1000;
const TRIES = 60;

/** Removes files that nothing refers to any more: some time after they were deleted, once for many. */
export class Sweeper {
  readonly #store: Store;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: Store, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  /** Something was deleted. */
  soon(): void {
    this.#arm(SOON_MS, TRIES);
  }

  /** Does at once what is due. */
  async close(): Promise<void> {
    this.#closed = true;
    const due = this.#timer !== undefined;
    clearTimeout(this.#timer);
    await this.#running;
    if (due) await this.#sweep(0);
  }

  #arm(delay: number, tries: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#sweep(tries - 1);
    }, delay);
    this.#timer.unref();
  }

  /** While a transfer is on its way nothing may go; who ends last does it, but one of our own may have been the last. */
  async #sweep(tries: number): Promise<void> {
    try {
      if (!(await this.#store.collectGarbage()) && tries > 0) this.#arm(AGAIN_MS, tries);
    } catch (error) {
      this.#onError(error);
    }
  }
}
