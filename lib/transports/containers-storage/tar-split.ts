import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInterface } from 'node:readline';
import { VainaError } from '../../errors.js';
import { decompressor, peekCompression } from '../../oci/compression.js';
import { fileFailure } from '../../oci/failure.js';
import { O_PATH } from '../../util/beneath.js';
import { quote } from '../../util/text.js';

/** Bytes that are given out at once. */
const CHUNK = 256 * 1024;
const FILE = 1;
const SEGMENT = 2;

/** One line of tar-split's metadata: bytes of the archive, or a file whose content comes next. */
interface Entry {
  type: number;
  name?: string;
  name_raw?: string;
  size?: number;
  payload?: string;
}

/**
 * The tar of a layer as it once was, put together of tar-split's metadata (headers and padding, byte for byte) and the files
 * of its tree. Whether it is the right one, its digest tells: the checksums in the metadata are not looked at.
 *
 * @param metadata - path of `ID.tar-split.gz`
 * @param tree - path of the directory that the layer was unpacked to; nothing outside it is opened
 */
export function assembleLayer(metadata: string, tree: string): Readable {
  return Readable.from(pieces(metadata, tree), { objectMode: false, highWaterMark: CHUNK });
}

async function* pieces(metadata: string, tree: string): AsyncGenerator<Buffer, void> {
  const files = new TreeFiles(tree);
  let held: Buffer[] = [];
  let length = 0;
  const take = (bytes: Buffer): void => {
    held.push(bytes);
    length += bytes.length;
  };
  const flush = (): Buffer => {
    const whole = Buffer.concat(held, length);
    held = [];
    length = 0;
    return whole;
  };
  try {
    for await (const entry of entries(metadata)) {
      if (entry.type === SEGMENT) take(Buffer.from(entry.payload ?? '', 'base64'));
      else if ((entry.size ?? 0) > 0) {
        for (const chunk of files.read(nameOf(entry), entry.size ?? 0, metadata)) {
          take(chunk);
          if (length >= CHUNK) yield flush();
        }
      }
      if (length >= CHUNK) yield flush();
    }
    if (length > 0) yield flush();
  } finally {
    files.close();
  }
}

async function* entries(metadata: string): AsyncGenerator<Entry, void> {
  const file = createReadStream(metadata);
  const { compression, whole } = await peekCompression(file).catch((error: unknown) => {
    throw fileFailure(error, metadata);
  });
  const plain = decompressor(compression, metadata);
  const piped = pipeline(whole, plain).catch(() => undefined);
  let failure: unknown;
  plain.once('error', (error) => (failure = error));
  try {
    for await (const line of createInterface({ input: plain, crlfDelay: Infinity })) {
      if (line !== '') yield parseEntry(line, metadata);
    }
    await piped;
    if (failure !== undefined) throw fileFailure(failure, metadata);
  } finally {
    plain.destroy();
    file.destroy();
  }
}

function parseEntry(line: string, metadata: string): Entry {
  const bad = (cause?: unknown): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `${metadata} has a malformed line`, { path: metadata, cause });
  let entry: Entry | null;
  try {
    entry = JSON.parse(line) as Entry | null;
  } catch (error) {
    throw bad(error);
  }
  if (typeof entry !== 'object' || entry === null) throw bad();
  const { type, name, name_raw: raw, size, payload } = entry;
  const text = (value: unknown): boolean =>
    value === undefined || value === null || typeof value === 'string';
  if ((type !== FILE && type !== SEGMENT) || ![name, raw, payload].every(text)) throw bad();
  if (size !== undefined && (!Number.isSafeInteger(size) || size < 0)) throw bad();
  return entry;
}

/** The name's bytes, one in each character: names need not be UTF-8. */
function nameOf({ name, name_raw: raw }: Entry): string {
  return raw ? Buffer.from(raw, 'base64').toString('latin1') : Buffer.from(name ?? '').toString('latin1');
}

/**
 * Files below a directory, each opened one component at a time by the descriptor of the one before, following no link.
 * The directories on the way to the last one stay open: an archive goes through its tree in order.
 */
class TreeFiles {
  readonly #tree: string;
  readonly #open: { part: string; fd: number }[] = [];

  constructor(tree: string) {
    this.#tree = tree;
    this.#open.push({ part: '', fd: this.#try(tree, constants.O_RDONLY | constants.O_DIRECTORY) });
  }

  /** The content of a file, which must have this size. */
  *read(name: string, size: number, metadata: string): Generator<Buffer, void> {
    const fd = this.#find(name, metadata);
    try {
      if (fstatSync(fd).size !== size) throw this.#wrong(name, 'has another size than its archive had');
      for (let at = 0; at < size;) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
        const count = readSync(fd, chunk, 0, chunk.length, at);
        if (count === 0) throw this.#wrong(name, 'became shorter');
        at += count;
        yield chunk.subarray(0, count);
      }
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
  }

  #find(name: string, metadata: string): number {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    const last = parts.pop();
    if (last === undefined || [...parts, last].some((part) => part === '..' || part.includes('\0'))) {
      throw new VainaError('ERR_INVALID_IMAGE', `${metadata} names ${quote(name)}, which leaves the layer`);
    }
    const parent = this.#enter(parts);
    const found = this.#try(below(parent, last), O_PATH | constants.O_NOFOLLOW);
    try {
      if (!fstatSync(found).isFile()) throw this.#wrong(name, 'is no regular file');
      return this.#try(`/proc/self/fd/${found}`, constants.O_RDONLY);
    } finally {
      closeSync(found);
    }
  }

  /** The descriptor of a directory of the tree. */
  #enter(parts: readonly string[]): number {
    let depth = 0;
    while (depth < parts.length && this.#open[depth + 1]?.part === parts[depth]) depth++;
    for (const { fd } of this.#open.splice(depth + 1)) closeSync(fd);
    const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    for (const part of parts.slice(depth)) {
      this.#open.push({ part, fd: this.#try(below(this.#top(), part), flags) });
    }
    return this.#top();
  }

  #top(): number {
    return this.#open.at(-1)?.fd ?? -1;
  }

  #try(path: string | Buffer, flags: number): number {
    try {
      return openSync(path, flags);
    } catch (error) {
      throw fileFailure(error, this.#tree);
    }
  }

  #wrong(name: string, why: string): VainaError {
    return new VainaError('ERR_INVALID_IMAGE', `${this.#tree}: ${quote(name)} ${why}`, { path: this.#tree });
  }
}

function below(fd: number, part: string): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), Buffer.from(part, 'latin1')]);
}
