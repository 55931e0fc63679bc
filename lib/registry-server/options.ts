import type { IncomingMessage } from 'node:http';
import type { ServerOptions as TlsOptions } from 'node:https';
import { VainaError } from '../errors.js';
import type { RegistryOptions } from '../registry/options.js';
import { checkMembers, filled, flag, integer, type Check } from '../spec/checks.js';

/** What a client wants to do, as {@link RegistryServerOptions.authorize} is asked. */
export type RegistryAction = 'ping' | 'catalog' | 'pull' | 'push' | 'delete';

/** What is asked for: `repository` is absent for `ping` and `catalog`. */
export interface RegistryAccess {
  /** The repository, such as `team/app`. */
  repository?: string;
  /** What is to be done with it. */
  action: RegistryAction;
}

/** How a client may show who it is: the answer 401 with a `WWW-Authenticate` header. */
export type RegistryChallenge =
  | {
      /** User name and password with each request (RFC 7617). */
      scheme: 'basic';
      /** What the client is shown. */
      realm: string;
    }
  | {
      /** A token from elsewhere (RFC 6750, as the distribution project's token authentication uses it). */
      scheme: 'bearer';
      /** URL of the server that gives tokens. */
      realm: string;
      /** What that server knows this registry by. */
      service?: string;
      /** What was wrong with the token that came, e.g. `invalid_token`, `insufficient_scope`. */
      error?: string;
    };

/**
 * Decides on a request: true lets it through, false refuses it (403 `DENIED`), a challenge asks who the client is (401
 * `UNAUTHORIZED`).
 */
export type RegistryAuthorize = (
  request: IncomingMessage,
  access: RegistryAccess,
) => boolean | RegistryChallenge | Promise<boolean | RegistryChallenge>;

/** Another registry that is cached. */
export interface RegistryUpstream {
  /** Its host with optional port, e.g. `docker.io`. */
  domain: string;
  /** What goes before a repository's name there, e.g. `library`. Default: nothing. */
  prefix?: string;
  /** How long a tag is believed without asking, in milliseconds. Default 60000. */
  revalidateMs?: number;
  /** How to talk to it: credentials, certificates, tries. */
  options?: RegistryOptions;
}

/** Options of a {@link RegistryServer}. */
export interface RegistryServerOptions {
  /** Whether pushing and deleting is refused. Default false; true with `upstream`. */
  readOnly?: boolean;
  /** Whether manifests, tags and blobs may be deleted. Default: unless `readOnly`. */
  delete?: boolean;
  /** Whether the images of the store are given out too, read-only, under their names without the domain. Default false. */
  images?: boolean;
  /**
   * The repository of an image of the store: gets `domain/path`, returns a repository's name, or undefined to hide the
   * image. Default: the path. Where several images come to the same name, the first by full name is the one.
   */
  imageRepository?: (name: string) => string | undefined;
  /**
   * The domain under which pushed images become images of the store: with `localhost`, pushing `team/app:1` makes the
   * image `localhost/team/app:1`, unpacked before the push is answered. Default: they do not.
   */
  adopt?: string;
  /** Decides on each request. Default: everything is allowed. */
  authorize?: RegistryAuthorize;
  /** Largest manifest that is taken, in bytes. Default 4 MiB, at most 64 MiB. */
  maxManifestBytes?: number;
  /** Largest blob that is taken, in bytes. Default: no limit. */
  maxBlobBytes?: number;
  /** Most uploads that may be open at once; one more is answered with 429. Default 1000. */
  maxUploads?: number;
  /** What clients are told that each chunk but the last should have at least, in bytes. Default 0: nothing. */
  minChunkBytes?: number;
  /** How long an upload may rest before it is given up, in milliseconds. Default one hour. */
  uploadTimeoutMs?: number;
  /** How long a connection may be silent in the middle of a request, in milliseconds. Default 60000. */
  stallTimeoutMs?: number;
  /** How long a blob that no manifest refers to is kept after its last use, in milliseconds. Default one hour. */
  unusedBlobMs?: number;
  /** A registry that is cached: what is not here is fetched from it. */
  upstream?: RegistryUpstream;
  /** Told of failures that are the server's own: those that clients see as 5xx or as a broken connection. */
  onError?: (error: unknown) => void;
}

/** Where {@link RegistryServer.listen} listens. */
export interface RegistryListenOptions {
  /** TCP port. Default 0: any free one. */
  port?: number;
  /** Address to listen on. Default `127.0.0.1`. */
  host?: string;
  /** Certificate and key (`cert`, `key`, …) as for Node's `https.createServer`. Default: plain HTTP. */
  tls?: TlsOptions;
}

/** Options with their defaults. */
export type ServerSettings = RegistryServerOptions &
  Required<
    Pick<
      RegistryServerOptions,
      | 'readOnly'
      | 'delete'
      | 'images'
      | 'maxManifestBytes'
      | 'maxBlobBytes'
      | 'maxUploads'
      | 'minChunkBytes'
      | 'uploadTimeoutMs'
      | 'stallTimeoutMs'
      | 'unusedBlobMs'
    >
  >;

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Longest time that a timer can have. */
const MAX_MS = 2 ** 31 - 1;

const call: Check = (value, name) => {
  if (typeof value !== 'function')
    throw new VainaError('ERR_INVALID_OPTION', `option ${name} must be a function`);
};

const anyObject: Check = (value, name) => {
  if (typeof value !== 'object' || value === null)
    throw new VainaError('ERR_INVALID_OPTION', `option ${name} must be an object`);
};

const UPSTREAM: Readonly<Record<string, Check>> = {
  domain: filled,
  prefix: filled,
  revalidateMs: integer(0, Number.MAX_SAFE_INTEGER),
  options: anyObject,
};

const OPTIONS: Readonly<Record<keyof RegistryServerOptions, Check>> = {
  readOnly: flag,
  delete: flag,
  images: flag,
  imageRepository: call,
  adopt: filled,
  authorize: call,
  maxManifestBytes: integer(1, 64 * MIB),
  maxBlobBytes: integer(0, Number.MAX_SAFE_INTEGER),
  maxUploads: integer(1, 1_000_000),
  minChunkBytes: integer(0, Number.MAX_SAFE_INTEGER),
  uploadTimeoutMs: integer(1, MAX_MS),
  stallTimeoutMs: integer(1, MAX_MS),
  unusedBlobMs: integer(0, Number.MAX_SAFE_INTEGER),
  upstream: (value) => void checkMembers('registry upstream option', value, UPSTREAM),
  onError: call,
};

const LISTEN: Readonly<Record<keyof RegistryListenOptions, Check>> = {
  port: integer(0, 65_535),
  host: filled,
  tls: anyObject,
};

/**
 * Checks where to listen.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function listenOptions(options: RegistryListenOptions): RegistryListenOptions {
  return checkMembers('registry listen option', options, LISTEN);
}

/** Checks a time for which blobs may be unused. */
export function checkUnusedMs(value: number): void {
  integer(0, Number.MAX_SAFE_INTEGER)(value, 'unusedMs');
}

/**
 * Checks options and fills in their defaults.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function settingsOf(options: RegistryServerOptions): ServerSettings {
  const given = checkMembers('registry option', options, OPTIONS) as RegistryServerOptions;
  const refuse = (why: string): never => {
    throw new VainaError('ERR_INVALID_OPTION', why);
  };
  if (given.imageRepository && given.images !== true)
    refuse('option imageRepository needs the option images');
  if (given.upstream && given.upstream.domain === undefined) refuse('option upstream.domain is missing');
  if (given.upstream && given.readOnly === false) refuse('a cache of another registry cannot be pushed to');
  const readOnly = given.readOnly ?? given.upstream !== undefined;
  if (readOnly && given.adopt !== undefined) refuse('option adopt needs a registry that can be pushed to');
  return {
    ...given,
    readOnly,
    delete: given.delete ?? !readOnly,
    images: given.images ?? false,
    maxManifestBytes: given.maxManifestBytes ?? 4 * MIB,
    maxBlobBytes: given.maxBlobBytes ?? Number.MAX_SAFE_INTEGER,
    maxUploads: given.maxUploads ?? 1000,
    minChunkBytes: given.minChunkBytes ?? 0,
    uploadTimeoutMs: given.uploadTimeoutMs ?? HOUR_MS,
    stallTimeoutMs: given.stallTimeoutMs ?? 60_000,
    unusedBlobMs: given.unusedBlobMs ?? HOUR_MS,
  };
}
