import { VainaError } from '../errors.js';
import { hostPlatform, normalizePlatform, parsePlatformName } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import { registryOptionsIn, type RegistryOptions } from '../registry/options.js';
import type { SharedLock } from './containers-storage/source.js';
import type { ImageStoreTransport } from './store.js';

/** How to reach one end of a transfer: a registry, a daemon, a layout. What does not apply to a transport is not looked at. */
export interface EndOptions extends RegistryOptions {
  /**
   * Where `docker-daemon:` is: `unix:///PATH`, `tcp://HOST:PORT` (with TLS), `http://HOST:PORT`. Default: `DOCKER_HOST`,
   * else `unix:///var/run/docker.sock`.
   */
  daemonHost?: string;
  /** Directory of blobs that several layouts of `oci:` share (`DIR/sha256/HEX`). Default: each has its own. */
  sharedBlobDirectory?: string;
}

/** What every job of this folder may be given. */
export interface TransportOptions {
  /** The store that names starting with `vaina:` are of. Without it they are refused with `ERR_INVALID_OPTION`. */
  store?: ImageStoreTransport;
  /** Takes the locks of podman's store while its lists are read. Default: they are read without. */
  storageLock?: SharedLock;
  /** Directory of temporary files. Default: `TMPDIR`, else `/var/tmp`. */
  tmpDir?: string;
  /** Aborting stops the work and undoes half-made state. */
  signal?: AbortSignal;
  /** Most time that all of it may take, in milliseconds; then it fails with `ERR_TIMEOUT`. Default: no limit. */
  timeoutMs?: number;
}

/** Which image of an index is meant. */
export interface PlatformOptions {
  /** `os/architecture[/variant]`, or only an architecture of Linux. Default: this host's. */
  platform?: string;
}

/** What a registry is to know of an end. */
export function registryOptions(
  end: EndOptions,
  signal?: AbortSignal,
): RegistryOptions & { signal?: AbortSignal } {
  return { ...registryOptionsIn(end), ...(signal && { signal }) };
}

/** What opening a source or a sink is to know of the options of a job. */
export function transportOptions(
  { store, storageLock, tmpDir }: TransportOptions,
  signal?: AbortSignal,
): Omit<TransportOptions, 'timeoutMs'> {
  return {
    ...(store && { store }),
    ...(storageLock && { storageLock }),
    ...(tmpDir !== undefined && { tmpDir }),
    ...(signal && { signal }),
  };
}

/** The platform that was asked for, or undefined. */
export function wantedPlatform({ platform }: PlatformOptions): Platform | undefined {
  return platform === undefined ? undefined : parsePlatformName(platform);
}

/** The platform that was asked for, or this host's. */
export function platformOf(options: PlatformOptions): Platform {
  return normalizePlatform(wantedPlatform(options) ?? hostPlatform());
}

/**
 * Runs a job under the signal and within the time of its options.
 *
 * @throws VainaError `ERR_TIMEOUT`; the reason of the signal
 */
export async function withinTime<T>(
  options: Pick<TransportOptions, 'signal' | 'timeoutMs'>,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const { signal, timeoutMs } = options;
  signal?.throwIfAborted();
  if (timeoutMs === undefined) return work(signal);
  const limit = new AbortController();
  const late = new VainaError('ERR_TIMEOUT', `it took longer than the ${timeoutMs} ms that it was given`);
  const timer = setTimeout(() => limit.abort(late), timeoutMs);
  try {
    return await work(signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw limit.signal.aborted ? late : error;
  } finally {
    clearTimeout(timer);
  }
}
