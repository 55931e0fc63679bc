import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { VainaError, type ErrorCode } from '../errors.js';
import { quote } from '../util/text.js';
import type { Digest } from './types.js';

/** A digest algorithm the engine knows: the two that the image-spec registers. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** Whether a value is a well-formed digest: `sha256:` and 64, or `sha512:` and 128, lower case hexadecimal digits. */
export function isDigest(value: unknown): value is Digest {
  if (typeof value !== 'string' || value.length > 135) return false;
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(value);
}

/**
 * The only way to a {@link Digest} from text that came from outside: a digest becomes a part of paths and URLs.
 *
 * @param where - names the place it stood in, for the message
 * @param code - the code of the error. Default `ERR_INVALID_IMAGE`
 */
export function parseDigest(value: unknown, where = 'digest', code: ErrorCode = 'ERR_INVALID_IMAGE'): Digest {
  if (isDigest(value)) return value;
  throw new VainaError(code, `${where}: ${quote(value)} is not a sha256 or sha512 digest`);
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

/** The hexadecimal part of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest of bytes. Default algorithm sha256. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return finishDigest(createHash(algorithm).update(bytes), algorithm);
}

/** Closes a hash and makes a digest of it. */
export function finishDigest(hash: Hash, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}

/**
 * Checks bytes against what was announced.
 *
 * @param what - names them in the message
 * @throws VainaError `ERR_DIGEST_MISMATCH`
 */
export function verifyBytes(
  bytes: Uint8Array,
  expected: { digest: Digest; size?: number },
  what: string,
): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw sizeMismatch(what, expected.size, bytes.length);
  }
  const actual = digestOf(bytes, algorithmOf(expected.digest));
  if (actual !== expected.digest) throw digestMismatch(what, expected.digest, actual);
}

/** What a {@link VerifyingStream} holds its bytes against. */
export interface Expected {
  digest: Digest;
  /** In bytes. */
  size: number;
}

/**
 * Passes bytes on while it checks size and digest, and fails with `ERR_DIGEST_MISMATCH` before its end when they are
 * wrong: at the first byte too many, or at the end. Who reads it must not believe a byte before it has ended.
 */
export class VerifyingStream extends Transform {
  readonly #hash: Hash | undefined;
  readonly #algorithm: DigestAlgorithm;
  readonly #expected: Expected;
  readonly #what: string;
  readonly #onBytes: ((current: number) => void) | undefined;
  #size = 0;
  #failure: VainaError | undefined;
  #verified: Digest | undefined;

  /** Why the bytes are wrong; undefined while nothing is known against them. */
  get failure(): VainaError | undefined {
    return this.#failure;
  }

  /** The digest of what has passed, once all of it has and it was right. */
  get verified(): Digest | undefined {
    return this.#verified;
  }

  /** Whether it holds its bytes against this digest and size. */
  expects(blob: Expected | undefined): boolean {
    return (
      this.#hash !== undefined && blob?.digest === this.#expected.digest && blob.size === this.#expected.size
    );
  }

  /**
   * @param what - names the bytes in the message. Default: the digest
   * @param onBytes - called for each chunk with the number of bytes so far
   * @param hashes - whether the digest is checked, beside the size. Default true
   */
  constructor(expected: Expected, what?: string, onBytes?: (current: number) => void, hashes = true) {
    // Room for several chunks of a connection: else each waits for the one before it to be taken.
    super({ highWaterMark: 256 * 1024 });
    this.#expected = expected;
    this.#algorithm = algorithmOf(expected.digest);
    this.#hash = hashes ? createHash(this.#algorithm) : undefined;
    this.#what = what ?? `blob ${expected.digest}`;
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > this.#expected.size) {
      done((this.#failure = sizeMismatch(this.#what, this.#expected.size)));
      return;
    }
    this.#hash?.update(chunk);
    this.#onBytes?.(this.#size);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const { size, digest } = this.#expected;
    if (this.#size !== size) {
      done((this.#failure = sizeMismatch(this.#what, size, this.#size)));
      return;
    }
    const actual = this.#hash === undefined ? digest : finishDigest(this.#hash, this.#algorithm);
    if (actual !== digest) this.#failure = digestMismatch(this.#what, digest, actual);
    else if (this.#hash !== undefined) this.#verified = actual;
    done(this.#failure ?? null);
  }
}

function sizeMismatch(what: string, expected: number, actual?: number): VainaError {
  const but = actual === undefined ? 'more' : `${actual}`;
  return new VainaError('ERR_DIGEST_MISMATCH', `${what} should have ${expected} bytes but has ${but}`);
}

function digestMismatch(what: string, expected: Digest, actual: Digest): VainaError {
  return new VainaError(
    'ERR_DIGEST_MISMATCH',
    `${what} should have the digest ${expected} but has ${actual}`,
  );
}
