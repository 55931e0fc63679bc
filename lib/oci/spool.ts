import { constants } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileWriter } from '../util/file-writer.js';
import { untilAborted } from '../util/until-aborted.js';
import { fileFailure } from './failure.js';

/** Where streams are kept for the time they are needed. */
export interface SpoolOptions {
  /** Directory of temporary files. Default: `TMPDIR`, else `/var/tmp`, which is on a disk where `/tmp` may not be. */
  tmpDir?: string;
  /** Aborting stops the work; what was spooled is gone. */
  signal?: AbortSignal;
}

/** A nameless temporary file: it is gone when it is closed, or when the process ends for any reason. */
export async function openSpool(options: SpoolOptions = {}): Promise<FileHandle> {
  const parent = options.tmpDir ?? (process.env['TMPDIR'] || '/var/tmp');
  try {
    const directory = await mkdtemp(join(parent, 'vaina-'));
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      return await open(join(directory, 'spool'), flags, 0o600);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileFailure(error, parent);
  }
}

/**
 * Copies a stream to a nameless temporary file, through any transforms.
 *
 * @returns the file, open for reading at any place; the caller closes it
 */
export async function spool(
  content: Readable,
  through: readonly NodeJS.ReadWriteStream[],
  options: SpoolOptions = {},
): Promise<FileHandle> {
  const { signal } = options;
  const file = await openSpool(options);
  try {
    const piped = pipeline([content, ...through, fileWriter(file)], signal ? { signal } : {});
    // A stream need not say that it was destroyed.
    await untilAborted(piped, signal);
    return file;
  } catch (error) {
    await file.close();
    signal?.throwIfAborted();
    throw fileFailure(error, 'temporary file');
  }
}
