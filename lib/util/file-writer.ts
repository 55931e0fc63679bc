import type { FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';

/** Bytes that make a write worth its way to another thread and back. */
const WORTHWHILE = 512 * 1024;

/** Bytes after which the disk gets what there is, where all is to be on it in the end. */
const DISK_EVERY = 32 * 1024 * 1024;

/**
 * A stream that writes to an open file from a place on, and leaves the file open. Chunks are gathered, and several
 * written by one call.
 *
 * @param start - where the first byte goes
 * @param durable - ends only when all is on the disk, which gets the bytes while they come. Default false
 */
export function fileWriter(file: FileHandle, start = 0, durable = false): Writable {
  let position = start;
  let waiting = 0;
  let syncing: Promise<void> | undefined;
  let failed: { error: Error } | undefined;
  const sync = (): void => {
    waiting = 0;
    // The system tells of a failure once: it must not be forgotten.
    syncing = file.datasync().then(
      () => (syncing = undefined),
      (error: Error) => void (failed ??= { error }),
    );
  };
  let gathered: Buffer[] = [];
  let size = 0;
  const flush = (done: (error?: Error | null) => void): void => {
    const [chunks, at] = [gathered, position];
    position += size;
    waiting += size;
    gathered = [];
    size = 0;
    if (durable && waiting >= DISK_EVERY && !syncing) sync();
    writeAll(file, chunks, at).then(
      () => done(failed?.error),
      (error: Error) => done(error),
    );
  };
  const finish = async (): Promise<void> => {
    await writeAll(file, gathered, position);
    await syncing;
    if (failed) throw failed.error;
    if (durable) await file.datasync();
  };
  const take = (chunks: readonly Buffer[], done: (error?: Error | null) => void): void => {
    for (const chunk of chunks) size += chunk.length;
    gathered.push(...chunks);
    if (size < WORTHWHILE) done();
    else flush(done);
  };
  return new Writable({
    highWaterMark: 1024 * 1024,
    final: (done) =>
      void finish().then(
        () => done(),
        (error: Error) => done(error),
      ),
    write: (chunk: Buffer, _encoding, done) => take([chunk], done),
    writev: (chunks, done) =>
      take(
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
