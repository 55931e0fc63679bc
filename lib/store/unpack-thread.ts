// The main module of a thread that unpacks one layer. It has nothing to do but that, so it waits in
// write(2) for the pipe and the disk.
import { writevSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { gzipReader } from '../native/index.js';
import { LayerPipe, type TreeTarget } from './layer-pipe.js';
import { PIECES, piecesOf, plainFailure, type FromThread, type ToThread } from './thread-messages.js';
import { TreeRequests } from './tree-requests.js';

class Job {
  readonly #rawFd: number | undefined;
  readonly #pipe: LayerPipe;
  readonly #pieces: readonly Buffer[];
  #piece = 0;
  #failed = false;
  #work: Promise<void> = Promise.resolve();

  constructor({ what, rawFd, pipeFd, pieces }: ToThread & { kind: 'begin' }) {
    this.#rawFd = rawFd;
    this.#pieces = piecesOf(pieces);
    const target = pipeFd === undefined ? undefined : targetOf(pipeFd);
    this.#pipe = new LayerPipe(what, target, gzipReader());
  }

  /** Takes the bytes that the next piece has. */
  take(size: number): void {
    const piece = this.#pieces[this.#piece++ % PIECES] as Buffer;
    this.then(async (pipe) => {
      const bytes = piece.subarray(0, size);
      if (this.#rawFd !== undefined) writeParts(this.#rawFd, [bytes]);
      await pipe.write(bytes);
      tell({ kind: 'taken' });
    });
  }

  /** In the order in which they come; after a failure, nothing is done any more. */
  then(work: (pipe: LayerPipe) => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#failed) return;
      try {
        await work(this.#pipe);
      } catch (error) {
        this.#failed = true;
        tell({ kind: 'failed', failure: plainFailure(error) });
        await this.#pipe.destroy();
      }
    });
  }
}

function targetOf(fd: number): TreeTarget {
  return {
    tree: new TreeRequests((frames, content) => writeParts(fd, content ? [frames, content] : [frames])),
    room: () => undefined,
  };
}

function writeParts(fd: number, parts: readonly Buffer[]): void {
  let left = parts.filter((part) => part.length > 0);
  while (left.length > 0) {
    let written = writevSync(fd, left);
    left = left.flatMap((part) => {
      const skip = Math.min(written, part.length);
      written -= skip;
      return skip === part.length ? [] : [part.subarray(skip)];
    });
  }
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}

// What the program does beside unpacking goes first. On Linux it is this thread alone; a refusal only costs that.
try {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  /* a filter of system calls */
}

let job: Job | undefined;

parentPort?.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'begin':
      job = new Job(message);
      return;
    case 'bytes':
      return job?.take(message.size);
    case 'end':
      return job?.then(async (pipe) => {
        const unpacked = await pipe.finish();
        tell({ kind: 'done', unpacked });
      });
  }
});
