import { VainaError } from '../errors.js';
import { publicUrl } from './failure.js';
import { withRegistry, type RegistryCallOptions } from './open.js';
import { retrying } from './retry.js';
import { discard } from './transport.js';

/**
 * Asks a registry whether it is one and lets us in, with the credentials that there are for it (distribution-spec,
 * determining support).
 *
 * @param domain - of the registry, e.g. `docker.io`, `localhost:5000`
 * @returns where it is: the origin of its API
 * @throws VainaError `ERR_UNAUTHORIZED`, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY` for what is no registry
 */
export async function ping(domain: string, options: RegistryCallOptions = {}): Promise<string> {
  return withRegistry({ domain, path: '' }, `ping of ${domain}`, options, [], (client, signal) =>
    retrying(client.settings, signal, async () => {
      const answer = await client.get('/v2/', { signal, scopes: '' });
      discard(answer);
      const version = answer.header('docker-distribution-api-version');
      if (version !== undefined && !version.includes('registry/2.'))
        throw new VainaError(
          'ERR_REGISTRY',
          `${publicUrl(answer.url)} speaks another protocol than the second version`,
        );
      return (await client.origin(signal)).origin;
    }),
  );
}
