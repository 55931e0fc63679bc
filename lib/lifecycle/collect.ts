import type { Readable, Writable } from 'node:stream';
import { once } from 'node:events';
import { VainaError } from '../errors.js';
import { checkOptions } from './check-options.js';
import type { Process } from './process.js';
import type { ExitStatus } from './records.js';
import type { Timings } from './timings.js';

/** How a command is fed and how its output is collected. */
export interface CollectOptions {
  /** What its stdin gets, up to the end. Default: nothing, stdin is /dev/null. */
  input?: string | Uint8Array | Readable;
  /** `utf8` (the default) for text, `buffer` for bytes. */
  encoding?: 'utf8' | 'buffer';
  /** Most bytes kept of stdout and of stderr; past it the command is killed and ERR_COMMAND_FAILED is thrown. Default 100 MiB. */
  maxBuffer?: number;
  /** Kill it after so many milliseconds; the result then has `timedOut`. Default: never. */
  timeoutMs?: number;
  /** Aborting kills it; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How a command ended and what it wrote. */
export interface CommandResult extends ExitStatus {
  /** All that it wrote to stdout: text, or bytes with the encoding `buffer`. */
  stdout: string | Buffer;
  /** All that it wrote to stderr, in the same form; empty with a terminal. */
  stderr: string | Buffer;
  /** Whether it was killed because `timeoutMs` had passed. */
  timedOut: boolean;
  /** From its start to its end, in milliseconds. */
  durationMs: number;
  /** Stage by stage, how it was started. */
  timings: Timings;
}

const MAX_BUFFER = 100 * 1024 * 1024;

/** Feeds a started process, collects its output to the last byte, and waits for its end. */
export async function collect(process: Process, options: CollectOptions): Promise<CommandResult> {
  checkOptions('collect', options);
  const { maxBuffer = MAX_BUFFER, timeoutMs, signal } = options;
  let timedOut = false;
  let overflow = false;
  const kill = (): void => void process.kill('SIGKILL').catch(() => undefined);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, timeoutMs);
  const onOverflow = (): void => {
    overflow = true;
    kill();
  };
  signal?.addEventListener('abort', kill, { once: true });
  if (signal?.aborted) kill();
  try {
    const [stdout, stderr, status] = await Promise.all([
      gather(process.stdout, maxBuffer, onOverflow),
      gather(process.stderr, maxBuffer, onOverflow),
      process.wait(),
      feed(process.stdin, options.input),
    ]);
    signal?.throwIfAborted();
    if (overflow) {
      throw new VainaError(
        'ERR_COMMAND_FAILED',
        `the output of the command passed maxBuffer, ${maxBuffer} bytes`,
      );
    }
    const text = (bytes: Buffer): string | Buffer =>
      options.encoding === 'buffer' ? bytes : bytes.toString('utf8');
    const durationMs = status.finishedAt.getTime() - status.startedAt.getTime();
    return {
      ...status,
      stdout: text(stdout),
      stderr: text(stderr),
      timedOut,
      durationMs,
      timings: process.timings,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}

async function gather(stream: Readable | null, limit: number, onOverflow: () => void): Promise<Buffer> {
  if (!stream) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size > limit) return;
    size += chunk.length;
    if (size > limit) onOverflow();
    else chunks.push(chunk);
  });
  if (!stream.readableEnded && !stream.destroyed) await once(stream, 'close');
  return Buffer.concat(chunks);
}

/** A command may end without reading all of its input: a broken pipe is no error. */
async function feed(stdin: Writable | null, input: CollectOptions['input']): Promise<void> {
  if (!stdin) return;
  stdin.on('error', () => undefined);
  if (input === undefined) stdin.end();
  else if (typeof input === 'string' || input instanceof Uint8Array) stdin.end(input);
  else {
    input.on('error', () => stdin.destroy());
    input.pipe(stdin);
  }
}
