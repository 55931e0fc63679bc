import { atMost } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag, type Flag } from '../flags.js';
import type { AuthFileOptions } from '../../registry/index.js';
import type { LibraryRegistries } from '../library.js';

/** The flags that `login` and `logout` share, as they were given. */
export interface AccountGiven {
  authfile?: string;
  compatAuthFile?: string;
}

/** The flags that `login` and `logout` share. */
export function accountFlags(): Flag[] {
  return [
    flag(
      '--authfile <string>',
      'path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override',
      'string',
    ),
    flag(
      '--compat-auth-file <string>',
      'path of a Docker-compatible config file to update instead',
      'string',
    ),
  ];
}

/** Which file of credentials is meant. */
export function authFiles({ authfile, compatAuthFile }: AccountGiven): AuthFileOptions {
  return {
    ...(authfile === undefined ? {} : { authFile: authfile }),
    ...(compatAuthFile === undefined ? {} : { compatAuthFile }),
  };
}

/** The registry that is named, or else the first of the search registries. */
export async function registryOf(library: LibraryRegistries, args: readonly string[]): Promise<string> {
  atMost(args, 1);
  const registry = args[0] ?? (await library.searchRegistries())[0];
  if (registry === undefined)
    throw new CommandError('no registries found in registries.conf, a registry must be provided');
  return registry;
}

/** What credentials of it are called: a URL stands for its host. */
export function keyOf(registry: string): string {
  const [, host] = /^https?:\/\/([^/?#]*)/.exec(registry) ?? [];
  return host ?? registry.replace(/\/$/, '');
}
