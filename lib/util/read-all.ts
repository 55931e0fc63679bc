/**
 * Reads a stream to its end.
 *
 * @param limit - most bytes to take
 * @param tooLarge - makes the error for a stream with more than that
 */
export async function readAll(
  stream: AsyncIterable<Buffer>,
  limit: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    // Leaving the loop destroys the stream.
    if (length > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
