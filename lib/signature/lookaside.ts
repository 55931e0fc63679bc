import { randomBytes } from 'node:crypto';
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { VainaError } from '../errors.js';
import { algorithmOf, hexOf, parseDigest } from '../oci/digest.js';
import { fileFailure } from '../oci/failure.js';
import { MAX_SIGNATURE_BYTES } from '../oci/limits.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import type { Digest, TransferOptions } from '../oci/types.js';
import { quote } from '../util/text.js';
import { homeOf, readSmallFile } from './files.js';
import { MAX_SIGNATURES } from './limits.js';
import { checkOptions } from './options.js';
import { readRegistriesD, storageOf, type RegistriesDOptions } from './registries-d.js';

/** How a look-aside storage on a web server is read. */
export type HttpGetter = (
  url: string,
  options: TransferOptions & {
    /** Most bytes to take; more is an error. */
    limit: number;
  },
) => Promise<
  /** The body; undefined when there is nothing at the URL (404). */
  Uint8Array | undefined
>;

/** Options of {@link createLookaside}. */
export interface LookasideOptions extends RegistriesDOptions {
  /** Asks a web server. Without it, storages on one cannot be read. */
  get?: HttpGetter;
  /** Write here, whatever registries.d says: a directory. */
  directory?: string;
}

/** Signatures beside a registry, for images of it: the seam that a registry's source and sink take. */
export interface LookasideStorage {
  /**
   * The signatures of a manifest as bytes, in their order, none of them verified.
   * @throws VainaError `ERR_REGISTRY` when there are more than 32, what the getter throws
   */
  read(reference: Reference, digest: Digest, options?: TransferOptions): Promise<readonly Buffer[]>;
  /**
   * Makes these the signatures of a manifest, and removes others.
   * @throws VainaError `ERR_UNSUPPORTED` where the storage is on a web server; `ERR_PERMISSION`, `ERR_NO_SPACE`, `ERR_IO`
   */
  write(
    reference: Reference,
    digest: Digest,
    signatures: readonly Uint8Array[],
    options?: TransferOptions,
  ): Promise<void>;
  /**
   * Adds a signature to those of a manifest, under the first name that is free where they are written.
   * @returns the file
   * @throws VainaError as {@link LookasideStorage.write}
   */
  add(reference: Reference, digest: Digest, signature: Uint8Array): Promise<string>;
  /** Whether sigstore signatures of the image are read and written as attachments in the registry. */
  useSigstoreAttachments(reference: Reference): Promise<boolean>;
}

/**
 * Signatures as registries.d says they are kept: `BASE/REPOSITORY@sha256=HEX/signature-1` and so on, at a `file:`,
 * `http:` or `https:` URL. The files are read once. (containers-registries.d(5))
 */
export function createLookaside(options: LookasideOptions = {}): LookasideStorage {
  checkOptions(options, ['get', 'directory', 'registriesDir', 'env']);
  const { get, directory, env = process.env } = options;
  let config: ReturnType<typeof readRegistriesD> | undefined;
  const storage = async (reference: Reference) =>
    storageOf(await (config ??= readRegistriesD(options)), reference);
  const fallback = (): string => pathToFileURL(defaultDirectory(env)).href;
  const writing = async (reference: Reference): Promise<string> => {
    if (directory !== undefined) return pathToFileURL(directory).href;
    return (await storage(reference)).lookasideStaging ?? fallback();
  };
  return {
    async read(reference, digest, transfer = {}) {
      const base = (await storage(reference)).lookaside ?? fallback();
      return readAll(base, reference, digest, get, transfer);
    },
    async write(reference, digest, signatures, { signal } = {}) {
      await writeAll(await writing(reference), reference, digest, signatures, signal);
    },
    async add(reference, digest, signature) {
      return addOne(await writing(reference), reference, digest, signature);
    },
    async useSigstoreAttachments(reference) {
      return (await storage(reference)).useSigstoreAttachments ?? false;
    },
  };
}

/**
 * The URL of one signature.
 *
 * @param base - of the storage
 * @param index - from 0
 * @throws VainaError `ERR_INVALID_OPTION` for a base that is no URL of the three kinds, `ERR_INVALID_REFERENCE`,
 * `ERR_INVALID_IMAGE` for what is no reference or digest
 */
export function signatureUrl(base: string, reference: Reference, digest: Digest, index: number): URL {
  let url: URL;
  try {
    url = new URL(base);
  } catch (error) {
    throw new VainaError('ERR_INVALID_OPTION', `signature storage ${quote(base)} is not a URL`, {
      cause: error,
    });
  }
  if (!['file:', 'http:', 'https:'].includes(url.protocol) || (url.protocol === 'file:' && url.host !== '')) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `signature storage ${quote(base)} is not one that can be read`,
    );
  }
  // Both were checked when they were made; what they are a part of here is a path on this host.
  const { path } = parseReference(formatReference(reference));
  const sum = parseDigest(digest);
  url.pathname += `/${path}@${algorithmOf(sum)}=${hexOf(sum)}/signature-${index + 1}`;
  return url;
}

async function readAll(
  base: string,
  reference: Reference,
  digest: Digest,
  get: HttpGetter | undefined,
  options: TransferOptions,
): Promise<Buffer[]> {
  const signatures: Buffer[] = [];
  for (;;) {
    options.signal?.throwIfAborted();
    const url = signatureUrl(base, reference, digest, signatures.length);
    const bytes = await readOne(url, get, options);
    if (bytes === undefined) return signatures;
    if (bytes.length > MAX_SIGNATURE_BYTES)
      throw tooMuch(`${url.href} is larger than ${MAX_SIGNATURE_BYTES} bytes`);
    if (signatures.length === MAX_SIGNATURES) {
      throw tooMuch(`there are more than ${MAX_SIGNATURES} signatures at ${new URL('.', url).href}`);
    }
    signatures.push(Buffer.from(bytes));
  }
}

async function readOne(
  url: URL,
  get: HttpGetter | undefined,
  options: TransferOptions,
): Promise<Uint8Array | undefined> {
  if (url.protocol === 'file:') return readSmallFile(fileURLToPath(url), MAX_SIGNATURE_BYTES);
  if (get) return get(url.href, { ...options, limit: MAX_SIGNATURE_BYTES });
  throw new VainaError(
    'ERR_UNSUPPORTED',
    `${url.href}: nothing was given to read a signature storage on a web server`,
  );
}

async function writeAll(
  base: string,
  reference: Reference,
  digest: Digest,
  signatures: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signatures.length > MAX_SIGNATURES) {
    throw new VainaError('ERR_INVALID_OPTION', `there are more than ${MAX_SIGNATURES} signatures`);
  }
  for (let index = 0; index < MAX_SIGNATURES; index++) {
    signal?.throwIfAborted();
    const path = writtenPath(base, reference, digest, index);
    try {
      const bytes = signatures[index];
      if (bytes === undefined) await rm(path, { force: true });
      else await putFile(path, bytes, rename);
    } catch (error) {
      throw fileFailure(error, path);
    }
  }
}

async function addOne(
  base: string,
  reference: Reference,
  digest: Digest,
  signature: Uint8Array,
): Promise<string> {
  for (let index = 0; index < MAX_SIGNATURES; index++) {
    const path = writtenPath(base, reference, digest, index);
    try {
      await putFile(path, signature, link);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileFailure(error, path);
    }
  }
  throw new VainaError('ERR_INVALID_OPTION', `there are ${MAX_SIGNATURES} signatures of ${digest} already`);
}

/** The file of a signature that is to be written. */
function writtenPath(base: string, reference: Reference, digest: Digest, index: number): string {
  const url = signatureUrl(base, reference, digest, index);
  if (url.protocol === 'file:') return fileURLToPath(url);
  throw new VainaError(
    'ERR_UNSUPPORTED',
    `writing directly to the signature storage ${url.protocol}//${url.host} is not supported`,
    { hint: 'configure a lookaside-staging location' },
  );
}

/**
 * Readers see the file whole or not at all.
 *
 * @param publish - gives it its name: `rename` replaces one that is there, `link` fails with EEXIST
 */
async function putFile(
  path: string,
  bytes: Uint8Array,
  publish: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const temporary = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await writeFile(temporary, bytes, { mode: 0o644, flag: 'wx', flush: true });
    await publish(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Where signatures are where nothing is configured, as at the peers. */
function defaultDirectory(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return '/var/lib/containers/sigstore';
  const home = homeOf(env);
  if (home !== undefined) return join(home, '.local/share/containers/sigstore');
  throw new VainaError('ERR_INVALID_OPTION', 'no signature storage: there is no home directory', {
    hint: 'configure one in registries.d',
  });
}

function tooMuch(message: string): VainaError {
  return new VainaError('ERR_REGISTRY', message);
}
