import { VainaError } from '../errors.js';
import type { RegistryOptions } from '../registry/options.js';
import type { RegistriesConfig } from '../registry/registries-conf.js';

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

/** The same in the words of the registry client. */
export function registryOptions(access: ImageRegistryOptions): RegistryOptions {
  const { tlsVerify, creds, authFile, certDir, registries, retry, retryDelay } = access;
  if (retry !== undefined && !Number.isInteger(retry))
    throw new VainaError('ERR_INVALID_OPTION', `retry must be a whole number, not ${retry}`);
  return {
    ...(tlsVerify !== undefined && { tlsVerify }),
    ...(creds !== undefined && { credentials: creds }),
    ...(authFile !== undefined && { authFile }),
    ...(certDir !== undefined && { certDir }),
    ...(registries !== undefined && { registries }),
    ...(retry !== undefined && { tries: retry + 1 }),
    ...(retryDelay !== undefined && { retryDelay }),
  };
}
