import type { Descriptor, ProgressEvent, TransferOptions } from './types.js';

/** Least time between two events of one blob, in milliseconds. */
const INTERVAL = 100;

/** Reports the progress of one blob, not more often than a person can see. */
export class BlobProgress {
  readonly #descriptor: Descriptor;
  readonly #report: ((event: ProgressEvent) => void) | undefined;
  #next = 0;

  constructor(descriptor: Descriptor, options: TransferOptions) {
    this.#descriptor = descriptor;
    this.#report = options.onProgress;
  }

  /** So many bytes have come in all. */
  readonly advance = (current: number): void => {
    if (!this.#report) return;
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + INTERVAL;
    this.#emit('download', current);
  };

  /** The blob need not be moved. */
  exists(): void {
    this.#emit('exists', this.#descriptor.size);
  }

  /** The blob has been taken. */
  done(): void {
    this.#emit('done', this.#descriptor.size);
  }

  #emit(phase: ProgressEvent['phase'], current: number): void {
    this.#report?.({ phase, id: this.#descriptor.digest, current, total: this.#descriptor.size });
  }
}
