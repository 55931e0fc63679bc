/** What a user of a registry is known by. */
export interface Credentials {
  username: string;
  password: string;
}

/** How to talk to a registry. */
export interface RegistryOptions {
  /** User name and password. Default: looked up in `authFile` and the usual files; see {@link findCredentials}. */
  credentials?: Credentials;
  /** The only file (containers-auth.json(5)) that credentials are looked up in. */
  authFile?: string;
  /**
   * Directory with `*.crt` (further CAs), `*.cert` and `*.key` (client certificates). Default: the one named
   * `host[:port]` below ~/.config/containers/certs.d, /etc/containers/certs.d or /etc/docker/certs.d.
   */
  certDir?: string;
  /**
   * Whether the registry must have TLS with a certificate that is valid for its name. Without it, a certificate is
   * not looked at, and a registry that has no TLS is used without. Default true, also on loopback.
   */
  tlsVerify?: boolean;
  /**
   * Hosts that may be given the credentials to make a token of, beside the registry's own and those of its domain.
   */
  realms?: readonly string[];
  /** How often a request is tried that fails for a reason that may pass. Default 3. */
  tries?: number;
  /** Wait before the second try, in milliseconds; it doubles with each. Default 1000. */
  retryDelay?: number;
  /** How long the registry may be silent before a request counts as failed, in milliseconds. Default 30000. */
  stallTimeout?: number;
  /** Environment: proxies, places of files. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
}

/** {@link RegistryOptions} with the defaults of what each request needs. */
export type Settings = RegistryOptions &
  Required<Pick<RegistryOptions, 'tlsVerify' | 'realms' | 'tries' | 'retryDelay' | 'stallTimeout' | 'env'>>;

/** Fills in the defaults. */
export function settingsOf(options: RegistryOptions): Settings {
  return {
    ...options,
    tlsVerify: options.tlsVerify ?? true,
    realms: options.realms ?? [],
    tries: options.tries ?? 3,
    retryDelay: options.retryDelay ?? 1000,
    stallTimeout: options.stallTimeout ?? 30_000,
    env: options.env ?? process.env,
  };
}
