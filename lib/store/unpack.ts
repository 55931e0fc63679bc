import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { chunksOf } from '../util/chunks.js';
import { LayerPipe, type TreeTarget, type Unpacked } from './layer-pipe.js';
import { ThreadPipe } from './thread-pipe.js';
import { startThread } from './threads.js';
import type { StorageWorker } from './worker.js';

/** Takes a layer's bytes as they come, and keeps them. */
export interface RawTaker {
  /** Takes some bytes and writes them down; resolves when more may come. */
  write(chunk: Buffer): Promise<void>;
  /** Takes bytes that somebody else writes to {@link RawTaker.fd}, in order. */
  note(chunk: Buffer): void;
  readonly fd: number;
}

/** Where a layer goes. */
export interface UnpackOptions {
  /** Names the layer in messages. */
  what: string;
  /** Gets the bytes as they came, before they are decompressed. */
  raw?: RawTaker;
  /** Writes the tree; it has begun one. Without it the layer is only read. */
  worker?: StorageWorker;
  /** Called with the number of compressed bytes that were unpacked. */
  onProgress?: (bytes: number) => void;
  /** From how many bytes on a thread does the work. Default 1 MiB: below that it is done before a thread has started. */
  threadFrom?: number;
}

const THREAD_FROM = 1024 * 1024;

/** What a layer's bytes are given to. */
interface Lane {
  write(chunk: Buffer): Promise<void>;
  finish(): Promise<Unpacked>;
  destroy(): Promise<void>;
}

/**
 * Reads a layer, decompresses it by what it is, and unpacks it, all at the same time: a small one here, a large one in a
 * thread of its own, so that the event loop stays free.
 *
 * When the archive is bad, the bytes are still read to their end: if they are not what was announced, that is the
 * error, since it explains the other.
 *
 * @throws VainaError `ERR_INVALID_LAYER`; `ERR_UNSUPPORTED` for a compression that is not known; what `raw` and the
 * stream throw
 */
export async function unpackLayer(content: Readable, options: UnpackOptions): Promise<Unpacked> {
  const source = chunksOf(content);
  const { threadFrom = THREAD_FROM } = options;
  let lane: Lane | undefined;
  try {
    const held: Buffer[] = [];
    let size = 0;
    let done = false;
    while (!done && size < threadFrom) {
      const next = await source.next();
      if (next.done) done = true;
      else size += held[held.push(next.value) - 1]?.length ?? 0;
    }
    const thread = done ? undefined : startThread();
    lane = thread ? new ThreadPipe(options, thread) : new LocalLane(options);
    await feed(source, held, lane, options);
    const unpacked = await lane.finish();
    await options.worker?.finish();
    return unpacked;
  } finally {
    await lane?.destroy();
    await source.return();
    content.destroy();
  }
}

async function feed(
  source: AsyncIterator<Buffer, void>,
  held: readonly Buffer[],
  lane: Lane,
  options: UnpackOptions,
): Promise<void> {
  let bad: { error: unknown } | undefined;
  let bytes = 0;
  const take = async (chunk: Buffer): Promise<void> => {
    bytes += chunk.length;
    if (bad) return options.raw?.note(chunk);
    try {
      await lane.write(chunk);
      options.onProgress?.(bytes);
    } catch (error) {
      if (!isArchiveFault(error) || !options.raw) throw error;
      bad = { error };
    }
  };
  for (const chunk of held) await take(chunk);
  for (;;) {
    const { value, done } = await source.next();
    if (done) break;
    await take(value);
  }
  if (bad) throw bad.error;
}

function isArchiveFault(error: unknown): boolean {
  return VainaError.is(error, 'ERR_INVALID_LAYER');
}

/** Unpacks on the thread that runs this. */
class LocalLane implements Lane {
  readonly #options: UnpackOptions;
  readonly #pipe: LayerPipe;

  constructor(options: UnpackOptions) {
    this.#options = options;
    this.#pipe = new LayerPipe(options.what, options.worker && targetOf(options.worker));
  }

  async write(chunk: Buffer): Promise<void> {
    await this.#options.raw?.write(chunk);
    await this.#pipe.write(chunk);
  }

  finish(): Promise<Unpacked> {
    return this.#pipe.finish();
  }

  destroy(): Promise<void> {
    return this.#pipe.destroy();
  }
}

function targetOf(worker: StorageWorker): TreeTarget {
  return {
    tree: worker.tree,
    room: () => {
      if (worker.failure) throw worker.failure;
      return worker.busy ? worker.drain() : undefined;
    },
  };
}
