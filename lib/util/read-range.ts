import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';

const CHUNK = 256 * 1024;

/**
 * Bytes of an open file as a stream, which leaves the file open. Unlike `FileHandle.createReadStream` it adds no
 * listener to the handle, so any number of them can come and go.
 *
 * @param start - first byte
 * @param end - the byte after the last; default: to the end of the file
 */
export function readRange(file: FileHandle, start = 0, end = Infinity): Readable {
  let position = start;
  return new Readable({
    highWaterMark: CHUNK,
    read() {
      const length = Math.min(CHUNK, end - position);
      if (length <= 0) {
        this.push(null);
        return;
      }
      file.read(Buffer.allocUnsafe(length), 0, length, position).then(
        ({ bytesRead, buffer }) => {
          position += bytesRead;
          this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
        },
        (error: Error) => this.destroy(error),
      );
    },
  });
}
