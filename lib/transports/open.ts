import { VainaError } from '../errors.js';
import type { ImageSink, ImageSource } from '../oci/types.js';
import { formatReference } from '../oci/reference.js';
import { ends } from './ends.js';
import { formatImageName, parseImageName, type ImageName } from './name.js';
import type { EndOptions, TransportOptions } from './options.js';
import type { ImageStoreTransport } from './store.js';
import { registryOptionsIn } from '../registry/options.js';

/** Options of {@link openSource}. */
export interface SourceOptions extends EndOptions, Omit<TransportOptions, 'timeoutMs'> {
  /** Of `containers-storage:`, the manifest as it was pulled; its layers cannot be read then. Default false. */
  asPulled?: boolean;
}

/** Options of {@link openSink}. */
export interface SinkOptions extends SourceOptions {
  /** Further names that a `docker-archive:` gets. */
  additionalTags?: readonly string[];
  /** Of a registry, repositories that may have the blobs: what they have is mounted instead of uploaded. */
  mountFrom?: readonly string[];
  /** Keep layers of `oci:` and `oci-archive:` uncompressed that come so. Default false: they are compressed. */
  acceptUncompressedLayers?: boolean;
}

/**
 * Opens an image to be read. The caller closes it.
 *
 * @param name - with its transport; see {@link parseImageName}
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_UNSUPPORTED`, `ERR_NO_SUCH_IMAGE`, `ERR_NO_SUCH_PATH`,
 * `ERR_INVALID_IMAGE`, `ERR_INVALID_OPTION`
 */
export async function openSource(
  name: string | ImageName,
  options: SourceOptions = {},
): Promise<ImageSource> {
  const parsed = typeof name === 'string' ? parseImageName(name) : name;
  const { signal, tmpDir, sharedBlobDirectory } = options;
  const spool = { ...(tmpDir !== undefined && { tmpDir }), ...(signal && { signal }) };
  switch (parsed.transport) {
    case 'docker': {
      return ends.registrySource(parsed.reference, registryOptionsIn(options));
    }
    case 'oci': {
      return ends.openLayout(
        parsed.path,
        parsed.name,
        sharedBlobDirectory === undefined ? {} : { sharedBlobDirectory },
      );
    }
    case 'oci-archive': {
      return ends.openOciArchive(parsed.path, parsed.name, spool);
    }
    case 'docker-archive': {
      const which = parsed.reference ? formatReference(parsed.reference) : undefined;
      return ends.openDockerArchive(
        parsed.path,
        parsed.index === undefined ? which : `@${parsed.index}`,
        spool,
      );
    }
    case 'dir': {
      return ends.dirSource(parsed.path);
    }
    case 'sif': {
      return ends.sifSource(parsed.path, spool);
    }
    case 'docker-daemon': {
      return ends.daemonSource(parsed, { ...daemonOptions(options), ...spool });
    }
    case 'containers-storage': {
      const { storageLock: lock, env, asPulled = false } = options;
      const user = env && { env, uid: process.getuid?.() ?? 0 };
      return ends.containersStorageSource(parsed, { asPulled, ...(lock && { lock }), ...(user && { user }) });
    }
    case 'vaina':
      return storeOf(parsed, options.store).source(parsed.image);
  }
}

/**
 * Opens the place that an image is to be written to. Nothing is seen there before the image is whole.
 *
 * @param name - with its transport; see {@link parseImageName}
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_UNSUPPORTED`: podman's store is only read; `ERR_INVALID_OPTION`
 */
export async function openSink(name: string | ImageName, options: SinkOptions = {}): Promise<ImageSink> {
  const parsed = typeof name === 'string' ? parseImageName(name) : name;
  const { sharedBlobDirectory, acceptUncompressedLayers, additionalTags = [], mountFrom, tmpDir } = options;
  if (additionalTags.length > 0 && parsed.transport !== 'docker-archive') {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `additionalTags: ${formatImageName(parsed)} is no docker-archive`,
    );
  }
  const layout = acceptUncompressedLayers === undefined ? {} : { acceptUncompressedLayers };
  switch (parsed.transport) {
    case 'docker': {
      return ends.registrySink(parsed.reference, {
        ...registryOptionsIn(options),
        ...(tmpDir !== undefined && { tmpDir }),
        ...(mountFrom && { mountFrom }),
      });
    }
    case 'oci': {
      const shared = sharedBlobDirectory === undefined ? {} : { sharedBlobDirectory };
      return ends.layoutSink(parsed.path, parsed.name, { ...layout, ...shared });
    }
    case 'oci-archive': {
      return ends.ociArchiveSink(parsed.path, parsed.name, layout);
    }
    case 'docker-archive': {
      return ends.dockerArchiveSink(parsed.path, archiveNames(parsed, additionalTags));
    }
    case 'dir': {
      return ends.dirSink(parsed.path);
    }
    case 'docker-daemon': {
      return ends.daemonSink(parsed, {
        ...daemonOptions(options),
        ...(options.signal && { signal: options.signal }),
      });
    }
    case 'sif':
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `${formatImageName(parsed)}: images of Singularity are only read`,
      );
    case 'containers-storage':
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `${formatImageName(parsed)}: podman's store is only read; write to a docker-archive and load it, or to vaina:`,
      );
    case 'vaina':
      return storeOf(parsed, options.store).sink(parsed.image);
  }
}

function daemonOptions({ daemonHost, certDir, tlsVerify, env }: EndOptions): EndOptions {
  return {
    ...(daemonHost !== undefined && { daemonHost }),
    ...(certDir !== undefined && { certDir }),
    ...(tlsVerify !== undefined && { tlsVerify }),
    ...(env && { env }),
  };
}

function archiveNames(
  name: ImageName & { transport: 'docker-archive' },
  additional: readonly string[],
): string[] {
  if (name.index !== undefined) {
    throw new VainaError(
      'ERR_INVALID_REFERENCE',
      `${formatImageName(name)}: an index means an image to be read`,
    );
  }
  const more = additional.map((tag) => {
    const parsed = parseImageName(`docker-archive:x:${tag}`) as typeof name;
    return parsed.reference;
  });
  return [name.reference, ...more].flatMap((reference) => (reference ? [formatReference(reference)] : []));
}

function storeOf(name: ImageName, store: ImageStoreTransport | undefined): ImageStoreTransport {
  if (store) return store;
  throw new VainaError(
    'ERR_INVALID_OPTION',
    `${formatImageName(name)}: no store was given; engine.copy() has one`,
  );
}
