import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import { readAll } from '../util/read-all.js';
import { MAX_CONFIGURATION_BYTES } from './limits.js';

/** The home directory of the user; undefined where there is none. */
export function homeOf(env: NodeJS.ProcessEnv): string | undefined {
  const home = env['HOME'] ?? homedir();
  return home === '' ? undefined : home;
}

/**
 * Reads a small file of the host whole.
 *
 * @param limit - most bytes to take. Default {@link MAX_CONFIGURATION_BYTES}
 * @returns undefined when there is none
 * @throws VainaError `ERR_PERMISSION`, `ERR_IO`; `ERR_INVALID_OPTION` for one that is too large
 */
export async function readSmallFile(
  path: string,
  limit: number = MAX_CONFIGURATION_BYTES,
): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r');
    const tooLarge = new VainaError('ERR_INVALID_OPTION', `${path} is larger than ${limit} bytes`, { path });
    return await readAll(file.createReadStream({ autoClose: false }), limit, () => tooLarge);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fileFailure(error, path);
  }
}

/** {@link readSmallFile} of a file that was named: without it, nothing goes. */
export async function readNamedFile(path: string, what: string): Promise<Buffer> {
  const bytes = await readSmallFile(path);
  if (bytes !== undefined) return bytes;
  throw new VainaError('ERR_NO_SUCH_PATH', `${what}: ${path} does not exist`, { path });
}
