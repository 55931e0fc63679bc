import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { VainaError } from '../errors.js';
import { algorithmOf, finishDigest, type DigestAlgorithm, type VerifyingStream } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';
import { writeAll } from '../util/file-writer.js';
import { ioFailure } from './io-failure.js';
import type { StorePaths } from './paths.js';

/**
 * Writes one blob: to a temporary file, held against what was announced while it passes, made durable, and only then
 * given its name. Writing the same blob twice at once does no harm.
 */
export class BlobWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #paths: StorePaths;
  readonly #expected: Descriptor | undefined;
  readonly #record: (blob: Descriptor) => void;
  readonly #algorithm: DigestAlgorithm;
  readonly #witness: VerifyingStream | undefined;
  readonly #hash: Hash;
  #size = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #open = true;
  #renamed = false;

  private constructor(
    file: FileHandle,
    path: string,
    paths: StorePaths,
    expected: Descriptor | undefined,
    record: (blob: Descriptor) => void,
    witness: VerifyingStream | undefined,
  ) {
    this.#witness = witness;
    this.#file = file;
    this.#path = path;
    this.#paths = paths;
    this.#expected = expected;
    this.#record = record;
    this.#algorithm = expected ? algorithmOf(expected.digest) : 'sha256';
    this.#hash = createHash(this.#algorithm);
  }

  /**
   * @param witness - a stream that all of the bytes come from and that holds them against the same digest: then they
   * are not hashed twice
   * @internal
   */
  static async open(
    path: string,
    paths: StorePaths,
    expected: Descriptor | undefined,
    record: (blob: Descriptor) => void,
    witness?: VerifyingStream,
  ): Promise<BlobWriter> {
    try {
      return new BlobWriter(await open(path, 'wx', 0o600), path, paths, expected, record, witness);
    } catch (error) {
      throw ioFailure(error, path);
    }
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** The file that is written. */
  get fd(): number {
    return this.#file.fd;
  }

  /**
   * Takes some bytes that somebody else writes to {@link BlobWriter.fd}, in the order in which they come.
   *
   * @throws VainaError `ERR_DIGEST_MISMATCH` when there are more than were announced
   */
  note(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#expected && this.#size > this.#expected.size)
      throw this.#mismatch(`more than ${this.#expected.size} bytes`);
    if (!this.#witness) this.#hash.update(chunk);
  }

  /**
   * Takes some bytes; resolves when more may come.
   *
   * @throws VainaError `ERR_DIGEST_MISMATCH` when there are more than were announced, `ERR_NO_SPACE`
   */
  async write(chunk: Buffer): Promise<void> {
    const position = this.#size;
    this.note(chunk);
    await this.#settled();
    this.#writing = writeAll(this.#file, [chunk], position);
    // It is awaited with the next chunk, or at the end.
    this.#writing.catch(() => undefined);
  }

  /**
   * Makes the blob visible.
   *
   * @param mediaType - default: the one that was announced
   * @throws VainaError `ERR_DIGEST_MISMATCH`
   */
  async commit(mediaType = this.#expected?.mediaType ?? 'application/octet-stream'): Promise<Descriptor> {
    await this.#settled();
    if (this.#expected && this.#size !== this.#expected.size) throw this.#mismatch(`${this.#size} bytes`);
    const digest = this.#witness ? this.#witness.verified : finishDigest(this.#hash, this.#algorithm);
    if (digest === undefined) throw this.#mismatch('bytes that were not verified to their end');
    if (this.#expected && digest !== this.#expected.digest) throw this.#mismatch(`the digest ${digest}`);
    try {
      await this.#file.sync();
      await rename(this.#path, this.#paths.blob(digest));
    } catch (error) {
      throw ioFailure(error, this.#path);
    }
    this.#renamed = true;
    const blob: Descriptor = { mediaType, digest, size: this.#size };
    this.#record(blob);
    return blob;
  }

  /** Removes what was written, unless it was committed. Idempotent. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#writing.catch(() => undefined);
    await this.#file.close();
    if (!this.#renamed) await unlink(this.#path).catch(() => undefined);
  }

  async #settled(): Promise<void> {
    try {
      await this.#writing;
    } catch (error) {
      throw ioFailure(error, this.#path);
    }
  }

  #mismatch(what: string): VainaError {
    const { digest, size } = this.#expected as Descriptor;
    return new VainaError('ERR_DIGEST_MISMATCH', `the blob ${digest} of ${size} bytes came with ${what}`, {
      subject: digest,
    });
  }
}
