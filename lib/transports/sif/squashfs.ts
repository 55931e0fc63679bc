import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import { quote } from '../../util/text.js';

/**
 * Has unsquashfs(1) write a file system as a pseudo file: a text with a line for each name, then the content of all
 * files. So nothing is unpacked under names of the image, and an ordinary user gets the owners as they are.
 *
 * @param file - the file that the file system is in
 * @param offset - where it begins
 * @param target - takes the pseudo file
 * @param path - for messages
 * @throws VainaError `ERR_HOST_UNSUPPORTED` without unsquashfs of squashfs-tools 4.5 or later; `ERR_INVALID_IMAGE`; the
 * reason of the signal
 */
export async function writePseudoFile(
  file: FileHandle,
  offset: number,
  target: FileHandle,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const args = ['-no-progress', '-offset', String(offset), '-pf', '/proc/self/fd/3', '/proc/self/fd/4'];
  const child = spawn('unsquashfs', args, {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe', target.fd, file.fd],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  });
  let said = '';
  (child.stdio[2] as Readable).on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4096);
  });
  let status: unknown;
  try {
    [status] = (await once(child, 'close')) as [number | null];
  } catch (cause) {
    signal?.throwIfAborted();
    throw missing(path, 'which cannot be started', cause);
  }
  signal?.throwIfAborted();
  if (status === 0) return;
  if (/invalid option/.test(said)) throw missing(path, 'a later one than is installed');
  const last = said.trim().split('\n').at(-1) ?? '';
  throw new VainaError(
    'ERR_INVALID_IMAGE',
    `the file system of ${path} cannot be read: ${last === '' ? `unsquashfs ended with status ${String(status)}` : quote(last)}`,
    { path },
  );
}

function missing(path: string, why: string, cause?: unknown): VainaError {
  return new VainaError(
    'ERR_HOST_UNSUPPORTED',
    `${path}: images of Singularity need the program unsquashfs, ${why}`,
    { hint: 'install squashfs-tools, version 4.5 or later', cause },
  );
}
