import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Changes of one file by this process, one after the other. */
const queues = new Map<string, Promise<unknown>>();

/**
 * Changes a file as a whole: what others see is the old content or the new one. What it is made of on the way has the
 * mode of the file; missing directories are made with 0700. A symbolic link stays, and its target changes.
 * Changes of the same path within this process do not lose each other.
 *
 * @param change - makes the new content; undefined leaves the file alone. It reads the old content itself
 * @param mode - of the file
 */
export async function replaceFile(
  path: string,
  change: () => Promise<string | undefined>,
  mode = 0o600,
): Promise<void> {
  const before = queues.get(path) ?? Promise.resolve();
  const mine = before
    .then(() => change())
    .then((text) => (text === undefined ? undefined : write(path, text, mode)));
  const settled = mine.catch(() => undefined);
  queues.set(path, settled);
  try {
    await mine;
  } finally {
    if (queues.get(path) === settled) queues.delete(path);
  }
}

async function write(path: string, text: string, mode: number): Promise<void> {
  const target = await realpath(path).catch(() => path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(temporary, target);
  } catch (error) {
    await file.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}
