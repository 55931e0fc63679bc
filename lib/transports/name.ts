import { VainaError } from '../errors.js';
import { isDigest } from '../oci/digest.js';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { Digest } from '../oci/types.js';

/** An image name with its transport, taken apart (containers-transports(5)). */
export type ImageName =
  | {
      /** An image in a registry. */
      transport: 'docker';
      /** The tag is filled in where there is neither tag nor digest. */
      reference: Reference;
    }
  | {
      /** An image in a directory, or a tar, that is an OCI image layout. */
      transport: 'oci' | 'oci-archive';
      /** Of the directory or the file. */
      path: string;
      /**
       * The annotation `org.opencontainers.image.ref.name` of it; for reading also `@INDEX`, its place in `index.json` from 0, or
       * `@sha256:…`.
       */
      name?: string;
    }
  | {
      /** An image in a file as `docker save` writes it. */
      transport: 'docker-archive';
      /** Of the file. */
      path: string;
      /** Its name in the archive; for reading, the only image where neither this nor `index` is given. */
      reference?: Reference;
      /** Its place in the archive, from 0; for reading only. */
      index?: number;
    }
  | {
      /** An image as files in a directory. */
      transport: 'dir';
      /** Of the directory. */
      path: string;
    }
  | {
      /** An image of Singularity; for reading only. */
      transport: 'sif';
      /** Of the file. */
      path: string;
    }
  | {
      /** An image of a docker or podman that answers on a socket. */
      transport: 'docker-daemon';
      /** Its name there. */
      reference?: Reference;
      /** The digest of its configuration; for reading only. */
      id?: Digest;
    }
  | {
      /** An image in podman's store. */
      transport: 'containers-storage';
      /** Where the store is, if it is said. */
      store?: StorageSpecifier;
      /** A name, the beginning of an id, a digest, or `NAME@ID`. */
      image: string;
    }
  | {
      /** An image in the store of an engine. */
      transport: 'vaina';
      /** A name, or an id. */
      image: string;
    };

/** `[driver@root+runroot:options]` of a `containers-storage:` name. */
export interface StorageSpecifier {
  /** Storage driver, e.g. `overlay`. */
  driver?: string;
  /** The graph root, an absolute path. */
  root: string;
  /** The run root. */
  runroot?: string;
  /** Options of the driver, as in storage.conf. */
  options?: readonly string[];
}

/** The transports that an image name may start with. */
export type TransportName = ImageName['transport'];

const UNSUPPORTED: Readonly<Record<string, string>> = {
  tarball: 'the tar of a root file system, which `import` takes',
  ostree: 'an ostree repository',
};

type Parser = (details: string) => ImageName;

const PARSERS: Readonly<Record<TransportName, Parser>> = {
  docker: parseDocker,
  oci: (details) => parseLayout('oci', details),
  'oci-archive': (details) => parseLayout('oci-archive', details),
  'docker-archive': parseDockerArchive,
  dir: (path) => ({ transport: 'dir', path: needPath(path, 'dir') }),
  sif: (path) => ({ transport: 'sif', path: needPath(path, 'sif') }),
  'docker-daemon': parseDaemon,
  'containers-storage': parseStorage,
  vaina: (image) => {
    if (image === '') throw refuse('vaina: reference is empty');
    return { transport: 'vaina', image };
  },
};

/**
 * Takes an image name apart: `docker://REFERENCE`, `oci:DIR[:NAME|:@INDEX]`, `oci-archive:FILE[:NAME]`,
 * `docker-archive:FILE[:REFERENCE|:@INDEX]`, `dir:DIR`, `sif:FILE`, `docker-daemon:REFERENCE|sha256:ID`,
 * `containers-storage:[[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]]IMAGE`, `vaina:IMAGE`.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`; `ERR_UNSUPPORTED` for `tarball:` and `ostree:`
 */
export function parseImageName(name: string): ImageName {
  const colon = name.indexOf(':');
  try {
    if (colon === -1)
      throw refuse(`invalid image name "${name}", expected colon-separated transport:reference`);
    const transport = name.slice(0, colon);
    const unsupported = Object.hasOwn(UNSUPPORTED, transport) ? UNSUPPORTED[transport] : undefined;
    if (unsupported !== undefined) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `the transport "${transport}:" (${unsupported}) is not supported`,
      );
    }
    if (!isTransport(transport))
      throw refuse(`invalid image name "${name}", unknown transport "${transport}"`);
    if (name.includes('\0')) throw refuse('it has a NUL character');
    return PARSERS[transport](name.slice(colon + 1));
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    throw new VainaError(error.code, `parsing image name "${name}": ${error.message}`, {
      subject: name,
      cause: error,
    });
  }
}

/** Whether a text starts with a transport, so that it is no plain name of an image. */
export function hasTransport(text: string): boolean {
  const colon = text.indexOf(':');
  if (colon === -1) return false;
  const transport = text.slice(0, colon);
  // `docker:5000/image` is a registry named docker; only with the slashes is it the transport.
  if (transport === 'docker') return text.startsWith('docker://');
  return isTransport(transport) || Object.hasOwn(UNSUPPORTED, transport);
}

/** The text of an image name, completed: as it is shown, and as it is parsed again. */
export function formatImageName(name: ImageName): string {
  switch (name.transport) {
    case 'docker':
      return `docker://${formatReference(name.reference)}`;
    case 'oci':
    case 'oci-archive':
      return `${name.transport}:${name.path}${name.name === undefined ? '' : `:${name.name}`}`;
    case 'docker-archive': {
      const { path, reference, index } = name;
      const which = reference ? `:${formatReference(reference)}` : index === undefined ? '' : `:@${index}`;
      return `docker-archive:${path}${which}`;
    }
    case 'dir':
    case 'sif':
      return `${name.transport}:${name.path}`;
    case 'docker-daemon':
      return `docker-daemon:${name.reference ? formatReference(name.reference) : (name.id ?? '')}`;
    case 'containers-storage':
      return `containers-storage:${formatSpecifier(name.store)}${name.image}`;
    case 'vaina':
      return `vaina:${name.image}`;
  }
}

/** The reference that policies and signatures know an image by, where its name has one. */
export function referenceOf(name: ImageName): Reference | undefined {
  if (name.transport === 'docker' || name.transport === 'docker-daemon') return name.reference;
  if (name.transport === 'docker-archive') return name.reference;
  return undefined;
}

function isTransport(text: string): text is TransportName {
  return Object.hasOwn(PARSERS, text);
}

function parseDocker(details: string): ImageName {
  if (!details.startsWith('//')) throw refuse(`docker: image reference ${details} does not start with //`);
  const reference = withDefaultTag(parseReference(details.slice(2)));
  if (reference.tag !== undefined && reference.digest !== undefined) {
    throw refuse('docker references with both a tag and digest are currently not supported');
  }
  return { transport: 'docker', reference };
}

/** `PATH[:NAME]`: a path has no colon. */
function parseLayout(transport: 'oci' | 'oci-archive', details: string): ImageName {
  const { path, rest } = splitPath(details);
  needPath(path, transport);
  if (rest === undefined || rest === '') return { transport, path };
  if (/^@([0-9]{1,9}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(rest))
    return { transport, path, name: rest };
  // image-spec, annotations.md: the grammar of org.opencontainers.image.ref.name.
  if (!/^[A-Za-z0-9]+([-._:@/+][A-Za-z0-9]+|--[A-Za-z0-9]+)*$/.test(rest))
    throw refuse(`invalid image ${rest}`);
  return { transport, path, name: rest };
}

function parseDockerArchive(details: string): ImageName {
  const { path, rest } = splitPath(details);
  if (path === '') throw refuse(`docker-archive reference ${details} isn't of the form <path>[:<reference>]`);
  if (rest === undefined || rest === '') return { transport: 'docker-archive', path };
  if (rest.startsWith('@')) {
    if (!/^@[+-]?[0-9]+$/.test(rest)) throw refuse(`invalid source index ${rest}: it is not a number`);
    const index = Number(rest.slice(1));
    if (index < 0) throw refuse(`invalid source index ${rest}: must not be negative`);
    return { transport: 'docker-archive', path, index };
  }
  const reference = withDefaultTag(parseReference(rest));
  if (reference.tag === undefined || reference.digest !== undefined) {
    throw refuse(`reference does not include a tag: ${formatReference(reference)}`);
  }
  return { transport: 'docker-archive', path, reference };
}

function parseDaemon(details: string): ImageName {
  if (isDigest(details)) return { transport: 'docker-daemon', id: details };
  const reference = parseReference(details);
  if (reference.path === 'library/sha256') {
    throw refuse(
      `invalid docker-daemon: reference ${details}: the sha256 repository name is reserved for (non-shortened) digest references`,
    );
  }
  if (reference.tag === undefined && reference.digest === undefined) {
    throw refuse(`docker-daemon: reference ${details} has neither a tag nor a digest`);
  }
  return { transport: 'docker-daemon', reference };
}

function parseStorage(details: string): ImageName {
  if (!details.startsWith('[')) return { transport: 'containers-storage', image: needImage(details) };
  const end = details.indexOf(']');
  if (end === -1) throw refuse('invalid reference: the storage specifier has no end');
  const store = parseSpecifier(details.slice(1, end));
  return { transport: 'containers-storage', store, image: needImage(details.slice(end + 1)) };
}

/** `[DRIVER@]ROOT[+RUNROOT][:OPTIONS]`. */
function parseSpecifier(text: string): StorageSpecifier {
  const match = /^(?:([a-z0-9]+)@)?([^+:]*)(?:\+([^:]*))?(?::(.*))?$/s.exec(text);
  const [, driver, root = '', runroot, options] = match ?? [];
  if (match === null || !root.startsWith('/') || (runroot !== undefined && !runroot.startsWith('/'))) {
    throw refuse('path name is not absolute');
  }
  return {
    root,
    ...(driver !== undefined && { driver }),
    ...(runroot !== undefined && { runroot }),
    ...(options !== undefined && options !== '' && { options: options.split(',') }),
  };
}

function formatSpecifier(store: StorageSpecifier | undefined): string {
  if (store === undefined) return '';
  const { driver, root, runroot, options } = store;
  const before = driver === undefined ? '' : `${driver}@`;
  const after = runroot === undefined ? '' : `+${runroot}`;
  return `[${before}${root}${after}${options ? `:${options.join(',')}` : ''}]`;
}

function needImage(image: string): string {
  if (image === '') throw refuse('"" is an empty reference: invalid reference');
  return image;
}

function needPath(path: string, transport: string): string {
  if (path === '') throw refuse(`${transport}: the path is empty`);
  return path;
}

function splitPath(details: string): { path: string; rest?: string } {
  const colon = details.indexOf(':');
  return colon === -1 ? { path: details } : { path: details.slice(0, colon), rest: details.slice(colon + 1) };
}

function refuse(message: string): VainaError {
  return new VainaError('ERR_INVALID_REFERENCE', message);
}
