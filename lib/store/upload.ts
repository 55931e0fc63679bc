import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { VainaError } from '../errors.js';
import { algorithmOf, finishDigest, type DigestAlgorithm } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';
import { writeAll } from '../util/file-writer.js';
import { syncDirectory } from '../util/sync-directory.js';
import { recordBlob } from './content.js';
import { ioFailure } from './io-failure.js';
import type { StoreParts } from './parts.js';

/** What an {@link Upload} can be set back to. */
export interface UploadMark {
  readonly size: number;
  readonly hash: Hash;
}

/** Options of {@link Upload.commit}. */
export interface CommitOptions {
  /** Default `application/octet-stream`. */
  mediaType?: string;
  /** Whether it, and all that was committed before, survives a power loss that follows at once. Default false. */
  durable?: boolean;
}

const READ_BYTES = 256 * 1024;

/**
 * A blob whose bytes come in any number of pieces, over any time, and whose digest is told at the end. What it has can
 * be read meanwhile. It lives in the temporary directory of the session, and goes with it.
 */
export class Upload {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #parts: StoreParts;
  readonly #algorithm: DigestAlgorithm;
  #hash: Hash;
  #size = 0;
  #renamed = false;
  #closing: Promise<void> | undefined;

  private constructor(file: FileHandle, path: string, parts: StoreParts, algorithm: DigestAlgorithm) {
    this.#file = file;
    this.#path = path;
    this.#parts = parts;
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** @internal */
  static async open(parts: StoreParts, algorithm: DigestAlgorithm): Promise<Upload> {
    const path = parts.session.path();
    try {
      return new Upload(await open(path, 'wx+', 0o600), path, parts, algorithm);
    } catch (error) {
      throw ioFailure(error, path);
    }
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes the next bytes; resolves when they are written. One call at a time.
   *
   * @throws VainaError `ERR_NO_SPACE`, `ERR_IO`; then the upload is of no more use
   */
  async write(chunk: Buffer): Promise<void> {
    const writing = writeAll(this.#file, [chunk], this.#size);
    this.#hash.update(chunk);
    try {
      await writing;
    } catch (error) {
      throw ioFailure(error, this.#path);
    }
    this.#size += chunk.length;
  }

  /** Remembers where it is. */
  mark(): UploadMark {
    return { size: this.#size, hash: this.#hash.copy() };
  }

  /** Forgets what came after a mark. */
  async reset(mark: UploadMark): Promise<void> {
    try {
      await this.#file.truncate(mark.size);
    } catch (error) {
      throw ioFailure(error, this.#path);
    }
    this.#size = mark.size;
    this.#hash = mark.hash.copy();
  }

  /** Reads what is there from a place on: at most as much as the buffer takes. */
  async read(buffer: Buffer, position: number): Promise<number> {
    try {
      return (await this.#file.read(buffer, 0, buffer.length, position)).bytesRead;
    } catch (error) {
      throw ioFailure(error, this.#path);
    }
  }

  /**
   * Makes it a blob of the store: checked, made durable, given its name, and only then written to the catalogue.
   *
   * @param expected - what it must be
   * @param record - refers to it, in the transaction that makes it known; when it throws, nothing is known of the blob
   * @throws VainaError `ERR_DIGEST_MISMATCH`; the upload is then as it was
   */
  async commit(expected: Digest, record: () => void, options: CommitOptions = {}): Promise<void> {
    const { mediaType = 'application/octet-stream', durable = false } = options;
    const actual = await this.#digest(algorithmOf(expected));
    if (actual !== expected) {
      throw new VainaError('ERR_DIGEST_MISMATCH', `the upload has the digest ${actual}, not ${expected}`, {
        subject: expected,
      });
    }
    const { database, paths } = this.#parts;
    const path = paths.blob(expected);
    try {
      await this.#file.sync();
      await using _lock = await this.#parts.lockTransfers();
      await rename(this.#path, path);
      this.#renamed = true;
      await syncDirectory(dirname(path));
      database.transaction(() => {
        recordBlob(database, { digest: expected, size: this.#size, mediaType });
        record();
      }, durable);
    } catch (error) {
      throw ioFailure(error, path);
    }
  }

  /** Removes what was written, unless it was committed. Idempotent. */
  async close(): Promise<void> {
    return (this.#closing ??= (async () => {
      await this.#file.close().catch(() => undefined);
      if (!this.#renamed) await unlink(this.#path).catch(() => undefined);
    })());
  }

  /** The digest of what is there. Another algorithm than the one it was begun with costs a second reading. */
  async #digest(algorithm: DigestAlgorithm): Promise<Digest> {
    if (algorithm === this.#algorithm) return finishDigest(this.#hash.copy(), algorithm);
    const hash = createHash(algorithm);
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#size));
    for (let at = 0; at < this.#size;) {
      const read = await this.read(buffer, at);
      if (read === 0)
        throw new VainaError('ERR_IO', `${this.#path} has become shorter`, { path: this.#path });
      hash.update(buffer.subarray(0, read));
      at += read;
    }
    return finishDigest(hash, algorithm);
  }
}
