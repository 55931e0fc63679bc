import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { digestOf, verifyBytes, VerifyingStream } from '../oci/digest.js';
import type { Descriptor, Digest, Signature } from '../oci/types.js';
import { BlobWriter } from './blob-writer.js';
import type { Database } from './database.js';
import { ioFailure } from './io-failure.js';
import { jobs } from './jobs.js';
import type { StorePaths } from './paths.js';
import type { Session } from './session.js';

/** What the catalogue knows of a blob. */
export interface BlobRow {
  digest: Digest;
  /** Bytes. */
  size: number;
  mediaType: string;
  /** Of a layer: the digest of what it was seen to decompress to. */
  diffId?: Digest;
}

/** The blobs of the store: manifests, configurations, and layers as they came. */
export class Content {
  readonly #database: Database;
  readonly #paths: StorePaths;
  readonly #session: Session;

  /** @internal */
  constructor(database: Database, paths: StorePaths, session: Session) {
    this.#database = database;
    this.#paths = paths;
    this.#session = session;
  }

  /** The file of a blob, whether it exists or not. */
  pathOf(digest: Digest): string {
    return this.#paths.blob(digest);
  }

  /** What is known of a blob that is there. */
  get(digest: Digest): BlobRow | undefined {
    const row = this.#database.get('SELECT size, media_type, diff_id FROM blobs WHERE digest = ?', digest);
    if (!row) return undefined;
    const size = Number(row['size']);
    try {
      if (statSync(this.pathOf(digest)).size !== size) return undefined;
    } catch {
      return undefined;
    }
    const diffId = row['diff_id'] as Digest | null;
    return { digest, size, mediaType: row['media_type'] as string, ...(diffId === null ? {} : { diffId }) };
  }

  /** All blobs of the catalogue. */
  list(): BlobRow[] {
    return this.#database
      .all('SELECT digest, size, media_type, diff_id FROM blobs ORDER BY digest')
      .map((row) => ({
        digest: row['digest'] as Digest,
        size: Number(row['size']),
        mediaType: row['media_type'] as string,
        ...(row['diff_id'] === null ? {} : { diffId: row['diff_id'] as Digest }),
      }));
  }

  /**
   * A blob as a stream that fails with `ERR_DIGEST_MISMATCH` before its end when the file is damaged.
   *
   * @throws VainaError `ERR_STORE_DAMAGED` when there is no such blob
   */
  open(digest: Digest): Readable {
    const row = this.get(digest);
    if (!row) throw this.#missing(digest);
    const path = this.pathOf(digest);
    const file = createReadStream(path, { highWaterMark: 256 * 1024 });
    const verified = new VerifyingStream(row, `the blob ${path}`);
    file.on('error', (error) => verified.destroy(ioFailure(error, path) as Error));
    verified.on('close', () => file.destroy());
    return file.pipe(verified);
  }

  /**
   * A whole blob.
   *
   * @throws VainaError `ERR_STORE_DAMAGED` when there is no such blob, `ERR_DIGEST_MISMATCH` when it is damaged
   */
  async read(digest: Digest): Promise<Buffer> {
    const row = this.get(digest);
    if (!row) throw this.#missing(digest);
    const path = this.pathOf(digest);
    const bytes = await readFile(path).catch((error: unknown) => {
      throw ioFailure(error, path);
    });
    verifyBytes(bytes, row, `the blob ${path}`);
    return bytes;
  }

  /** The signatures of a manifest or index. Throws `ERR_STORE_DAMAGED` when one cannot be read. */
  signaturesOf(digest: Digest): Signature[] {
    return jobs.signatures.readSignatures(this.#database, digest);
  }

  /**
   * A writer for a blob; with a descriptor it accepts nothing else.
   *
   * @param content - where the bytes will come from
   */
  async writer(expected?: Descriptor, content?: Readable): Promise<BlobWriter> {
    const isWitness = content instanceof VerifyingStream && content.expects(expected);
    return BlobWriter.open(
      this.#session.path(),
      this.#paths,
      expected,
      (blob) => recordBlob(this.#database, blob),
      isWitness ? content : undefined,
    );
  }

  /** Takes in a blob from a stream. */
  async ingest(descriptor: Descriptor, content: Readable): Promise<void> {
    const writer = await this.writer(descriptor, content);
    try {
      for await (const chunk of content as AsyncIterable<Buffer>) await writer.write(chunk);
      await writer.commit();
    } finally {
      await writer.close();
    }
  }

  /** Takes in a small blob. */
  async ingestBytes(bytes: Buffer, mediaType: string, expected?: Digest): Promise<Digest> {
    const digest = expected ?? digestOf(bytes);
    if (this.get(digest)) return digest;
    const writer = await this.writer({ mediaType, digest, size: bytes.length });
    try {
      await writer.write(bytes);
      await writer.commit();
    } finally {
      await writer.close();
    }
    return digest;
  }

  /** Remembers what a layer decompresses to. */
  setDiffId(digest: Digest, diffId: Digest): void {
    this.#database.run('UPDATE blobs SET diff_id = ? WHERE digest = ?', diffId, digest);
  }

  #missing(digest: Digest): VainaError {
    const path = this.pathOf(digest);
    return new VainaError('ERR_STORE_DAMAGED', `the blob ${path} is missing`, { path });
  }
}

/** Makes a blob whose file is here known to the catalogue, unless it is. */
export function recordBlob(database: Database, { digest, size, mediaType }: Descriptor): void {
  database.run(
    'INSERT INTO blobs (digest, size, media_type) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ...[digest, size, mediaType],
  );
}
