import { watch } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

/** Which part of a log is wanted. */
export interface LogsOptions {
  /** Go on until the container has ended. Default false. */
  follow?: boolean;
  /** Only what was written at or after this time. */
  since?: Date;
  /** Only what was written before this time. */
  until?: Date;
  /** Only the last so many entries. Default: all. */
  tail?: number;
  /** Whether stdout is wanted. Default true. */
  stdout?: boolean;
  /** Whether stderr is wanted. Default true. */
  stderr?: boolean;
  /** Aborting ends the iteration with the signal's reason. */
  signal?: AbortSignal;
}

/** One entry of a log: a line, or a part of one. */
export interface LogEntry {
  /** When the monitor read it. */
  time: Date;
  /** Where it was written to. */
  stream: 'stdout' | 'stderr';
  /** The exact bytes, without the newline that ended them. */
  bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly text: string;
  /** Whether the line goes on in the next entry of this stream (or just stopped, at the end of the output). */
  partial: boolean;
}

/** How often a followed log is looked at when the file system sends no event, in milliseconds. */
const POLL = 100;

/** Reads the entries of a log in the CRI format, the rotated file first. */
export async function* readLog(
  path: string,
  options: LogsOptions,
  running: () => Promise<boolean>,
): AsyncGenerator<LogEntry> {
  const wanted = (entry: LogEntry): boolean =>
    (options.since === undefined || entry.time >= options.since) &&
    (options.until === undefined || entry.time < options.until) &&
    options[entry.stream] !== false;
  const reader = new LogReader(path);
  try {
    if (options.tail === undefined) {
      for await (const entry of reader.toEnd()) if (wanted(entry)) yield entry;
    } else {
      const last: LogEntry[] = [];
      for await (const entry of reader.toEnd()) {
        if (!wanted(entry)) continue;
        last.push(entry);
        if (last.length > options.tail) last.shift();
      }
      yield* last;
    }
    while (options.follow) {
      options.signal?.throwIfAborted();
      // Asked before reading: what is written between the two is then still read.
      const more = await running();
      for await (const entry of reader.toEnd()) if (wanted(entry)) yield entry;
      if (!more || (options.until !== undefined && Date.now() >= options.until.getTime())) return;
      await change(path, options.signal);
    }
  } finally {
    await reader.close();
  }
}

/** Settles at a change of the file, or after a while. */
async function change(path: string, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      watcher?.close();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, POLL);
    let watcher: ReturnType<typeof watch> | undefined;
    try {
      watcher = watch(path, done).on('error', done);
    } catch {
      watcher = undefined;
    }
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Reads a log file as it grows, over its rotation to `PATH.1`. */
class LogReader {
  #file: FileHandle | undefined;
  #inode = -1;
  #rest = Buffer.alloc(0);
  #started = false;

  constructor(readonly path: string) {}

  /** All whole entries from where the last call stopped. */
  async *toEnd(): AsyncGenerator<LogEntry> {
    if (!this.#started) {
      this.#started = true;
      await this.#open(`${this.path}.1`);
      yield* this.#drain();
    }
    for (;;) {
      const inode = await inodeOf(this.path);
      yield* this.#drain();
      if (inode === undefined || inode === this.#inode) return;
      await this.close();
      await this.#open(this.path);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #open(path: string): Promise<void> {
    try {
      this.#file = await open(path, 'r');
      this.#inode = (await this.#file.stat()).ino;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  async *#drain(): AsyncGenerator<LogEntry> {
    if (!this.#file) return;
    const chunk = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return;
      const data = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = data.indexOf(10, start); end !== -1; end = data.indexOf(10, start)) {
        const entry = parseEntry(data.subarray(start, end));
        if (entry) yield entry;
        start = end + 1;
      }
      this.#rest = Buffer.from(data.subarray(start));
    }
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch {
    return undefined;
  }
}

/** One line of the CRI log format: `TIME STREAM TAG TEXT`. A line that is not of the format is left out. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  const head = /^(\S+) (stdout|stderr) ([FP]) /.exec(line.toString('latin1', 0, 64));
  if (!head) return undefined;
  const [prefix, time = '', stream, tag] = head;
  // Date takes milliseconds at most; the rest of the fraction goes.
  const date = new Date(time.replace(/(\.\d{3})\d+/, '$1'));
  if (Number.isNaN(date.getTime())) return undefined;
  const bytes = Buffer.from(line.subarray(prefix.length));
  return {
    time: date,
    stream: stream as LogEntry['stream'],
    bytes,
    get text() {
      return this.bytes.toString('utf8');
    },
    partial: tag === 'P',
  };
}
