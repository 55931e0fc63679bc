import { open } from 'node:fs/promises';

/**
 * Makes the names in a directory durable, without holding up the event loop.
 *
 * @throws the system's error
 */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
