/**
 * Waits for something, but no longer than until a signal is aborted: then it fails at once with the reason of that,
 * whatever becomes of the work.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const over = new AbortController();
  const aborted = new Promise<never>((_done, fail) => {
    const abort = (): void => fail(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    over.abort();
  }
}
