import { VainaError } from '../errors.js';

/** Numbers of the messages of the control protocol (`docs/plan.md`). */
export const MESSAGE = {
  exec: 1,
  signal: 2,
  resize: 3,
  stop: 4,
  wait: 5,
  attach: 6,
  started: 101,
  failed: 102,
  exited: 103,
  ok: 104,
  error: 105,
  ending: 106,
} as const;

const HEADER_SIZE = 12;
const NOTHING = Buffer.alloc(0);
/** No message of the protocol comes near it; a longer one means that the stream is not what it should be. */
const MAX_MESSAGE_SIZE = 1024 * 1024;

/** A message as it travels: which, in answer to what, and its body. */
export interface Message {
  type: number;
  tag: number;
  body: Buffer;
}

/** The process has passed every step and runs. */
export interface Started {
  kind: 'started';
  /** The number by which requests name it: 0 for the container, else an exec session. */
  target: number;
  /** Its pid in the host's pid namespace. */
  pid: number;
  /** CLOCK_MONOTONIC in milliseconds: of an exec, `main` is its request. */
  timings: { main: number; host: number; clone: number; exec: number };
}

/** A step failed before the process ran; everything was undone. */
export interface Failed {
  kind: 'failed';
  /** Index into the steps of the plan; undefined when it was none of them. */
  step: number | undefined;
  /** The number of the error, 0 when it was no system call that failed. */
  errno: number;
  /** 127: the command was not found, 126: it could not be executed, 125: anything else. */
  exitCode: 125 | 126 | 127;
  /** What failed, with its path. */
  text: string;
}

/** How a process ended: the exit record. */
export interface ExitRecord {
  /** The exit status, or 128 + N when signal N ended it. */
  exitCode: number;
  /** The number of the signal that ended it, or 0. */
  signal: number;
  /** Whether the kernel killed a process of the container for lack of memory. */
  oomKilled: boolean;
  /** Wall-clock nanoseconds since the epoch. */
  startedAt: bigint;
  /** Wall-clock nanoseconds since the epoch. */
  finishedAt: bigint;
  /** The most memory that it held, in bytes; 0 when it is not known. */
  peakMemory: number;
  /** User and system time, in microseconds. */
  cpuTime: number;
}

/** The bytes of a message. */
export function encodeMessage(type: number, tag: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_SIZE + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(0, 6);
  bytes.writeUInt32LE(tag, 8);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** Cuts a stream of bytes into messages. */
export class MessageParser {
  #rest: Buffer = NOTHING;

  /**
   * @returns the messages that this chunk completes
   * @throws VainaError `ERR_INTERNAL` when the bytes are no messages
   */
  push(chunk: Buffer): Message[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_SIZE) {
      const size = bytes.readUInt32LE(at);
      if (size < HEADER_SIZE || size > MAX_MESSAGE_SIZE || bytes.readUInt16LE(at + 6) !== 0) {
        throw new VainaError('ERR_INTERNAL', 'the monitor sent something that is no message');
      }
      if (bytes.length - at < size) break;
      messages.push({
        type: bytes.readUInt16LE(at + 4),
        tag: bytes.readUInt32LE(at + 8),
        body: bytes.subarray(at + HEADER_SIZE, at + size),
      });
      at += size;
    }
    this.#rest = at === bytes.length ? NOTHING : bytes.subarray(at);
    return messages;
  }
}

/** The body of `started`. */
export function parseStarted(body: Buffer): Started {
  if (body.length !== 40) throw malformed('started');
  return {
    kind: 'started',
    target: body.readUInt32LE(0),
    pid: body.readUInt32LE(4),
    timings: {
      main: milliseconds(body, 8),
      host: milliseconds(body, 16),
      clone: milliseconds(body, 24),
      exec: milliseconds(body, 32),
    },
  };
}

/** The body of `failed`. */
export function parseFailed(body: Buffer): Failed {
  if (body.length < 12) throw malformed('failed');
  const step = body.readUInt32LE(0);
  const exitCode = body.readUInt32LE(8);
  return {
    kind: 'failed',
    step: step === 0xffffffff ? undefined : step,
    errno: body.readUInt32LE(4),
    exitCode: exitCode === 126 || exitCode === 127 ? exitCode : 125,
    text: body.toString('utf8', 12),
  };
}

/** The body of `exited`. */
export function parseExited(body: Buffer): ExitRecord {
  if (body.length !== 44) throw malformed('exited');
  return {
    exitCode: body.readUInt32LE(0),
    signal: body.readUInt32LE(4),
    oomKilled: body.readUInt32LE(8) !== 0,
    startedAt: body.readBigUInt64LE(12),
    finishedAt: body.readBigUInt64LE(20),
    peakMemory: Number(body.readBigUInt64LE(28)),
    cpuTime: Number(body.readBigUInt64LE(36)),
  };
}

/**
 * An exit record, as the file `exit` has it.
 * @throws VainaError `ERR_INTERNAL` when it is none
 */
export function parseExitRecord(json: Uint8Array): ExitRecord {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
  } catch {
    throw malformed('exit record');
  }
  if (typeof value !== 'object' || value === null) throw malformed('exit record');
  const record = value as Record<string, unknown>;
  const integer = (key: string): number => {
    const found = record[key];
    if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0)
      throw malformed('exit record');
    return found;
  };
  const time = (key: string): bigint => {
    const found = record[key];
    if (typeof found !== 'string' || !/^\d{1,20}$/.test(found)) throw malformed('exit record');
    return BigInt(found);
  };
  if (typeof record['oomKilled'] !== 'boolean') throw malformed('exit record');
  return {
    exitCode: integer('exitCode'),
    signal: integer('signal'),
    oomKilled: record['oomKilled'],
    startedAt: time('startedAt'),
    finishedAt: time('finishedAt'),
    peakMemory: integer('peakMemory'),
    cpuTime: integer('cpuTime'),
  };
}

function milliseconds(body: Buffer, at: number): number {
  return (body.readUInt32LE(at) + body.readUInt32LE(at + 4) * 2 ** 32) / 1e6;
}

function malformed(what: string): VainaError {
  return new VainaError('ERR_INTERNAL', `the monitor wrote a malformed ${what}`);
}
