import type { Readable, Writable } from 'node:stream';
import { once } from 'node:events';
import { VainaError } from '../errors.js';
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
  const { maxBuffer = MAX_BUFFER, timeoutMs, signal } = options;
  let timedOut = false;
  let overflow = false;
  const kill = (): void => void process.kill('SIGKILL').catch(() => undefined);
  const onTime = (): void => {
    timedOut = true;
    kill();
  };
  const onOverflow = (): void => {
    overflow = true;
    kill();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTime, timeoutMs);
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
    if (overflow) throw tooMuch(maxBuffer);
    return { ...commandResult(status, [stdout, stderr], process.timings, options), timedOut };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}

/** The result of a command whose output is there. */
export function commandResult(
  status: ExitStatus,
  [stdout, stderr]: readonly [Buffer, Buffer],
  timings: Timings,
  { encoding = 'utf8', maxBuffer = MAX_BUFFER }: CollectOptions,
): CommandResult {
  if (Math.max(stdout.length, stderr.length) > maxBuffer) throw tooMuch(maxBuffer);
  return {
    exitCode: status.exitCode,
    signal: status.signal,
    oomKilled: status.oomKilled,
    startedAt: status.startedAt,
    finishedAt: status.finishedAt,
    peakMemory: status.peakMemory,
    cpuTime: status.cpuTime,
    ...(status.unknown && { unknown: status.unknown }),
    stdout: encoding === 'buffer' ? stdout : textOf(stdout),
    stderr: encoding === 'buffer' ? stderr : textOf(stderr),
    timedOut: false,
    durationMs: status.finishedAt.getTime() - status.startedAt.getTime(),
    timings,
  };
}

function textOf(bytes: Buffer): string {
  return bytes.length === 0 ? '' : bytes.toString();
}

function tooMuch(maxBuffer: number): VainaError {
  return new VainaError(
    'ERR_COMMAND_FAILED',
    `the output of the command passed maxBuffer, ${maxBuffer} bytes`,
  );
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
