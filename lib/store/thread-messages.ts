import type { ErrorCode, ErrorDetails } from '../errors.js';
import { VainaError } from '../errors.js';
import type { Unpacked } from './layer-pipe.js';

/** Bytes that go to the thread at once: fewer hops, and large writes to the disk. */
export const PIECE = 256 * 1024;
/** Pieces that there is room for: two that are under way, and one that is being filled. */
export const PIECES = 3;

/** What the thread that unpacks is told: a job begins, so many bytes of it are in the next piece, they have ended. */
export type ToThread =
  | {
      kind: 'begin';
      what: string;
      rawFd: number | undefined;
      pipeFd: number | undefined;
      /** {@link PIECES} times {@link PIECE} bytes, used in turn. */
      pieces: SharedArrayBuffer;
    }
  | { kind: 'bytes'; size: number }
  | { kind: 'end' };

/** What it tells: a piece has been dealt with, the job is done, it has failed. */
export type FromThread =
  { kind: 'taken' } | { kind: 'done'; unpacked: Unpacked } | { kind: 'failed'; failure: PlainFailure };

/** The pieces of a job's memory. */
export function piecesOf(memory: SharedArrayBuffer): Buffer[] {
  return Array.from({ length: PIECES }, (_, i) => Buffer.from(memory, i * PIECE, PIECE));
}

/** An error as it passes between threads, where classes are lost. */
export interface PlainFailure {
  message: string;
  /** Of one of the engine. */
  code?: ErrorCode;
  details: ErrorDetails;
  /** Of one of the system: `code` and `syscall` as Node.js has them. */
  system?: { code: string; syscall?: string };
}

/** Takes an error apart. */
export function plainFailure(error: unknown): PlainFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (VainaError.is(error)) {
    const { code, op, subject, syscall, errno, path, hint } = error;
    const known = Object.entries({ op, subject, syscall, errno, path, hint });
    return { message, code, details: Object.fromEntries(known.filter(([, value]) => value !== undefined)) };
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined) return { message, details: {} };
  return { message, details: {}, system: { code, ...(syscall === undefined ? {} : { syscall }) } };
}

/** Makes an error of it again. */
export function failureOf({ message, code, details, system }: PlainFailure): Error {
  if (code !== undefined) return new VainaError(code, message, details);
  return Object.assign(new Error(message), system);
}
