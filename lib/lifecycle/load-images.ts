import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { openArchive, type ArchivedImage } from '../oci/archive.js';
import { DIR_FILES, dirSource } from '../oci/dir-source.js';
import type { TransferOptions } from '../oci/types.js';
import type { ImageRow } from '../store/images.js';
import type { ImageName } from '../transports/name.js';
import { verifierOf } from '../transports/trust.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { trustFor, type ImageTrust } from './image-trust.js';
import { isUrl, openUrl } from './open-url.js';
import { takeImage } from './take-image.js';

/** Options of a load. */
export interface LoadOptions extends TransferOptions, Omit<ImageTrust, 'registriesDir'> {}

/** Images that lie together, and what a trust policy calls the place. */
interface OpenedImages {
  images: readonly ArchivedImage[];
  from: ImageName;
  close(): Promise<void>;
}

/**
 * Takes the images of an archive or a directory into the store, one after another: one that fails leaves those before it there.
 *
 * @param source - a path, the URL of an archive, or its bytes
 */
export async function loadImages(
  context: Context,
  source: string | Readable,
  options: LoadOptions = {},
): Promise<ImageRow[]> {
  checkOptions('load', options);
  const { signal, onProgress } = options;
  const trust = trustFor(context, options);
  const opened = await openImages(source, signal);
  try {
    const verify = await verifierOf(opened.from, trust);
    const rows: ImageRow[] = [];
    for (const { source: image, names } of opened.images) {
      const row = await takeImage(context, image, names, {
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
        ...(verify && { verify }),
      });
      publishImage('loadfromarchive', row.id, { name: names[0] });
      rows.push(row);
    }
    return rows;
  } finally {
    await opened.close();
  }
}

/** Opens what holds images: an archive, the directory of an OCI layout, or one of docker's files. */
export async function openImages(source: string | Readable, signal?: AbortSignal): Promise<OpenedImages> {
  if (typeof source === 'string' && (await isDockerDirectory(source))) {
    const image = dirSource(source);
    return {
      images: [{ names: [], source: image }],
      from: { transport: 'dir', path: source },
      close: () => image.close(),
    };
  }
  const input = typeof source === 'string' && isUrl(source) ? await openUrl(source, signal) : source;
  const archive = await openArchive(input, signal ? { signal } : {});
  const transport = archive.format === 'oci-layout' ? 'oci' : archive.format;
  return {
    images: archive.images,
    // Bytes that came as a stream have no place that a policy could name.
    from: { transport, path: typeof input === 'string' ? input : '' },
    close: () => archive.close(),
  };
}

/** Whether a path is a directory as `skopeo copy … dir:PATH` makes it. */
async function isDockerDirectory(path: string): Promise<boolean> {
  const has = async (name: string): Promise<boolean> =>
    lstat(join(path, name)).then(
      (found) => found.isFile(),
      () => false,
    );
  return (await has(DIR_FILES.manifest)) && !(await has('oci-layout'));
}
