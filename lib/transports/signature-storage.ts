import type { HttpGetter } from '../signature/lookaside.js';
import type { ImageName } from './name.js';
import type { EndOptions } from './options.js';
import { createLookaside } from '../signature/lookaside.js';
import { settingsOf } from '../registry/options.js';
import { discard, readBody, Transport } from '../registry/transport.js';
import { retrying, unwrapped } from '../registry/retry.js';
import { statusFailure } from '../registry/failure.js';

/**
 * Where the signatures of images of a registry are kept beside it (containers-registries.d(5)), as options of its end; nothing for
 * other transports. The files are read when signatures are wanted.
 *
 * @param directory - the registries.d directory. Default: the user's, else the host's
 * @throws VainaError `ERR_INVALID_OPTION` for malformed files, `ERR_PERMISSION`, `ERR_IO`
 */
export async function signatureStorage(
  name: ImageName,
  directory: string | undefined,
  end: EndOptions = {},
): Promise<Pick<EndOptions, 'lookaside' | 'sigstoreAttachments'>> {
  if (name.transport !== 'docker' || end.lookaside) return {};
  const lookaside = createLookaside({
    get: getter(end),
    ...(directory !== undefined && { registriesDir: directory }),
    ...(end.env && { env: end.env }),
  });
  return { lookaside, sigstoreAttachments: await lookaside.useSigstoreAttachments(name.reference) };
}

/** Reads signatures on a web server with the certificates and the proxy of the registry's own connections. */
function getter(end: EndOptions): HttpGetter {
  return async (address, { limit, signal }) => {
    const url = new URL(address);
    const settings = settingsOf(end);
    const transport = new Transport(url.host, settings);
    try {
      return await retrying(settings, signal, async () => {
        const answer = await transport.send({ url, signal });
        if (answer.status === 404) {
          discard(answer);
          return undefined;
        }
        const body = await readBody(answer, limit, settings.stallTimeout);
        if (answer.status === 200) return body;
        throw statusFailure(
          { status: answer.status, url: answer.url, retryAfter: answer.header('retry-after') },
          body,
          'ERR_REGISTRY',
        );
      });
    } catch (error) {
      throw unwrapped(error);
    } finally {
      await transport.close();
    }
  };
}
