import type { Dirent } from 'node:fs';
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { DIR_FILES, DIR_VERSION } from './dir-source.js';
import { fileFailure } from './failure.js';
import { signatureToBytes } from './signature-blob.js';
import { exclusively, Staging, STAGING_PREFIX } from './staging.js';
import type { BlobRole, CommittedImage, Descriptor, ImageSink, SinkTakes, TransferOptions } from './types.js';

/**
 * Writes an image to a directory, as `skopeo copy … dir:PATH` does: `version`, `manifest.json`, the blobs, and for an index the
 * manifests below it, each with its signatures. The directory is made unless it is there; one that holds an image is
 * emptied when the new one is whole.
 *
 * @throws VainaError from the sink: `ERR_NAME_IN_USE` for a directory that holds something else, `ERR_PERMISSION`,
 * `ERR_NO_SPACE`, `ERR_IO`, `ERR_HOST_UNSUPPORTED` without flock(1)
 */
export function dirSink(path: string): ImageSink {
  return new DirSink(path);
}

class DirSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes = { signatures: true };
  readonly #path: string;
  readonly #staged = new Set<string>();
  #staging: Promise<Staging> | undefined;
  #closed = false;

  constructor(path: string) {
    this.name = `dir:${path}`;
    this.#path = path;
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    await this.#begin();
    return this.#staged.has(DIR_FILES.blob(descriptor.digest));
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    _about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    await this.#put(DIR_FILES.blob(descriptor.digest), content, options);
  }

  async commit(image: CommittedImage, options: TransferOptions = {}): Promise<void> {
    const { top, indexes, manifests, signatures } = image;
    await this.#put(DIR_FILES.version, Buffer.from(DIR_VERSION), options);
    for (const { bytes, digest } of [...indexes, ...manifests.map(({ raw }) => raw)]) {
      const file = DIR_FILES.instance(digest);
      if (digest !== top.digest && !this.#staged.has(file)) await this.#put(file, bytes, options);
    }
    for (const [digest, list] of signatures) {
      for (const [i, signature] of list.entries()) {
        const file = DIR_FILES.signature(i + 1, digest === top.digest ? undefined : digest);
        await this.#put(file, signatureToBytes(signature), options);
      }
    }
    await this.#put(DIR_FILES.manifest, top.bytes, options);
    const staging = await this.#begin();
    await exclusively(this.#path, options.signal, async () => {
      await this.#empty();
      for (const file of this.#staged) await staging.move(file, file);
      await staging.keep();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const staging = await this.#staging?.catch(() => undefined);
    await staging?.undo();
  }

  async #put(file: string, content: Readable | Buffer, options: TransferOptions): Promise<void> {
    const staging = await this.#begin();
    await staging.write(file, content, options.signal);
    this.#staged.add(file);
  }

  #begin(): Promise<Staging> {
    if (this.#closed) throw new VainaError('ERR_CLOSED', `${this.name}: the transfer has ended`);
    return (this.#staging ??= this.#open());
  }

  async #open(): Promise<Staging> {
    await this.#refuseOthers();
    return Staging.open(this.#path);
  }

  /** What is in the directory is removed later: it must be an image. */
  async #refuseOthers(): Promise<void> {
    const entries = await this.#list();
    if (entries.length === 0) return;
    const version = join(this.#path, DIR_FILES.version);
    const text = await readFile(version, 'utf8').catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'EISDIR') throw fileFailure(error, version);
    });
    if (text === DIR_VERSION && !entries.some((entry) => entry.isDirectory())) return;
    throw new VainaError('ERR_NAME_IN_USE', `${this.#path} holds something that is not an image`, {
      path: this.#path,
      hint: 'name an empty directory, or one that does not exist',
    });
  }

  /** Removes the image that was there, its manifest first: from then on there is none. */
  async #empty(): Promise<void> {
    await this.#refuseOthers();
    const files = (await this.#list()).map(({ name }) => name);
    files.sort((a, b) => Number(b === DIR_FILES.manifest) - Number(a === DIR_FILES.manifest));
    for (const file of files) {
      // The version stays: with it, whoever comes after a crash knows what the rest is.
      if (file === DIR_FILES.version) continue;
      const path = join(this.#path, file);
      await unlink(path).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileFailure(error, path);
      });
    }
  }

  /** What is in the directory, without what others have on its way there. */
  async #list(): Promise<Dirent[]> {
    try {
      const entries = await readdir(this.#path, { withFileTypes: true });
      return entries.filter(({ name }) => !name.startsWith(STAGING_PREFIX));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fileFailure(error, this.#path);
    }
  }
}
