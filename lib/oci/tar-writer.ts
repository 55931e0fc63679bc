import { once } from 'node:events';
import { createWriteStream, statSync } from 'node:fs';
import { link, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomBytes } from 'node:crypto';
import { VainaError } from '../errors.js';
import { fileWriter, writeAll } from '../util/file-writer.js';
import { fileFailure } from './failure.js';
import { BLOCK, paddedSize, tarHeader, tarPadding } from './tar-header.js';

/** Options of {@link ArchiveFile}. */
export interface ArchiveFileOptions {
  /** Permissions of the members. */
  mode: number;
  /** Whether a file that is there may be replaced. An empty one always may. */
  replace: boolean;
}

/** Whether a target can be written only from its beginning to its end. */
export function isStream(target: string | Writable): boolean {
  if (typeof target !== 'string') return true;
  // The name of a descriptor may lead to a file; that is not ours to replace.
  if (/^\/(?:dev|proc)\//.test(target)) return true;
  return statSync(target, { throwIfNoEntry: false })?.isFile() === false;
}

/**
 * A tar archive that is being written: files and links only, all of the owner 0 and of 1970, so that the same members in the
 * same order give the same bytes. Members of a file can be written several at a time, since each has its place from the
 * start; in a stream they wait for each other. A file gets its name when it is whole.
 */
export class ArchiveFile {
  readonly #target: string | Writable;
  readonly #options: ArchiveFileOptions;
  #out: Promise<FileOutput | StreamOutput> | undefined;
  #ended = false;

  constructor(target: string | Writable, options: ArchiveFileOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Makes sure that the archive can be written. It is called by the others. */
  async begin(): Promise<void> {
    await this.#begin();
  }

  /** Adds a file. */
  async file(name: string, content: Buffer): Promise<void>;
  async file(name: string, content: Readable, size: number, signal?: AbortSignal): Promise<void>;
  async file(name: string, content: Buffer | Readable, size?: number, signal?: AbortSignal): Promise<void> {
    const bytes = Buffer.isBuffer(content) ? content.length : (size ?? 0);
    const stream = Buffer.isBuffer(content) ? Readable.from(bytes === 0 ? [] : [content]) : content;
    const head = tarHeader({ name, size: bytes, mode: this.#options.mode, type: '0' });
    await this.#put(head, stream, bytes, signal);
  }

  /** Adds a symbolic link. */
  async link(name: string, target: string): Promise<void> {
    await this.#put(tarHeader({ name, size: 0, mode: 0, type: '2', link: target }), Readable.from([]), 0);
  }

  /** Ends the archive; a file is on the disk then, and has its name. */
  async finish(): Promise<void> {
    const out = await this.#begin();
    this.#ended = true;
    try {
      await out.finish();
    } catch (error) {
      await out.undo();
      throw fileFailure(error, this.#where());
    }
  }

  /** Removes what was not finished. Idempotent. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await (await this.#out?.catch(() => undefined))?.undo();
  }

  async #put(head: Buffer, content: Readable, size: number, signal?: AbortSignal): Promise<void> {
    const out = await this.#begin();
    try {
      await out.put(head, content, size, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw fileFailure(error, this.#where());
    }
  }

  #where(): string {
    return typeof this.#target === 'string' ? this.#target : 'archive';
  }

  #begin(): Promise<FileOutput | StreamOutput> {
    if (this.#ended) throw new VainaError('ERR_CLOSED', `${this.#where()}: the archive has ended`);
    return (this.#out ??= this.#open());
  }

  async #open(): Promise<FileOutput | StreamOutput> {
    const target = this.#target;
    if (typeof target !== 'string') return new StreamOutput(target);
    try {
      if (isStream(target)) return new StreamOutput(createWriteStream(target));
      return await FileOutput.open(target, this.#options.replace);
    } catch (error) {
      throw fileFailure(error, target);
    }
  }
}

/** A file beside its place. */
class FileOutput {
  readonly #place: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #existed: boolean;
  #end = 0;

  private constructor(place: string, temporary: string, file: FileHandle, existed: boolean) {
    this.#place = place;
    this.#temporary = temporary;
    this.#file = file;
    this.#existed = existed;
  }

  static async open(path: string, replace: boolean): Promise<FileOutput> {
    const there = await stat(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    if (there && there.size > 0 && !replace) {
      throw new VainaError('ERR_UNSUPPORTED', `${path} exists, and a docker-archive cannot be added to`, {
        path,
        hint: 'name another file, or write all images at once',
      });
    }
    const place = there ? await realpath(path) : path;
    const temporary = join(
      dirname(place),
      `.${basename(place).slice(0, 200)}.${randomBytes(6).toString('hex')}`,
    );
    const file = await open(temporary, 'wx', 0o644);
    return new FileOutput(place, temporary, file, there !== undefined);
  }

  async put(head: Buffer, content: Readable, size: number, signal?: AbortSignal): Promise<void> {
    const at = this.#end;
    this.#end += head.length + paddedSize(size);
    await writeAll(this.#file, [head], at);
    await pipeline(content, fileWriter(this.#file, at + head.length), signal ? { signal } : {});
  }

  async finish(): Promise<void> {
    await this.#file.truncate(this.#end + 2 * BLOCK);
    await this.#file.datasync();
    await this.#file.close();
    if (this.#existed) await rename(this.#temporary, this.#place);
    else {
      // What has come there meanwhile is somebody else's.
      await link(this.#temporary, this.#place);
      await rm(this.#temporary);
    }
  }

  async undo(): Promise<void> {
    await this.#file.close();
    await rm(this.#temporary, { force: true });
  }
}

/** A stream, one member after another. */
class StreamOutput {
  readonly #stream: Writable;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #gone = new AbortController();
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    const fail = (error: Error): void => {
      this.#failure ??= error;
      this.#gone.abort();
    };
    stream.on('error', fail).on('close', () => fail(closed()));
    // Neither event comes a second time.
    if (stream.destroyed) fail(stream.errored ?? closed());
  }

  put(head: Buffer, content: Readable, size: number, signal?: AbortSignal): Promise<void> {
    const work = async (): Promise<void> => {
      await this.#write(head, signal);
      for await (const chunk of content as AsyncIterable<Buffer>) await this.#write(chunk, signal);
      await this.#write(tarPadding(size), signal);
    };
    const turn = this.#turn.then(work);
    // After a failure the stream is no archive any more.
    this.#turn = turn;
    turn.catch(() => undefined);
    return turn;
  }

  async finish(): Promise<void> {
    await this.#turn;
    await this.#write(Buffer.alloc(2 * BLOCK));
    // What is the caller's, such as the standard output, is ended too: there is nothing after an archive.
    await new Promise<void>((done, fail) => {
      this.#stream.once('error', fail);
      this.#stream.end(done);
    });
  }

  async undo(): Promise<void> {
    this.#stream.destroy();
  }

  async #write(chunk: Buffer, signal?: AbortSignal): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (chunk.length === 0 || this.#stream.write(chunk)) return;
    const either = AbortSignal.any([this.#gone.signal, ...(signal ? [signal] : [])]);
    await once(this.#stream, 'drain', { signal: either }).catch((error: unknown) => {
      throw this.#failure ?? error;
    });
  }
}

function closed(): Error {
  return Object.assign(new Error('the stream was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}
