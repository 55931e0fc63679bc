import type { ErrorCode, ErrorDetails } from '../errors.js';
import { VainaError } from '../errors.js';
import type { Unpacked } from './layer-pipe.js';

/** What the thread that unpacks is told: a job begins, some bytes of it (which become the thread's), they have ended. */
export type ToThread =
  | { kind: 'begin'; what: string; rawFd: number | undefined; pipeFd: number | undefined }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'end' };

/** What it tells: bytes have been dealt with (their memory comes back), the job is done, it has failed. */
export type FromThread =
  | { kind: 'taken'; bytes: Uint8Array }
  | { kind: 'done'; unpacked: Unpacked }
  | { kind: 'failed'; failure: PlainFailure };

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
