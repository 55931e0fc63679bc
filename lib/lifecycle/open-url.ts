import { Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { settingsOf } from '../registry/options.js';
import { connectionFailure, publicUrl } from '../registry/failure.js';
import { retrying, unwrapped } from '../registry/retry.js';
import { discard, Transport, unstalled, type Answer } from '../registry/transport.js';

/** Whether a text names a file on a web server. */
export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Opens a file on a web server, as `podman load` and `podman import` take one. A proxy of the environment is used, and the host's
 * authorities are trusted. What comes is as trustworthy as the connection: `http:` is not.
 *
 * @throws VainaError `ERR_NO_SUCH_PATH` for one that is not there, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY` for another answer,
 * `ERR_INVALID_OPTION` for a malformed URL; the stream fails with `ERR_REGISTRY_UNREACHABLE` when it is cut
 */
export async function openUrl(address: string, signal?: AbortSignal): Promise<Readable> {
  if (!URL.canParse(address))
    throw new VainaError('ERR_INVALID_OPTION', `${address} is no URL`, { path: address });
  const url = new URL(address);
  const settings = settingsOf({});
  const transport = new Transport(url.host, settings);
  try {
    const answer = await retrying(settings, signal, async () => transport.send({ url, signal }));
    if (answer.status !== 200) {
      discard(answer);
      const code = answer.status === 404 || answer.status === 410 ? 'ERR_NO_SUCH_PATH' : 'ERR_REGISTRY';
      throw new VainaError(code, `${publicUrl(url)} answered with ${answer.status}`, {
        path: publicUrl(url),
      });
    }
    return Readable.from(bodyOf(answer, transport, settings.stallTimeout, signal), { objectMode: false });
  } catch (error) {
    await transport.close();
    throw unwrapped(error);
  }
}

/** The bytes of an answer; the connection is closed after them. A body that is cut short fails. */
async function* bodyOf(
  answer: Answer,
  transport: Transport,
  stallTimeout: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of unstalled(answer.body, stallTimeout)) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unwrapped(connectionFailure(error, answer.url));
  } finally {
    await transport.close();
  }
}
