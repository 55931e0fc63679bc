import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Linux: a descriptor that names a file without opening it. Node has no name for it. */
export const O_PATH = 0o10000000;

const ANCHOR = constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens a regular file below a directory for reading, one component at a time, each relative to the descriptor of the
 * one before, following no link. So nothing outside the directory can be reached, whoever renames what meanwhile,
 * and a fifo or device is recognised before it is opened.
 *
 * @param root - the directory
 * @param path - relative, `/` between components
 * @returns the open file, or undefined when there is none
 * @throws the system's error; `ELOOP` or `ENOTDIR` for a link on the way, `EINVAL` for what is no regular file
 */
export async function openBeneath(root: FileHandle, path: string): Promise<FileHandle | undefined> {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) {
    throw failure('EINVAL', path);
  }
  let at = root;
  try {
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1;
      const flags = last ? O_PATH | constants.O_NOFOLLOW : constants.O_RDONLY | ANCHOR;
      const next = await open(`/proc/self/fd/${at.fd}/${part}`, flags);
      if (at !== root) await at.close();
      at = next;
    }
    if (!(await at.stat()).isFile()) throw failure('EINVAL', path);
    return await open(`/proc/self/fd/${at.fd}`, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    if (at !== root) await at.close();
  }
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${path}: not a regular file below the directory`), { code, path });
}
