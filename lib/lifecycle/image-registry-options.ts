import type { RegistryOptions } from '../registry/options.js';
import type { RegistriesConfig } from '../registry/registries-conf.js';
import { filled, flag, integer, number, type Check } from '../spec/checks.js';
import { invalid } from '../spec/invalid.js';

/** How a verb reaches the registry of an image. */
export interface ImageRegistryOptions {
  /** Whether the registry must have TLS with a valid certificate. Default true. */
  tlsVerify?: boolean;
  /** User name and password. Default: looked up in `authFile` and in the files that podman and docker use. */
  creds?: {
    /** As the registry knows the user. */
    username: string;
    /** In plain text: it is sent to the registry and not kept. */
    password: string;
  };
  /** The only file to look credentials up in (containers-auth.json(5)). */
  authFile?: string;
  /** Directory with further CAs and client certificates. */
  certDir?: string;
  /**
   * The configuration of registries (mirrors, blocked and insecure registries, short names) instead of the files of
   * containers-registries.conf(5); false for none at all. Default: the files.
   */
  registries?: RegistriesConfig | false;
  /** How often a request is made again that failed for a reason that may pass. Default 2. */
  retry?: number;
  /** Wait before it is made again, in milliseconds; it doubles with each time. Default 1000. */
  retryDelay?: number;
}

/** What an option is called at the registry client, and what it may be. */
const OPTIONS = {
  tlsVerify: ['tlsVerify', flag],
  creds: ['credentials', credentials],
  authFile: ['authFile', filled],
  certDir: ['certDir', filled],
  registries: ['registries', () => undefined],
  retryDelay: ['retryDelay', number(0, Number.MAX_SAFE_INTEGER)],
} as const satisfies Record<
  Exclude<keyof ImageRegistryOptions, 'retry'>,
  readonly [keyof RegistryOptions, Check]
>;
const NAMES = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

/** What each of the options may be. */
export const REGISTRY_ACCESS: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(NAMES.map((name) => [name, OPTIONS[name][1]])),
  retry: integer(0, 99),
};

/** The same in the words of the registry client. */
export function registryOptions(access: ImageRegistryOptions): RegistryOptions {
  const { retry } = access;
  const given = NAMES.filter((name) => access[name] !== undefined);
  return {
    ...(Object.fromEntries(given.map((name) => [OPTIONS[name][0], access[name]])) as RegistryOptions),
    ...(retry !== undefined && { tries: retry + 1 }),
  };
}

function credentials(value: unknown, name: string): void {
  const { username, password } = (value ?? {}) as { username?: unknown; password?: unknown };
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw invalid(name, `option ${name} is not a user name and a password`);
  }
}
