import type { FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';

/**
 * A stream that writes to an open file from a place on, and leaves the file open. What has piled up meanwhile is written
 * by one call.
 *
 * @param start - where the first byte goes
 */
export function fileWriter(file: FileHandle, start = 0): Writable {
  let position = start;
  const write = (chunks: readonly Buffer[], done: (error?: Error | null) => void): void => {
    const at = position;
    position += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    writeAll(file, chunks, at).then(
      () => done(),
      (error: Error) => done(error),
    );
  };
  return new Writable({
    highWaterMark: 1024 * 1024,
    write: (chunk: Buffer, _encoding, done) => write([chunk], done),
    writev: (chunks, done) =>
      write(
        chunks.map(({ chunk }) => chunk as Buffer),
        done,
      ),
  });
}

/** Writes all bytes at a place of a file, however many the system takes at once. */
export async function writeAll(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  for (let at = position; rest.length > 0;) {
    let { bytesWritten } = await file.writev(rest, at);
    at += bytesWritten;
    while (rest[0] !== undefined && bytesWritten >= rest[0].length) {
      bytesWritten -= rest[0].length;
      rest = rest.slice(1);
    }
    if (rest[0] !== undefined && bytesWritten > 0) rest = [rest[0].subarray(bytesWritten), ...rest.slice(1)];
  }
}
