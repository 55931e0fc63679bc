// The main module of a thread that unpacks layers, one after another. It has nothing to do but that, so it waits in
// write(2) for the pipe and the disk.
import { writeSync, writevSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { LayerPipe, type TreeTarget } from './layer-pipe.js';
import { plainFailure, type FromThread, type ToThread } from './thread-messages.js';
import { TreeRequests } from './tree-requests.js';

class Job {
  readonly #rawFd: number | undefined;
  readonly #pipe: LayerPipe;
  #failed = false;
  #work: Promise<void> = Promise.resolve();

  constructor(what: string, rawFd: number | undefined, pipeFd: number | undefined) {
    this.#rawFd = rawFd;
    this.#pipe = new LayerPipe(what, pipeFd === undefined ? undefined : targetOf(pipeFd));
  }

  /** In the order in which they come; after a failure, nothing is done any more. */
  then(work: (pipe: LayerPipe, rawFd: number | undefined) => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#failed) return;
      try {
        await work(this.#pipe, this.#rawFd);
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

function writeWhole(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

function tell(message: FromThread, ...give: ArrayBuffer[]): void {
  parentPort?.postMessage(message, give);
}

let job: Job | undefined;

parentPort?.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'begin':
      job = new Job(message.what, message.rawFd, message.pipeFd);
      return;
    case 'bytes': {
      const { bytes } = message;
      return job?.then(async (pipe, rawFd) => {
        const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        if (rawFd !== undefined) writeWhole(rawFd, chunk);
        await pipe.write(chunk);
        tell({ kind: 'taken', bytes: new Uint8Array(0) });
      });
    }
    case 'end':
      return job?.then(async (pipe) => {
        const unpacked = await pipe.finish();
        tell({ kind: 'done', unpacked });
      });
  }
});
