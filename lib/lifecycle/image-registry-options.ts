import { VainaError } from '../errors.js';
import { REGISTRY_OPTIONS, type RegistryOptions } from '../registry/options.js';
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

/** What an option is called at the registry client, which says what it may be. */
const NAMES = {
  tlsVerify: 'tlsVerify',
  creds: 'credentials',
  authFile: 'authFile',
  certDir: 'certDir',
  registries: 'registries',
  retryDelay: 'retryDelay',
} as const satisfies Record<Exclude<keyof ImageRegistryOptions, 'retry'>, keyof RegistryOptions>;

const KINDS = {
  flag,
  text: filled,
  count: number(0, Number.MAX_SAFE_INTEGER),
  any: () => undefined,
  object: credentials,
} as const;

/** What each of the options may be. */
export const REGISTRY_ACCESS: Readonly<Record<keyof ImageRegistryOptions, Check>> = {
  ...mapNames((name) => KINDS[REGISTRY_OPTIONS[NAMES[name]]]),
  retry: integer(0, 99),
};

/** The same in the words of the registry client. */
export function registryOptions(access: ImageRegistryOptions): RegistryOptions {
  const { retry } = access;
  if (retry !== undefined && !Number.isInteger(retry))
    throw new VainaError('ERR_INVALID_OPTION', `retry must be a whole number, not ${retry}`);
  const given = Object.entries(NAMES).flatMap(([name, theirs]) => {
    const value = access[name as keyof typeof NAMES];
    return value === undefined ? [] : [[theirs, value]];
  });
  return {
    ...(Object.fromEntries(given) as RegistryOptions),
    ...(retry !== undefined && { tries: retry + 1 }),
  };
}

function mapNames<T>(work: (name: keyof typeof NAMES) => T): Record<keyof typeof NAMES, T> {
  const names = Object.keys(NAMES) as (keyof typeof NAMES)[];
  return Object.fromEntries(names.map((name) => [name, work(name)])) as Record<keyof typeof NAMES, T>;
}

function credentials(value: unknown, name: string): void {
  const { username, password } = (value ?? {}) as { username?: unknown; password?: unknown };
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw invalid(name, `option ${name} is not a user name and a password`);
  }
}
