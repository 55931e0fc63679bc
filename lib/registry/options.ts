import { VainaError } from '../errors.js';
import type { Reference } from '../oci/reference.js';
import type { Digest, TransferOptions } from '../oci/types.js';
import { quote } from '../util/text.js';
import type { RegistriesConfig } from './registries-conf.js';

/** What a user of a registry is known by. */
export interface Credentials {
  /** As the registry knows the user. */
  username: string;
  /** In plain text. */
  password: string;
}

/**
 * Where signatures are kept that a registry cannot hold: simple signing's storage beside it (containers-registries.d(5)).
 * The signatures are bytes here; nobody verifies them on this way.
 */
export interface Lookaside {
  /** The signatures of a manifest, in their order; none where there are none. */
  read(reference: Reference, digest: Digest, options?: TransferOptions): Promise<readonly Buffer[]>;
  /** Makes these the signatures of a manifest. */
  write(
    reference: Reference,
    digest: Digest,
    signatures: readonly Buffer[],
    options?: TransferOptions,
  ): Promise<void>;
}

/** How to talk to a registry. */
export interface RegistryOptions {
  /**
   * User name and password. They go to the registry that the image is named after, to none of its mirrors. Default:
   * looked up, for each host, in `authFile` and the usual files (containers-auth.json(5)).
   */
  credentials?: Credentials;
  /** Look up no credentials; ask as nobody. Default false. */
  anonymous?: boolean;
  /** A bearer token that every request to the registry carries, instead of one that it gives for credentials. */
  registryToken?: string;
  /** The only file (containers-auth.json(5)) that credentials are looked up in. */
  authFile?: string;
  /**
   * Directory with `*.crt` (further CAs), `*.cert` and `*.key` (client certificates). Default: the one named
   * `host[:port]` below ~/.config/containers/certs.d, /etc/containers/certs.d or /etc/docker/certs.d.
   */
  certDir?: string;
  /**
   * Whether the registry must have TLS with a certificate that is valid for its name. Without it, a certificate is
   * not looked at, and a registry that has no TLS is used without. Default true, also on loopback, but for what the
   * configuration of registries calls insecure.
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
  /**
   * How long the registry may be silent before a request counts as failed, and is tried again, in milliseconds. The time
   * in which it waits for us does not count. Default 30000.
   */
  stallTimeout?: number;
  /**
   * How long one operation may take in all, its tries and the waits between them among it, in milliseconds: one blob
   * moved, one manifest read or written, one list read with all its pages, one commit. It then fails with `ERR_TIMEOUT`.
   * Default 6 hours.
   */
  timeout?: number;
  /** Storage of the signatures that the registry itself cannot hold. Default: none. */
  lookaside?: Lookaside;
  /**
   * Whether signatures in the form of sigstore are read from, and written to, the tag `ALGORITHM-HEX.sig` beside the
   * image, as cosign does it (containers-registries.d(5), `use-sigstore-attachments`). Default false.
   */
  sigstoreAttachments?: boolean;
  /**
   * The configuration of registries (mirrors, blocked and insecure registries, short names) instead of the files of
   * containers-registries.conf(5); false for none at all. Default: the files.
   */
  registries?: RegistriesConfig | false;
  /** Environment: proxies, places of files. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
}

/** {@link RegistryOptions} and those of writing. */
export interface RegistrySinkOptions extends RegistryOptions {
  /**
   * Names in repositories of the same registry that may have the blobs, the best first, e.g. the source of a copy: what
   * they have is mounted instead of uploaded. Those of other registries are left out.
   */
  mountFrom?: readonly string[];
  /**
   * Bytes of one request of an upload. A registry that wants larger ones gets them. Default: blobs are uploaded in one
   * request each.
   */
  chunkSize?: number;
  /** Directory of temporary files. Default: `TMPDIR`, else `/var/tmp`. */
  tmpDir?: string;
}

/** {@link RegistryOptions} with the defaults of what each request needs. */
export type Settings = RegistryOptions &
  Required<
    Pick<
      RegistryOptions,
      | 'tlsVerify'
      | 'realms'
      | 'tries'
      | 'retryDelay'
      | 'stallTimeout'
      | 'timeout'
      | 'sigstoreAttachments'
      | 'env'
    >
  >;

/** Fills in the defaults. */
export function settingsOf(options: RegistryOptions): Settings {
  return {
    ...options,
    tlsVerify: options.tlsVerify ?? true,
    realms: options.realms ?? [],
    tries: options.tries ?? 3,
    retryDelay: options.retryDelay ?? 1000,
    stallTimeout: options.stallTimeout ?? 30_000,
    timeout: options.timeout ?? 6 * 3_600_000,
    sigstoreAttachments: options.sigstoreAttachments ?? false,
    env: options.env ?? process.env,
  };
}

/** What an option may be: `text` is a string that is not empty, `count` a number that is not negative. */
export type OptionKind =
  'flag' | 'text' | 'string' | 'count' | 'texts' | 'function' | 'object' | 'any' | readonly string[];

/** The options of {@link RegistryOptions}: whatever takes options of a registry takes them from here. */
export const REGISTRY_OPTIONS = {
  credentials: 'object',
  anonymous: 'flag',
  registryToken: 'text',
  authFile: 'text',
  certDir: 'text',
  tlsVerify: 'flag',
  realms: 'texts',
  tries: 'count',
  retryDelay: 'count',
  stallTimeout: 'count',
  timeout: 'count',
  lookaside: 'object',
  sigstoreAttachments: 'flag',
  registries: 'any',
  env: 'object',
} as const satisfies Record<keyof RegistryOptions, OptionKind>;

/**
 * Refuses options that do not exist: a misspelt one must not be silently left out.
 *
 * @param verb - what was called
 * @param own - names of its options beside those of every request
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkNames(verb: string, options: object, own: readonly string[] = []): void {
  const unknown = Object.entries(options).find(
    ([name, value]) => value !== undefined && !Object.hasOwn(REGISTRY_OPTIONS, name) && !own.includes(name),
  );
  if (unknown)
    throw new VainaError('ERR_INVALID_OPTION', `unknown option ${quote(unknown[0])} of ${verb}`, {
      subject: unknown[0],
    });
}

/** Those of some options that are a registry's. */
export function registryOptionsIn(options: RegistryOptions): RegistryOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(REGISTRY_OPTIONS, name)),
  );
}
