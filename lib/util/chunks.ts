import { finished, type Readable } from 'node:stream';

/** Bytes that may wait for whoever reads before the stream is to wait. What it fails with comes after them: they are few. */
const AHEAD = 64 * 1024;

/**
 * The chunks of a stream as they come. Its own iterator would join those that have piled up, by copying them. Who
 * leaves early destroys the stream.
 */
export async function* chunksOf(stream: Readable): AsyncGenerator<Buffer, void> {
  const chunks: Buffer[] = [];
  let size = 0;
  let end: { error: Error | null | undefined } | undefined;
  let wake = (): void => undefined;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= AHEAD) stream.pause();
    wake();
  };
  // It goes on listening: an error that comes after the end is nobody's.
  finished(stream, { writable: false }, (error) => {
    end = { error };
    wake();
  });
  stream.on('data', take);
  try {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk) {
        size -= chunk.length;
        yield chunk;
        continue;
      }
      if (end?.error) throw end.error;
      if (end) return;
      stream.resume();
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stream.off('data', take);
    stream.destroy();
  }
}
