import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * Waits for the lock of a file or directory, flock(2): whoever else asks for it waits until the returned file is closed,
 * and a process that ends, however it does, gives it up. Node has no call for it, so flock(1) of util-linux or busybox
 * takes the lock on the descriptor that is ours, too.
 *
 * @returns the open file; close it to give up the lock
 * @throws the system's error; `ENOENT` with the path `flock` where the program is missing
 */
export async function flock(path: string, signal?: AbortSignal): Promise<FileHandle> {
  const file = await open(path, 'r');
  try {
    const child = spawn('flock', ['-x', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
      ...(signal && { signal }),
    });
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`${path}: flock ended with status ${String(status)}`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
