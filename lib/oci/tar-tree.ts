import { open, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { readRange } from '../util/read-range.js';
import { quote } from '../util/text.js';
import { archiveDecompressor, detectCompression, MAGIC_BYTES, peekCompression } from './compression.js';
import { fileFailure } from './failure.js';
import { spool, type SpoolOptions } from './spool.js';
import { indexTar, type TarMember } from './tar-index.js';
import { missing, type Tree } from './tree.js';

/** Most links from a name to a file. */
const MAX_HOPS = 16;

/**
 * A tar archive as a {@link Tree}, read in place by offsets. A compressed one, or one that comes as a stream, is kept
 * in a nameless temporary file until the tree is closed. Links are followed within the archive only.
 */
export class TarTree implements Tree {
  readonly name: string;
  readonly #file: FileHandle;
  readonly #members: ReadonlyMap<string, TarMember>;

  private constructor(name: string, file: FileHandle, members: ReadonlyMap<string, TarMember>) {
    this.name = name;
    this.#file = file;
    this.#members = members;
  }

  /**
   * @param input - path of the archive, or its bytes; plain, or compressed with gzip, zstd, bzip2 or xz
   * @throws VainaError `ERR_INVALID_IMAGE`, `ERR_NO_SUCH_PATH`, `ERR_NO_SPACE`, `ERR_UNSUPPORTED`
   */
  static async open(input: string | Readable, options: SpoolOptions = {}): Promise<TarTree> {
    const name = typeof input === 'string' ? input : 'archive';
    const file = await seekable(input, name, options);
    try {
      return new TarTree(name, file, await indexTar(file, name, options.signal));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async size(path: string): Promise<number | undefined> {
    return this.#resolve(path)?.size;
  }

  async stream(path: string, start = 0): Promise<Readable> {
    const member = this.#resolve(path);
    if (member === undefined) throw missing(this, path);
    return readRange(this.#file, member.offset + start, member.offset + member.size);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #resolve(path: string): { offset: number; size: number } | undefined {
    let at = normal(path);
    for (let hops = 0; hops <= MAX_HOPS; hops++) {
      const member = this.#members.get(at);
      if (member?.kind !== 'link') return member;
      at = member.target;
    }
    throw new VainaError('ERR_INVALID_IMAGE', `${this.name} has too many links from ${quote(path)}`);
  }
}

function normal(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** The plain bytes of the archive in a file. */
async function seekable(input: string | Readable, name: string, options: SpoolOptions): Promise<FileHandle> {
  if (typeof input !== 'string') return expandStream(input, name, options);
  let file: FileHandle | undefined;
  try {
    file = await open(input, 'r');
    if (!(await file.stat()).isFile()) {
      // A fifo or a terminal can be read only once. Its stream closes it, which may be after it has had to be given up.
      const content = file.createReadStream();
      file = undefined;
      return await expandStream(content, name, options);
    }
    const head = Buffer.alloc(MAGIC_BYTES);
    const { bytesRead } = await file.read(head, 0, MAGIC_BYTES, 0);
    const compression = detectCompression(head.subarray(0, bytesRead));
    if (compression === 'none') return file;
    const plain = await spool(readRange(file), [archiveDecompressor(compression, name)], options);
    await file.close();
    return plain;
  } catch (error) {
    await file?.close().catch(() => undefined);
    options.signal?.throwIfAborted();
    throw fileFailure(error, input);
  }
}

/** Looks at the first bytes of a stream, then spools it whole. */
async function expandStream(content: Readable, name: string, options: SpoolOptions): Promise<FileHandle> {
  const { compression, whole } = await peekCompression(content, options.signal);
  return spool(whole, [archiveDecompressor(compression, name)], options);
}
